"""Results as text, pictures and pages."""
