"""Find when what happens in long videos: temporal action localization."""

from importlib import import_module
from typing import TYPE_CHECKING

from untrimmed.core.actions import Actions
from untrimmed.core.annotations import Annotations, Video
from untrimmed.core.detections import Detections
from untrimmed.core.grid import TimeGrid
from untrimmed.core.segments import Segment

if TYPE_CHECKING:
    from untrimmed.detector import Detector as Detector

__version__ = "0.1.0"

__all__ = ["Actions", "Annotations", "Detections", "Detector", "Segment", "TimeGrid", "Video"]


def __getattr__(name: str) -> object:
    """What needs torch is imported when it is first asked for."""
    if name == "Detector":
        return import_module("untrimmed.detector").Detector
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
