"""Annotation formats: one module each, with `read(path) -> Annotations`.

`write` gives a file that `read` gives back; `export` loses something, as it says.  What a reader
cannot understand it refuses with a FormatError.  An action that ends before it starts is
understood and cannot be: every reader leaves it out, and lists it among the `faults`.
"""
