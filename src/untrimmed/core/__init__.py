"""The values that everything else is about: time, actions, detections, settings."""
