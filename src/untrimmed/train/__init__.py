"""One loop, its state, and what watches it."""
