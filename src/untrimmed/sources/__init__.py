"""Files in, numpy out."""
