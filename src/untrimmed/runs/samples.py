"""Videos that an exported detector is held against PyTorch on.

Shapes: N clips of L frames, H W pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from untrimmed.core.annotations import Video
from untrimmed.core.detections import Detections
from untrimmed.core.grid import TimeGrid
from untrimmed.detect.features import encode_video
from untrimmed.detect.postprocess import detections, found
from untrimmed.nn.detector import Detector
from untrimmed.recipes.data import VideoData
from untrimmed.recipes.recipe import Recipe
from untrimmed.runs.dataset import readable, split_of
from untrimmed.runs.feature_data import OpenFeatures, feature_settings, open_features
from untrimmed.runs.folder import RunFolder
from untrimmed.runs.lone_features import detect_alone, id_alone, open_alone
from untrimmed.runs.networks import build_detector, own_classes, window_shape
from untrimmed.runs.progress import finish
from untrimmed.runs.video_data import OpenVideos, detect_in, open_videos, video_settings
from untrimmed.sources.features import FeatureStore
from untrimmed.sources.frames import Frames
from untrimmed.sources.video import open_video
from untrimmed.tensors import Candidates
from untrimmed.train.state import load_weights

VIDEOS = 3
"""Taken of a split: the shortest videos; of features the shortest, a middle one and the longest."""

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Sample:
    """A video, or its features.

    Args:
        length: cells that the network is given, of features; 0 of a video.
        look: what a detector finds in it.
        frames: opens the video; None for features.
    """

    video: str
    length: int
    look: Callable[[Detector, Recipe], Detections]
    frames: Callable[[], AbstractContextManager[Frames]] | None = None


@dataclass(frozen=True)
class Samples:
    """Some videos, and the detector of the run in evaluation on the CPU.

    Args:
        channels: of the features of a run on features, all sets together; 0 of one on videos.
    """

    videos: tuple[Sample, ...]
    detector: Detector
    channels: int


def samples(
    folder: RunFolder, recipe: Recipe, *, on: Sequence[Path] = (), fps: float | None = None
) -> Samples:
    """Videos to compare on: those named, or some of the run's test split.

    Args:
        on: videos, or files of features.
        fps: of the videos that features in `on` were made of, where nothing else says it.

    Raises:
        UserError: if none is there that can be read.
    """
    splits = [recipe.data.splits.test]
    if isinstance(recipe.data, VideoData):
        some = (
            _video_files(folder, recipe, on) if on else _videos(open_videos(recipe, splits=splits))
        )
    elif on:
        some = _feature_files(folder, recipe, on, fps=fps)
    else:
        some = _features(open_features(recipe, splits=splits))
    load_weights(some.detector, folder.weights)
    some.detector.to(CPU).eval()
    return some


def _videos(data: OpenVideos) -> Samples:
    shortest = _by_duration(data)[:VIDEOS]
    return Samples(
        tuple(
            Sample(video.id, 0, partial(_in_split, data, video), partial(_opened, data, video.id))
            for video in shortest
        ),
        data.build(),
        0,
    )


def _features(data: OpenFeatures) -> Samples:
    ordered, samples = _by_duration(data), []
    for place in sorted({0, len(ordered) // 2, len(ordered) - 1}):
        video = ordered[place]
        cells = data.grid.grid_of(video, data.store.rows(video.id)).length
        length = data.recipe.model.padded(cells, cells=data.settings.cells)
        samples.append(Sample(video.id, length, partial(_in_split, data, video)))
    return Samples(tuple(samples), data.build(), sum(data.store.channels))


def _by_duration(data: OpenVideos | OpenFeatures) -> list[Video]:
    name = data.settings.splits.test
    split = split_of(data.annotations, name, setting="data.splits.test")
    return sorted(readable(data, split), key=lambda video: video.duration_s)


def _in_split(
    data: OpenVideos | OpenFeatures, video: Video, detector: Detector, recipe: Recipe
) -> Detections:
    return replace(data, recipe=recipe).detect(detector, video, device=CPU)


def _opened(data: OpenVideos, video: str) -> AbstractContextManager[Frames]:
    return nullcontext(data.media(video))


def _video_files(folder: RunFolder, recipe: Recipe, on: Sequence[Path]) -> Samples:
    data = video_settings(recipe)
    videos = []
    for file in on:
        frames = partial(open_video, file, fps=data.windows.fps, size=data.size)
        videos.append(Sample(file.stem, 0, partial(_in_file, frames), frames))
    classes = own_classes(recipe, folder.read_classes())
    return Samples(tuple(videos), build_detector(recipe, classes=len(classes)), 0)


def _in_file(
    frames: Callable[[], AbstractContextManager[Frames]], detector: Detector, recipe: Recipe
) -> Detections:
    with frames() as some:
        return finish(detect_in(detector, some, recipe=recipe, device=CPU))


def _feature_files(
    folder: RunFolder, recipe: Recipe, on: Sequence[Path], *, fps: float | None
) -> Samples:
    data, store = feature_settings(recipe), open_alone(recipe, *on)
    videos = []
    for file in on:
        rows = store.rows(id_alone(file))
        length = recipe.model.padded(data.grid.resize or rows, cells=data.cells)
        videos.append(Sample(file.stem, length, partial(_in_features, store, file, fps)))
    classes = own_classes(recipe, folder.read_classes())
    detector = build_detector(recipe, classes=len(classes), channels=store.channels)
    return Samples(tuple(videos), detector, sum(store.channels))


def _in_features(
    store: FeatureStore, file: Path, fps: float | None, detector: Detector, recipe: Recipe
) -> Detections:
    return detect_alone(recipe, store, fps, detector, file, CPU)[0]


@dataclass(frozen=True)
class Start:
    """The first clips of a video, as the graph of a whole detector takes them.

    Args:
        frames: pixels of the clips.
        cells: how many of their cells are of the video.
        grid: where these lie.
        duration_s: of the video.
    """

    frames: UInt8[Tensor, "N 3 L H W"]
    cells: int
    grid: TimeGrid
    duration_s: float

    @torch.inference_mode()
    def look(self, run: Callable[..., Sequence[Tensor]], recipe: Recipe) -> Detections:
        """What a graph finds in it."""
        config = recipe.detect.suppression
        candidates = Candidates(*run(self.frames, torch.tensor([self.cells])))
        some = found(candidates, self.grid, least_score=config.least_score)
        return detections([some], duration_s=self.duration_s, config=config)


@contextmanager
def start_of(sample: Sample, recipe: Recipe, detector: Detector, *, clips: int) -> Iterator[Start]:
    """The first clips of a video, at most so many."""
    assert sample.frames is not None
    assert detector.encoder is not None
    data, stride = video_settings(recipe), detector.encoder.stride
    shape = window_shape(data, stride=stride)
    taking = _Taking(stride)
    with sample.frames() as frames:
        for _ in encode_video(
            taking,
            frames,
            clip_frames=shape.clip_frames,
            crop=data.augment.crop,
            clips_at_once=1,
        ):
            if len(taking.clips) == clips:
                break
        pixels = torch.cat(taking.clips)
        cells = min(shape.cells_of(frames.count), len(pixels) * shape.clip_frames // stride)
        grid = TimeGrid(first_s=0.0, step_s=stride / frames.fps, length=cells)
        yield Start(pixels, cells, grid, frames.duration_s)


class _Taking:
    """In the place of an encoder: keeps the clips that it is to encode."""

    channels = 1

    def __init__(self, stride: int) -> None:
        self.stride = stride
        self.clips: list[Tensor] = []

    def __call__(self, clips: UInt8[Tensor, "N 3 L H W"]) -> Float[Tensor, "N 1 K"]:
        self.clips.append(clips)
        return torch.zeros(len(clips), 1, clips.shape[2] // self.stride)
