"""What the script of the page reads: the content of a report as plain JSON.

Lists in the place of objects, and a letter for each kind of error, keep many detections small.
What becomes of a detection is decided here for every threshold of overlap (`outcomes`); the script
hides, counts and draws.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int64

from untrimmed.core.actions import Actions
from untrimmed.core.detections import Detections
from untrimmed.metrics.errors import ERRORS, EXCUSED, Kind, error_profile
from untrimmed.report.content import Report
from untrimmed.report.kinds import COLOURS, MEANINGS, kind_name
from untrimmed.report.outcomes import (
    FALSE_ALARM,
    best_overlap,
    kinds,
    outcomes,
    outcomes_of_any_class,
)
from untrimmed.report.timeline import stacked

TIOUS = (0.3, 0.4, 0.5, 0.6, 0.7)
"""Offered in the page where the report has no scores."""

EXCUSED_LETTER = "x"


def page_data(report: Report) -> dict[str, Any]:
    """What does not change while people look at it: all but corrections and places of videos."""
    tious = TIOUS if report.scores is None else tuple(report.scores.tious)
    found = [{video.id: video.detections.by_score() for video in report.videos}]
    if report.rival is not None:
        others = report.rival.detections
        found.append(
            {id: others[id].by_score() if id in others else Detections.none() for id in found[0]}
        )
    known = {video.id: video.actions for video in report.videos if video.actions is not None}
    judged = [_judged(known, some, tious=tious, classes=len(report.classes)) for some in found]
    return {
        "classes": report.classes,
        "tious": tious,
        "models": [report.name, *([] if report.rival is None else [report.rival.name])],
        "scores": [_range(some) for some in found],
        "kinds": [
            {"name": kind_name(kind), "colour": COLOURS[kind], "meaning": MEANINGS.get(kind, "")}
            for kind in Kind
        ],
        "costs": [_costs(known, some, tious) for some in found] if known else [],
        "training": report.training,
        "videos": [
            {
                "id": video.id,
                "duration": round(video.duration_s, 3),
                "actions": None if video.actions is None else _actions(video.actions),
                "found": [
                    {"detections": _detections(some[video.id], video.actions)}
                    | fates.get(video.id, {})
                    for some, fates in zip(found, judged, strict=True)
                ],
            }
            for video in report.videos
        ],
    }


def label_data(corrections: Mapping[str, Actions]) -> dict[str, list[list[float]]]:
    """By video, start, end and label of what people say."""
    return {
        id: [[round(start_s, 3), round(end_s, 3), label] for start_s, end_s, label in some]
        for id, some in corrections.items()
    }


def _judged(
    known: Mapping[str, Actions],
    found: Mapping[str, Detections],
    *,
    tious: Sequence[float],
    classes: int,
) -> dict[str, dict[str, Any]]:
    """By video of which it is known what happens: by threshold, what became of its detections."""
    some = {id: found[id] for id in known}
    fates = outcomes(known, some, tious=tious, classes=classes)
    called = outcomes_of_any_class(known, some, tious=tious)
    return {
        id: {
            "fates": [_exceptions(row) for row in fates[id].tolist()],
            "called": [_exceptions(row) for row in called[id].tolist()],
            "kinds": _letters(kinds(known[id], some[id], fates[id], tious=tious)),
        }
        for id in known
    }


def _exceptions(row: Sequence[int]) -> list[list[int]]:
    """[detection, fate] for each that is not a false alarm."""
    return [[n, fate] for n, fate in enumerate(row) if fate != FALSE_ALARM]


def _letters(kinds: Int64[np.ndarray, "T N"]) -> list[str]:
    """By threshold, a letter for each detection: the number of its kind, or that it is excused."""
    return [
        "".join(EXCUSED_LETTER if kind == EXCUSED else str(kind) for kind in row)
        for row in kinds.tolist()
    ]


def _costs(
    known: Mapping[str, Actions], found: Mapping[str, Detections], tious: Sequence[float]
) -> dict[str, Any] | None:
    """The mean normalised mAP, and what it loses by each kind of error; None without actions."""
    profile = error_profile(known, {id: found[id] for id in known}, tious=tious)
    if math.isnan(profile.average):
        return None
    gains = zip(ERRORS, profile.impact.tolist(), strict=True)
    return {
        "average": round(profile.average, 4),
        "gains": {int(kind): round(gain, 4) for kind, gain in gains},
    }


def _range(found: Mapping[str, Detections]) -> list[int]:
    """Whole numbers around all scores, and around 0 and 1."""
    lowest = min((some.scores.min(initial=0.0) for some in found.values()), default=0.0)
    highest = max((some.scores.max(initial=1.0) for some in found.values()), default=1.0)
    return [math.floor(lowest), math.ceil(highest)]


def _actions(actions: Actions) -> list[list[float]]:
    """Start, end, label, and 1 if ignored."""
    return [
        [round(start_s, 3), round(end_s, 3), label, int(ignored)]
        for (start_s, end_s), label, ignored in zip(
            actions.segments_s.tolist(), actions.labels.tolist(), actions.ignored, strict=True
        )
    ]


def _detections(detections: Detections, actions: Actions | None) -> list[list[float]]:
    """Start, end, label, score, best IoU and row, surest first."""
    known = Actions.none() if actions is None else actions
    return [
        [round(start_s, 3), round(end_s, 3), label, round(score, 4), round(overlap, 3), row]
        for (start_s, end_s), label, score, overlap, row in zip(
            detections.segments_s.tolist(),
            detections.labels.tolist(),
            detections.scores.tolist(),
            best_overlap(detections, known).tolist(),
            stacked(detections).tolist(),
            strict=True,
        )
    ]
