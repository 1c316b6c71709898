"""Scores: pure functions of actions and detections."""
