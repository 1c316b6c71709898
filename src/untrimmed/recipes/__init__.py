"""A run, written down."""
