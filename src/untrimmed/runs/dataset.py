"""What runs ask of a data set, whether of videos or of features.

A video that is missing or broken costs only itself, one that is damaged somewhere only the windows
there: it is listed, and the others go on.  The two kinds are in `runs.video_data` and
`runs.feature_data`; `runs.opening` chooses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch

from untrimmed.core.annotations import Annotations, Video
from untrimmed.core.detections import Detections
from untrimmed.core.errors import ConfigError, FormatError
from untrimmed.nn.detector import Detector
from untrimmed.recipes.data import FeatureData, VideoData
from untrimmed.runs.folder import RunFolder
from untrimmed.runs.formats import FORMATS, read_with
from untrimmed.runs.progress import Job
from untrimmed.sources.check import VideoFacts
from untrimmed.sources.json_tree import Value, read_json
from untrimmed.train.distributed import ALONE, Processes
from untrimmed.train.loop import Lesson


class Lessons(Protocol):
    """What a detector is trained with."""

    def batches(self, keys: Sequence[list[tuple[int, int]]]) -> Iterator[Any]:
        """Batches by their keys, as `data.sampling.batch_keys` gives them."""
        ...

    def __call__(self, batch: Any, number: int) -> Lesson:
        """Losses of a batch in step `number`, from 0."""
        ...

    def renew(self, step: int) -> Job[None]:
        """Do what is due after that step and before the next."""
        ...

    def save(self, step: int) -> None:
        """Keep what belongs to the state of that step, beside it."""
        ...

    def clean(self, step: int) -> None:
        """Let go of what belongs to the states before that step."""
        ...


@dataclass(frozen=True)
class Stage:
    """Where a training stands when its lessons are opened.

    Args:
        folder: of the run.
        step: steps done.
        generator: of all that is drawn in training, beside PyTorch's own.
        processes: that train together.
    """

    folder: RunFolder
    step: int
    generator: torch.Generator
    device: torch.device
    processes: Processes = ALONE


class OpenData(Protocol):
    """A data set ready to be read.

    annotations: of all splits.
    failed: what is wrong with each video that cannot be read.
    """

    @property
    def annotations(self) -> Annotations: ...

    @property
    def failed(self) -> dict[str, str]: ...

    def facts(self) -> Mapping[str, VideoFacts] | None:
        """What the files of the readable videos say of them; None if they say nothing."""
        ...

    def build(self) -> Detector:
        """The untrained detector of the recipe, drawn from its seed."""
        ...

    def lessons(self, detector: Detector, videos: Sequence[Video], *, at: Stage) -> Job[Lessons]:
        """What `detector` is trained with on some videos, from a stage of the training on."""
        ...

    def detect(self, detector: Detector, video: Video, *, device: torch.device) -> Detections:
        """Actions found in one video; raises MediaError if it cannot be read."""
        ...

    def file(self, video: str) -> Path | None:
        """The file that shows a video, if there is one."""
        ...


def readable(data: OpenData, videos: Annotations) -> list[Video]:
    """Those of some videos that can be read."""
    return [video for video in videos.videos.values() if video.id not in data.failed]


def read_annotations(data: VideoData | FeatureData) -> Annotations:
    """The annotations of a data set, in whatever format it names.

    Raises:
        ConfigError: if there is no such format.
        FormatError: if a file is missing or does not hold what it should.
    """
    module = FORMATS.module(data.format)
    if not data.annotations.exists():
        raise FormatError("no such annotation file; set data.annotations", file=data.annotations)
    annotations = read_with(
        module, data.annotations, settings=data.format_settings, place="data.format_settings"
    )
    splits = data.splits
    if splits.file is None:
        return annotations
    return with_splits(annotations, read_json(splits.file), fold=splits.fold)


def with_splits(annotations: Annotations, root: Value, *, fold: str | None) -> Annotations:
    """Annotations with the splits that a file names; a video that it does not name has none."""
    parts = root if fold is None else root.member(fold)
    split_by_id: dict[str, str] = {}
    for name, ids in parts.members().items():
        for each in ids.elements():
            id = each.name()
            if id not in annotations.videos:
                raise each.wrong(f"the annotations have no video {id}")
            if id in split_by_id:
                raise each.wrong(
                    f"{id} is in the split {split_by_id[id]} already, and now in {name}; take it"
                    " out of one of the two"
                )
            split_by_id[id] = name
    videos = {
        id: replace(video, split=split_by_id.get(id, ""))
        for id, video in annotations.videos.items()
    }
    return replace(annotations, videos=videos)


def split_of(annotations: Annotations, name: str, *, setting: str) -> Annotations:
    """The videos of a split, whatever the case of its name.

    Raises:
        ConfigError: if there is no such split, or it has no video.
    """
    for split in annotations.splits:
        if split.lower() == name.lower():
            return annotations.split(split)
    there = ", ".join(filter(None, annotations.splits)) or "none"
    raise ConfigError(f"the annotations have no split {name}; there are: {there}", path=setting)


def videos_of(annotations: Annotations, splits: Sequence[str]) -> list[Video]:
    """The videos of some splits.

    Raises:
        ConfigError: if a split is not there.
    """
    return [
        video
        for split in splits
        for video in split_of(annotations, split, setting="data.splits").videos.values()
    ]
