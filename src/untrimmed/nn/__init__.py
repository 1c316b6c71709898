"""Networks: they know positions, not seconds; tensors, not files."""
