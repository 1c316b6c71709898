"""Find actions in videos, or features of videos, that nobody annotated.

Each video's result is written as soon as it is there (`runs.finished`), so a folder that was
stopped goes on where it was; the outputs of all together (`runs.outputs`) come last.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from untrimmed.core.detections import Detections
from untrimmed.core.errors import MediaError, UserError
from untrimmed.report.proxy import duration_s
from untrimmed.runs.finished import Finished, Looked, maker
from untrimmed.runs.folder import RunFolder
from untrimmed.runs.inputs import Source, named_sources, no_entries, shown_fps
from untrimmed.runs.lone_features import entries_in, features_in
from untrimmed.runs.outputs import Results, checked_forms, write_results
from untrimmed.runs.progress import Job, Progress
from untrimmed.runs.thresholds import UNKNOWN, Threshold
from untrimmed.runs.trained import TrainedRun
from untrimmed.sources.media import videos_in
from untrimmed.sources.pictures import Pictures


@dataclass(frozen=True)
class Detected:
    """What was found in some videos.

    Args:
        classes: names, by label.
        detections: all of them, by name of the video.
        durations_s: of the videos that could be read.
        failed: what is wrong with each that could not.
        least_score: that people are shown.
        calibrated: where it comes from; None if it was given, or there was nothing to find it by.
        reused: videos whose result was there from before.
    """

    classes: tuple[str, ...]
    detections: dict[str, Detections]
    durations_s: dict[str, float]
    failed: dict[str, str]
    least_score: float
    calibrated: Threshold | None = None
    reused: tuple[str, ...] = ()


def detect(
    folder: RunFolder,
    paths: Sequence[Path],
    *,
    output: Path,
    fps: float | None = None,
    threshold: float | None = None,
    write: Sequence[str] = (),
    again: bool = False,
) -> Job[Detected]:
    """Detect in files; `output` gets JSON, CSV and a page to look at, and a file for each video.

    A video that cannot be read costs only itself.  One whose result is in `output` already, made by
    the same detector of the same file, is not looked at again.

    Args:
        folder: of a trained run.
        paths: videos, or files of features if the run was trained on those, of one video or
            archives of many; folders of them, patterns, or numbered pictures (`runs.inputs`).
        output: a folder.
        fps: frames per second of pictures, or of the videos that features were made of, where the
            recipe does not say it.
        threshold: least score that people are shown; if not given, the one that was best in
            validation.
        write: further forms (`runs.outputs`).
        again: look at every video again.

    Raises:
        UserError: if the folder holds no trained run, no file is meant, or there is no such form.
    """
    forms = checked_forms(write)
    if fps is not None and not 0 < fps < math.inf:
        raise UserError(f"--fps {fps}: it must be above 0")
    run = TrainedRun(folder)
    sources = named_sources(
        paths,
        inside=videos_in if run.on_videos else features_in,
        entries=no_entries if run.on_videos else partial(entries_in, run.recipe),
        pictures=run.on_videos,
    )
    for source in sources.values():
        if isinstance(source, Pictures):
            shown_fps(source, fps)  # refused here, before anything is read
    finished = Finished(output, run.classes, maker(run.recipe, run.weights, fps=fps))
    before = {} if again else {id: finished.read(id, each) for id, each in sources.items()}
    looked = {id: found for id, found in before.items() if found is not None}
    reused = tuple(looked)
    failed: dict[str, str] = {}
    new = {id: source for id, source in sources.items() if id not in looked}
    yield from _look(run, new, finished, looked, failed, fps=fps)

    calibrated = run.threshold if threshold is None else None
    least = UNKNOWN if calibrated is None else calibrated.score
    least = least if threshold is None else threshold
    in_order = {id: looked[id] for id in sources if id in looked}
    found = {id: each.detections for id, each in in_order.items()}
    durations_s = {id: each.duration_s for id, each in in_order.items()}
    results = Results(
        classes=run.classes,
        detections=found,
        durations_s=durations_s,
        sources={id: sources[id] for id in in_order},
        least_score=least,
        fps=fps,
    )
    failed |= yield from write_results(results, output, forms=forms, on_videos=run.on_videos)
    return Detected(run.classes, found, durations_s, failed, least, calibrated, reused)


def _look(
    run: TrainedRun,
    sources: Mapping[str, Source],
    finished: Finished,
    looked: dict[str, Looked],
    failed: dict[str, str],
    *,
    fps: float | None,
) -> Job[None]:
    """Look at each video; done and total are seconds of video, or files of features."""
    lengths = {
        id: _length(source, on_videos=run.on_videos, fps=fps) for id, source in sources.items()
    }
    total = sum(lengths.values())
    past = 0
    for number, (id, source) in enumerate(sources.items(), start=1):
        facts = {"video": id, "": f"{number} of {len(sources)}"}
        yield Progress("detect", past, total, facts)
        try:
            steps = run.look(source, fps=fps)
            while True:
                done, all = next(steps)
                now = past + lengths[id] * done // max(all, 1)
                yield Progress("detect", min(now, past + lengths[id] - 1), total, facts)
        except StopIteration as end:
            looked[id] = end.value
            finished.write(id, source, looked[id])
        except MediaError as error:
            failed[id] = str(error)
        past += lengths[id]
    if sources:
        yield Progress("detect", total, total)


def _length(source: Source, *, on_videos: bool, fps: float | None) -> int:
    """Seconds of a video, as it states them, 1 at least; 1 for a file of features."""
    length_s = 0.0
    if isinstance(source, Pictures):
        length_s = len(source.files) / shown_fps(source, fps)
    elif isinstance(source, Path) and on_videos:
        with suppress(MediaError):
            length_s = duration_s(source)
    return max(1, round(length_s))
