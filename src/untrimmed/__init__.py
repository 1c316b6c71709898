"""Find when what happens in long videos: temporal action localization."""

from untrimmed.core.actions import Actions
from untrimmed.core.annotations import Annotations, Video
from untrimmed.core.detections import Detections
from untrimmed.core.grid import TimeGrid
from untrimmed.core.segments import Segment

__version__ = "0.1.0"

__all__ = ["Actions", "Annotations", "Detections", "Segment", "TimeGrid", "Video"]
