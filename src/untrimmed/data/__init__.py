"""From annotations and media to samples for a network."""
