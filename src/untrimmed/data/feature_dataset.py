"""From features of videos to samples: read the cells of a crop, and say what happens in it.

Shapes: B samples, C channels, T cells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor
from torch.utils.data import Dataset

from untrimmed.core.actions import Actions, without_repeats, without_short
from untrimmed.core.annotations import Video
from untrimmed.core.errors import ConfigError, MediaError
from untrimmed.core.grid import TimeGrid
from untrimmed.data.dataset import Failed
from untrimmed.data.feature_windows import covered, random_crop
from untrimmed.data.sampling import random_of
from untrimmed.sources.feature_grid import FeatureGrid
from untrimmed.sources.features import FeatureStore, resized
from untrimmed.tensors import Padded, Targets, pad


class FeatureSample(NamedTuple):
    """Features of a video, or of a part of it.

    grid: of these cells.
    """

    video: str
    grid: TimeGrid
    features: Float[Tensor, "C T"]
    targets: Targets


class FeatureBatch(NamedTuple):
    """What one training step takes.

    features: (B, C, T), all of the length that was asked for.
    failed: videos that could not be read; they have no row here.
    """

    videos: tuple[str, ...]
    features: Padded
    targets: tuple[Targets, ...]
    failed: tuple[Failed, ...]


class TrainingFeatures(Dataset[FeatureSample | Failed]):
    """Random crops of the videos of a split, one per video and epoch.

    An item is asked for by (epoch, index of the video): what is drawn depends on these and the
    seed alone.

    Args:
        videos: of the split; ignored actions are left out.
        store: their features.
        grid: where cells lie; complete (`sources.feature_grid.completed`).
        cells: of a training window; longer videos are cut to it.
        share: an action belongs to a crop if at least so much of it lies there, in (0, 1].
        crop: bounds of the length that videos which fit are cut to, as shares of their length;
            None leaves them whole.
        clean: leave out actions without length, and those that repeat another (`core.actions`).
        cut_off: cut actions where the features end, and leave out those of which less than `share`
            lies before; else they reach beyond, and into the padding.
        one_class: whether all classes are one.
        classes: number of classes; labels are held against it if given.
        seed: of the run.

    Raises:
        ConfigError: if an action is of no class.
    """

    def __init__(
        self,
        videos: Sequence[Video],
        store: FeatureStore,
        *,
        grid: FeatureGrid,
        cells: int,
        share: float = 0.5,
        crop: tuple[float, float] | None = None,
        clean: bool = False,
        cut_off: bool = False,
        one_class: bool = False,
        classes: int | None = None,
        seed: int = 0,
    ) -> None:
        self.videos = [
            learnt(video, clean=clean, one_class=one_class, classes=classes) for video in videos
        ]
        self.store = store
        self.grid = grid
        self.cells = cells
        self.share = share
        self.crop = crop
        self.cut_off = cut_off
        self.seed = seed

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, key: tuple[int, int]) -> FeatureSample | Failed:
        epoch, index = key
        video = self.videos[index]
        random = random_of(seed=self.seed, epoch=epoch, index=index)
        try:
            return self._sample(video, random)
        except MediaError as error:
            return Failed(video.id, str(error))

    def _sample(self, video: Video, random: np.random.Generator) -> FeatureSample:
        grid = self.grid.grid_of(video, self.store.rows(video.id))
        segments, labels = grid.to_cells(video.actions.segments_s), video.actions.labels
        offset = float(-grid.to_cells(0.0))  # half a clip
        if self.cut_off:
            segments, left = covered(segments, length=grid.length, share=self.share, offset=offset)
            labels = labels[left]
        crop = random_crop(
            segments,
            length=grid.length,
            cells=self.cells,
            share=self.share,
            offset=offset,
            shorten=self.crop,
            random=random,
        )
        features = _features(self.store, video, self.grid, crop.start, crop.stop)
        return FeatureSample(
            video.id,
            grid.window(crop.start, crop.stop - crop.start),
            features,
            _targets(crop.segments, labels[crop.chosen]),
        )


def whole_video(store: FeatureStore, video: Video, grid: FeatureGrid) -> FeatureSample:
    """All of a video, and all that happens in it, also beyond its features; for detection.

    Args:
        grid: complete.

    Raises:
        MediaError: if its features cannot be read.
        ConfigError: if nothing says where its cells lie.
    """
    cells = grid.grid_of(video, store.rows(video.id))
    counted = video.actions[~video.actions.ignored]
    return FeatureSample(
        video.id,
        cells,
        _features(store, video, grid, 0, cells.length),
        _targets(cells.to_cells(counted.segments_s), counted.labels),
    )


def learnt(
    video: Video, *, clean: bool = False, one_class: bool = False, classes: int | None = None
) -> Video:
    """A video with the actions that are learnt; arguments as those of `TrainingFeatures`.

    Raises:
        ConfigError: if an action is of no class.
    """
    actions = video.actions[~video.actions.ignored]
    stray = actions.labels[(actions.labels < 0) | (actions.labels >= (classes or np.inf))]
    if len(stray):
        raise ConfigError(
            f"video {video.id}: the label {stray[0]} is of no class"
            + ("" if classes is None else f"; there are {classes}, from 0 on"),
            path="data.annotations",
        )
    if clean:
        actions = without_repeats(without_short(actions))
    if one_class:
        actions = Actions(actions.segments_s, np.zeros_like(actions.labels))
    return replace(video, actions=actions)


def collate_features(
    cells: int,
) -> Callable[[Sequence[FeatureSample | Failed]], FeatureBatch]:
    """What makes batches of samples, with zeros behind those that have fewer cells.

    Args:
        cells: of every row of a batch; a longer sample is an error.
    """
    return partial(_collated, cells=cells)


def _collated(samples: Sequence[FeatureSample | Failed], *, cells: int) -> FeatureBatch:
    read = [sample for sample in samples if isinstance(sample, FeatureSample)]
    failed = tuple(sample for sample in samples if isinstance(sample, Failed))
    if not read:
        nothing = Padded.whole(torch.zeros(0, 0, cells))
        return FeatureBatch((), nothing, (), failed)
    return FeatureBatch(
        tuple(sample.video for sample in read),
        pad([sample.features for sample in read], length=cells),
        tuple(sample.targets for sample in read),
        failed,
    )


def _features(
    store: FeatureStore, video: Video, grid: FeatureGrid, start: int, stop: int
) -> Float[Tensor, "C T"]:
    """Those of some cells; to resize them the whole video is read."""
    if grid.resize is None:
        found = store.read(video.id, start, stop)
    else:
        found = resized(store.read(video.id), grid.resize)[start:stop]
    return torch.from_numpy(np.ascontiguousarray(found.T))


def _targets(segments: Float64[np.ndarray, "N 2"], labels: Int64[np.ndarray, " N"]) -> Targets:
    return Targets(
        torch.from_numpy(segments.astype(np.float32)),
        torch.from_numpy(np.array(labels, np.int64)),
    )
