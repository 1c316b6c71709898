"""What became of each detection, video by video.

`metrics.matching` decides it, class by class; here its answer is turned so that a picture of one
video can be drawn.  Detections are matched in order of falling score, so what becomes of one does
not depend on those below it: a threshold on the score changes no outcome, it only hides
detections.  A page with a slider needs nothing else to count.

Shapes: T thresholds of overlap, N detections of a video.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float64, Int64
from numpy.typing import NDArray

from untrimmed.core.actions import Actions
from untrimmed.core.detections import Detections
from untrimmed.core.segments import iou
from untrimmed.metrics import errors
from untrimmed.metrics.matching import matches

FALSE_ALARM = -1
EXCUSED = -2  # hits nothing but an ignored action: neither counts nor punishes


def outcomes(
    actions: Mapping[str, Actions],
    detections: Mapping[str, Detections],
    *,
    tious: Sequence[float],
    classes: int,
) -> dict[str, Int64[np.ndarray, "T N"]]:
    """By video, the position of the action that each detection hits at each threshold.

    Where it hits none, the value is `FALSE_ALARM` or `EXCUSED`.

    Args:
        actions: ground truth of every video of `detections`.
        tious: least IoU of a hit, each in (0, 1].
        classes: labels are below it.
    """
    fates = {
        id: np.full((len(tious), len(some)), FALSE_ALARM, np.int64)
        for id, some in detections.items()
    }
    for found in matches(actions, detections, tious=tious, labels=range(classes)):
        fate = np.where(found.excused, EXCUSED, found.hit)  # (T, D of the class)
        for number in np.unique(found.video).tolist():
            own = found.video == number
            fates[found.videos[number]][:, found.position[own]] = fate[:, own]
    return fates


def outcomes_of_any_class(
    actions: Mapping[str, Actions], detections: Mapping[str, Detections], *, tious: Sequence[float]
) -> dict[str, Int64[np.ndarray, "T N"]]:
    """As `outcomes`, if a detection may hit an action of whatever class.

    The surest detection of an action, whatever it calls it, takes it: what it is called says which
    classes are taken for which.
    """
    alike = {
        id: Detections(some.segments_s, np.zeros_like(some.labels), some.scores)
        for id, some in detections.items()
    }
    unlabelled = {id: some.of_one_class() for id, some in actions.items()}
    return outcomes(unlabelled, alike, tious=tious, classes=1)


def kinds(
    actions: Actions,
    detections: Detections,
    fates: Int64[np.ndarray, "T N"],
    *,
    tious: Sequence[float],
) -> Int64[np.ndarray, "T N"]:
    """The `Kind` of each detection of a video, or `errors.EXCUSED`; `fates` are its outcomes."""
    counted = actions[~actions.ignored]
    own = best_overlap(detections, counted)
    most = iou(detections.segments_s, counted.segments_s).max(axis=1, initial=0.0)
    return errors.kinds_of(
        fates >= 0,
        fates == EXCUSED,
        own=np.where(own >= most, own, 0.0),  # the most overlapping action decides, as in DETAD
        most=most,
        tious=np.asarray(tious, np.float64),
    )


def best_overlap(detections: Detections, actions: Actions) -> Float64[np.ndarray, " N"]:
    """Largest IoU of each detection with an action of its class that counts; 0 without one."""
    same = detections.labels[:, None] == actions.labels[None, :]
    counted = same & ~actions.ignored[None, :]
    overlap = np.where(counted, iou(detections.segments_s, actions.segments_s), 0.0)
    best: NDArray[np.float64] = overlap.max(axis=1, initial=0.0)
    return best
