"""Pyramids of features to candidates."""
