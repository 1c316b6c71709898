"""From a trained network to detections in seconds."""
