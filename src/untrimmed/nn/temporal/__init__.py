"""Sequences of features to pyramids of features."""
