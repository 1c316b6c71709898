"""Clips of pixels to cells of features."""
