"""One paper per file; none imports another."""
