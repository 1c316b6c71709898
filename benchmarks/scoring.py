"""Time average precision on drawn data of the size of THUMOS14 and of ActivityNet-1.3.

    python benchmarks/scoring.py
    python benchmarks/scoring.py --reference DIR     # a checkout of actionformer_release

With a checkout of the ActionFormer authors' code, its evaluator is run on the same actions and
detections in the same process, and the ratio is printed; it needs pandas and joblib.  Their
figure contains Recall@1x and @5x, which cost a small part of it.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from untrimmed.core.actions import Actions
from untrimmed.core.detections import Detections
from untrimmed.metrics.average_precision import scores


class Size(NamedTuple):
    name: str
    videos: int
    actions: int  # in all
    detections: int  # in each video
    classes: int
    tious: tuple[float, ...]


THUMOS14 = Size("THUMOS14", 213, 3417, 200, 20, (0.3, 0.4, 0.5, 0.6, 0.7))
ACTIVITYNET = Size(
    "ActivityNet-1.3", 4728, 8284, 200, 200, tuple(round(0.5 + 0.05 * n, 2) for n in range(10))
)


def drawn(size: Size, *, seed: int = 0) -> tuple[dict[str, Actions], dict[str, Detections]]:
    """Actions, and detections of which half lie near one of them."""
    random = np.random.default_rng(seed)
    video_of = random.integers(size.videos, size=size.actions)
    actions, detections = {}, {}
    for video in range(size.videos):
        count = int((video_of == video).sum())
        starts = random.uniform(0, 180, count)
        segments = np.stack([starts, starts + random.uniform(1, 20, count)], 1)
        labels = random.integers(size.classes, size=count)
        loose = random.uniform(0, 180, size.detections)
        found = np.stack([loose, loose + random.uniform(1, 20, size.detections)], 1)
        found_labels = random.integers(size.classes, size=size.detections)
        if count:
            near = random.integers(count, size=size.detections // 2)
            jitter = random.normal(0, 1, (len(near), 2))
            found[: len(near)] = np.sort(segments[near] + jitter, axis=1)
            found_labels[: len(near)] = labels[near]
        actions[f"v{video:05}"] = Actions(segments, labels)
        detections[f"v{video:05}"] = Detections(
            found, found_labels, random.permutation(size.detections) + random.random()
        )
    return actions, detections


def timed(run: Callable[[], Any], *, repeats: int) -> tuple[float, Any]:
    """Least CPU seconds of some runs, and the result of the last."""
    best = float("inf")
    for _ in range(repeats):
        began = time.process_time()
        result = run()
        best = min(best, time.process_time() - began)
    return best, result


def reference(
    checkout: Path, size: Size, actions: dict[str, Actions], detections: dict[str, Detections]
) -> Callable[[], float]:
    """The authors' evaluator on the same data, in one process; gives their average mAP."""
    spec = importlib.util.spec_from_file_location(
        "reference_metrics", checkout / "libs" / "utils" / "metrics.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    np.float = float  # type: ignore[attr-defined]  # their code is of NumPy before 1.24
    spec.loader.exec_module(module)
    database = {
        id: {
            "subset": "test",
            "annotations": [
                {"label": str(label), "label_id": int(label), "segment": [start_s, end_s]}
                for start_s, end_s, label in some
            ],
        }
        for id, some in actions.items()
    }
    with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
        json.dump({"database": database}, file)
    evaluator = module.ANETdetection(
        file.name, "test", tiou_thresholds=np.array(size.tious), num_workers=1
    )
    joined = {
        "video-id": [id for id, some in detections.items() for _ in range(len(some))],
        "t-start": np.concatenate([some.segments_s[:, 0] for some in detections.values()]),
        "t-end": np.concatenate([some.segments_s[:, 1] for some in detections.values()]),
        "label": np.concatenate([some.labels for some in detections.values()]),
        "score": np.concatenate([some.scores for some in detections.values()]),
    }
    return lambda: float(evaluator.evaluate(dict(joined), verbose=False)[1])


def peak_mb() -> float:
    """Most memory that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(size: Size, *, checkout: Path | None) -> None:
    """Print the line of one size."""
    actions, detections = drawn(size)
    labels = [str(label) for label in range(size.classes)]
    ours_s, table = timed(
        lambda: scores(actions, detections, tious=size.tious, classes=labels), repeats=3
    )
    line = (
        f"{size.name:16} {size.videos} videos x {size.detections} detections, {size.classes}"
        f" classes, {len(size.tious)} thresholds: {ours_s:.3f} CPU s, peak {peak_mb():.0f} MB"
    )
    if checkout is not None:
        theirs_s, average = timed(reference(checkout, size, actions, detections), repeats=1)
        line += (
            f"; reference {theirs_s:.1f} CPU s, peak {peak_mb():.0f} MB: {theirs_s / ours_s:.0f}"
            f" times; average mAP {100 * table.average:.4f} here, {100 * average:.4f} there"
        )
    print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--reference", type=Path, default=None, help="checkout of actionformer")
    parser.add_argument("--small", action="store_true", help="the size of THUMOS14 alone")
    options = parser.parse_args()
    print(f"numpy {np.__version__}, Python {sys.version.split()[0]}")
    measure(THUMOS14, checkout=options.reference)
    measure(THUMOS14._replace(name="ten times", videos=2130, actions=34170), checkout=None)
    if not options.small:
        measure(ACTIVITYNET, checkout=options.reference)


if __name__ == "__main__":
    main()
