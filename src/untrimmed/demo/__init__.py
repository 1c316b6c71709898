"""A small data set of drawn videos in which motion, not appearance, tells the actions."""
