"""Annotation formats: one module each, found by its name."""
