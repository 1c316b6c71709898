"""A data set of features: opened, trained on, detected in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

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
from untrimmed.runs.networks import build_detector
from untrimmed.runs.progress import Job, Progress
from untrimmed.sources.feature_grid import FeatureGrid, completed
from untrimmed.sources.features import FeatureStore
from untrimmed.sources.media import find
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
        return found_in(self.recipe, detector, sample, duration_s=video.duration_s, device=device)

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


def found_in(
    recipe: Recipe,
    detector: Detector,
    sample: FeatureSample,
    *,
    duration_s: float,
    device: torch.device,
) -> Detections:
    """Actions found in a video's features; `duration_s` is that of the video."""
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
