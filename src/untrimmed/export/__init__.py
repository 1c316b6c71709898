"""A trained detector as one thing to hand on."""
