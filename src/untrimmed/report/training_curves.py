"""The course of a training, short enough for a page however long it took.

Shapes: N points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import numpy as np

POINTS = 300
"""Most points of a curve; each is the mean over as many steps as it takes."""


class TrainingCurves(TypedDict):
    """Values that may be shown as JSON.

    steps: N, the last step of each point.
    losses: by name, N each; null where a step had none of that name.
    lr: N.
    scores: [step, average mAP of the validation split].
    """

    steps: list[int]
    losses: dict[str, list[float | None]]
    lr: list[float | None]
    scores: list[tuple[int, float]]


def training_curves(
    records: Sequence[Mapping[str, Any]],
    *,
    validations: Sequence[Mapping[str, Any]] = (),
    points: int = POINTS,
) -> TrainingCurves | None:
    """Curves of the records of a journal (`train.journal`); None without a step.

    Args:
        validations: records of the scores of the validation split.
        points: most points, above 0.
    """
    steps = [record for record in records if isinstance(record.get("losses"), Mapping)]
    if not steps:
        return None
    parts = [part for part in np.array_split(np.arange(len(steps)), points) if part.size]
    names = dict.fromkeys(name for record in steps for name in record["losses"])
    losses = {name: [record["losses"].get(name) for record in steps] for name in names}
    return TrainingCurves(
        steps=[int(steps[part[-1]]["number"]) for part in parts],
        losses={name: _means(values, parts) for name, values in losses.items()},
        lr=_means([record.get("lr") for record in steps], parts),
        scores=[
            (int(record["number"]), float(record["average_mAP"]))
            for record in validations
            if record.get("average_mAP") is not None
        ],
    )


def _means(values: Sequence[float | None], parts: Sequence[Any]) -> list[float | None]:
    """Mean of what is there of each part; None of nothing."""
    means: list[float | None] = []
    for part in parts:
        there = [value for n in part.tolist() if (value := values[n]) is not None]
        means.append(float(f"{np.mean(there):.5g}") if there else None)
    return means
