"""The JSON of HACS Segments, `HACS_segments_v1.1.1.json`: that of ActivityNet under another name.

    {"database": {"-2GnFKu3DWE": {"duration": 87.9, "subset": "training", "url": "...",
                                  "annotations": [{"label": "wave", "segment": [1.2, 3.4]}]}}}

Its splits are "training", "validation" and "testing"; the last has no annotations.  HACS Clips,
a table of short clips that show an action or not, is another thing and is not read.

Source: HACS (Zhao et al., ICCV 2019), the published file.
"""

from __future__ import annotations

from untrimmed.sources.formats.activitynet import read, read_detections, write, write_detections

__all__ = ["read", "read_detections", "write", "write_detections"]
