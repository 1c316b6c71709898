"""A data set of features: opened, trained on, detected in."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from untrimmed.core.annotations import Annotations, Video
from untrimmed.core.detections import Detections
from untrimmed.core.errors import ConfigError, MediaError
from untrimmed.data.collate import batches
from untrimmed.data.feature_dataset import (
    FeatureBatch,
    FeatureSample,
    TrainingFeatures,
    collate_features,
    whole_video,
)
from untrimmed.data.torch_file import READERS
from untrimmed.detect.sequence import WINDOW, detect_sequence
from untrimmed.nn.detector import Detector
from untrimmed.nn.protocols import Quietable
from untrimmed.recipes.data import FeatureData
from untrimmed.recipes.recipe import Recipe
from untrimmed.runs.dataset import Stage, read_annotations, videos_of
from untrimmed.runs.inputs import Entry
from untrimmed.runs.networks import build_detector
from untrimmed.runs.progress import Job, Progress
from untrimmed.sources.arrays import ARCHIVES, KINDS, entry_names
from untrimmed.sources.feature_files import FeatureFiles
from untrimmed.sources.feature_grid import FeatureGrid, completed
from untrimmed.sources.features import FeatureStore, resized
from untrimmed.sources.media import find
from untrimmed.tensors import Targets
from untrimmed.train.features import FeatureLessons
from untrimmed.train.loop import Lesson


@dataclass(frozen=True)
class OpenFeatures:
    """Annotations joined with readable features.

    Args:
        store: reads the features of a video.
        grid: where their cells lie; what the recipe leaves open is taken from sidecars.
        failed: what is wrong with each video that cannot be read.
        media: the videos themselves, where they are known.
    """

    recipe: Recipe
    annotations: Annotations
    store: FeatureStore
    grid: FeatureGrid
    failed: dict[str, str]
    media: dict[str, Path]

    @property
    def settings(self) -> FeatureData:
        """Those of the data."""
        return feature_settings(self.recipe)

    def facts(self) -> None:
        """Features say nothing of their videos."""

    def build(self) -> Detector:
        """The untrained detector of the recipe, drawn from its seed.

        Classes without any action in the annotations start out as unlikely as can be.
        """
        detector = build_detector(
            self.recipe, classes=len(self.annotations.classes), channels=self.store.channels
        )
        if isinstance(detector.head, Quietable) and not self.settings.one_class:
            detector.head.quiet(without_actions(self.annotations))
        return detector

    def lessons(
        self, detector: Detector, videos: Sequence[Video], *, at: Stage
    ) -> Job[SequenceLessons]:
        """What `detector` is trained with."""
        yield Progress("open the features", len(videos), len(videos))
        data = self.settings
        return SequenceLessons(
            features=TrainingFeatures(
                videos,
                self.store,
                grid=self.grid,
                cells=data.cells,
                share=data.least_share,
                crop=data.crop,
                clean=data.clean,
                cut_off=data.cut_off,
                one_class=data.one_class,
                classes=len(self.annotations.classes),
                seed=self.recipe.seed,
            ),
            lessons=FeatureLessons(
                detector=detector, bf16=self.recipe.train.bf16, device=at.device
            ),
            workers=data.workers,
        )

    def detect(self, detector: Detector, video: Video, *, device: torch.device) -> Detections:
        """Actions found in one video; raises MediaError if it cannot be read."""
        sample = whole_video(self.store, video, self.grid)
        return _found(self.recipe, detector, sample, duration_s=video.duration_s, device=device)

    def file(self, video: str) -> Path | None:
        """The file that shows a video, if there is one."""
        return self.media.get(video)


@dataclass(frozen=True)
class SequenceLessons:
    """What a detector is trained with on features."""

    features: TrainingFeatures
    lessons: FeatureLessons
    workers: int

    def batches(self, keys: Sequence[list[tuple[int, int]]]) -> Iterator[FeatureBatch]:
        """Batches by their keys."""
        return batches(
            self.features, keys, collate=collate_features(self.features.cells), workers=self.workers
        )

    def __call__(self, batch: FeatureBatch, number: int) -> Lesson:  # noqa: ARG002
        """Losses of a batch; what step it is does not matter."""
        return self.lessons(batch)

    def renew(self, step: int) -> Job[None]:  # noqa: ARG002
        """Nothing grows old."""
        yield from ()

    def save(self, step: int) -> None:
        """Nothing is remembered from step to step."""

    def clean(self, step: int) -> None:
        """Nothing is remembered from step to step."""


def without_actions(annotations: Annotations) -> list[int]:
    """Labels that no action of any split has."""
    seen = {int(label) for video in annotations.videos.values() for label in video.actions.labels}
    return [label for label in range(len(annotations.classes)) if label not in seen]


def feature_settings(recipe: Recipe) -> FeatureData:
    """The data of a recipe that must be of features.

    Raises:
        ConfigError: if it is of videos.
    """
    if not isinstance(recipe.data, FeatureData):
        raise ConfigError("this is about features, but the recipe is of videos", path="data")
    return recipe.data


def open_features(recipe: Recipe, *, splits: Sequence[str]) -> OpenFeatures:
    """Annotations and features of some splits; the file of every video is looked at once.

    Raises:
        ConfigError: if a split is not there.
        FormatError: if the annotations cannot be read.
        MediaError: if a file of features is missing where the recipe wants all, or none of the
            videos has features that can be read.
    """
    data = feature_settings(recipe)
    annotations = read_annotations(data)
    wanted = videos_of(annotations, splits)
    store = FeatureStore.open(data.features, videos=[video.id for video in wanted], readers=READERS)
    failed: dict[str, str] = {}
    for video in wanted:
        try:
            store.rows(video.id)
        except MediaError as error:
            if data.missing == "stop":
                raise
            failed[video.id] = str(error)
    if len(failed) == len(wanted):
        first = next(iter(failed.values()), "the splits are empty")
        raise MediaError(
            f"none of the {len(wanted)} videos has features: {first}", file=data.features[0].path
        )
    media = {} if data.media is None else find(data.media, (video.id for video in wanted))
    grid = completed(data.grid, data.features)
    return OpenFeatures(recipe, annotations, store, grid, failed, media)


def features_in(folder: Path) -> dict[str, Path]:
    """Files of features in a folder by their name without ending, sorted."""
    kinds = (*KINDS, *READERS)
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in kinds)
    return {path.stem: path for path in files}


def entries_in(recipe: Recipe, file: Path) -> dict[str, Entry]:
    """The videos of an archive by name, sorted; none if it is the file of one video.

    It is one of many if the run was trained on an archive, or if it holds several arrays and the
    recipe names none.  A file that cannot be read has none: what is wrong shows when it is opened.
    """
    trained = feature_settings(recipe).features[0]
    if file.suffix.lower() not in ARCHIVES:
        return {}
    try:
        names = entry_names(file)
    except MediaError:
        return {}
    if trained.path.suffix.lower() not in ARCHIVES:
        alone = trained.array is not None or len(names) < 2
        return {} if alone else {name: Entry(file, name) for name in names}
    before, behind = trained.prefix, trained.suffix or ""
    return {
        name.removeprefix(before).removesuffix(behind): Entry(file, name)
        for name in names
        if name.startswith(before) and name.endswith(behind)
    }


def open_alone(recipe: Recipe, *sources: Path | Entry) -> FeatureStore:
    """Features of single files, or entries of one archive, made as those of the recipe.

    They are asked for by `id_alone`.

    Raises:
        ConfigError: if the recipe joins several sets.
        MediaError: if none of the files can be read.
    """
    data = feature_settings(recipe)
    if len(data.features) > 1:
        raise ConfigError(
            f"the run joins {len(data.features)} sets of features; name the videos in an"
            " annotation file, without actions, and use `untrimmed evaluate`",
            path="data.features",
        )
    archives = [source.file for source in sources if isinstance(source, Entry)]
    files = replace(data.features[0], path=(archives or [Path()])[0], prefix="", suffix=None)
    return FeatureStore.open([files], videos=map(id_alone, sources), readers=READERS)


def id_alone(source: Path | Entry) -> str:
    """What `open_alone` calls the video of a file or an entry."""
    return source.name if isinstance(source, Entry) else str(source.absolute().with_suffix(""))


def detect_alone(
    recipe: Recipe,
    store: FeatureStore,
    fps: float | None,
    detector: Detector,
    source: Path | Entry,
    device: torch.device,
) -> tuple[Detections, float]:
    """What is found in a file of features, or an entry, and the seconds that they cover.

    Raises:
        ConfigError: if nothing says at what rate the video was encoded, or how long it is.
        MediaError: if the file cannot be read.
    """
    data = feature_settings(recipe)
    place = source.file if isinstance(source, Entry) else source.parent
    grid = _grid_alone(data, [replace(data.features[0], path=place)])
    video = Video(id=id_alone(source), duration_s=math.inf, fps=fps)
    duration_s = grid.covered_s(video, store.rows(video.id))
    sample = whole_video(store, video, grid)
    return _found(recipe, detector, sample, duration_s=duration_s, device=device), duration_s


def detect_given(
    recipe: Recipe,
    features: Float[np.ndarray, "T C"],
    fps: float | None,
    detector: Detector,
    device: torch.device,
) -> tuple[Detections, float]:
    """What is found in features at hand, and the seconds that they cover.

    Raises:
        ConfigError: as `detect_alone`.
        ValueError: if there is no cell.
    """
    data = feature_settings(recipe)
    grid = _grid_alone(data, data.features)
    video = Video(id="array", duration_s=math.inf, fps=fps)
    duration_s = grid.covered_s(video, len(features))
    values = np.array(features, np.float32)
    if grid.resize is not None:
        values = resized(values, grid.resize)
    sample = FeatureSample(
        video.id,
        grid.grid_of(video, len(features)),
        torch.from_numpy(np.ascontiguousarray(values.T)),
        Targets(torch.zeros(0, 2), torch.zeros(0, dtype=torch.long)),
    )
    return _found(recipe, detector, sample, duration_s=duration_s, device=device), duration_s


def _grid_alone(data: FeatureData, files: Sequence[FeatureFiles]) -> FeatureGrid:
    """Where rows lie of which no annotation says how long their video is.

    Raises:
        ConfigError: if nothing else says it.
    """
    grid = completed(data.grid, files)
    if grid.step_frames is None:
        raise ConfigError(
            "needed, for features alone do not say how long their video is",
            path="data.grid.step_frames",
        )
    return grid


def _found(
    recipe: Recipe,
    detector: Detector,
    sample: FeatureSample,
    *,
    duration_s: float,
    device: torch.device,
) -> Detections:
    cells = sample.features.shape[-1]
    trained = feature_settings(recipe).cells
    return detect_sequence(
        detector,
        sample.features,
        grid=sample.grid,
        duration_s=duration_s,
        length=recipe.model.padded(cells, cells=trained),
        window=recipe.model.padded(WINDOW, cells=trained),
        suppression=recipe.detect.suppression,
        device=device,
        bf16=recipe.train.bf16,
    )
