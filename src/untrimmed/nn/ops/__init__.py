"""Stateless arithmetic on segments, scores and losses."""
