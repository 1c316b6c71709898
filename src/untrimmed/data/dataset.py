"""From windows of videos to samples: decode the chosen clips, and only those.

TALLFormer encodes a few clips of a window at each step.  Choosing them before decoding spares
the others: the authors decode every frame of a window and throw most of them away.

Shapes: M clips to encode, L frames of a clip, H W pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor
from torch.utils.data import Dataset

from untrimmed.core.annotations import Video
from untrimmed.core.errors import MediaError
from untrimmed.data.ages import Ages
from untrimmed.data.sampling import ClipChoice, choose_clips, random_of
from untrimmed.data.targets import targets
from untrimmed.data.windows import Window, WindowShape, random_window
from untrimmed.sources.frames import Frames
from untrimmed.tensors import Targets

Opener = Callable[[str], Frames]
"""Gives the frames of a video by its id; raises MediaError if it cannot."""


class Sample(NamedTuple):
    """One window with the clips to encode.

    frames: pixels of the chosen clips, RGB.
    place: of each chosen clip in the window.
    """

    window: Window
    frames: UInt8[Tensor, "M 3 L H W"]
    place: Int64[Tensor, " M"]
    targets: Targets


class Failed(NamedTuple):
    """A video that could not be read, and why; the others go on."""

    video: str
    message: str


def read_clip(frames: Frames, numbers: Int64[np.ndarray, " L"]) -> UInt8[np.ndarray, "3 L H W"]:
    """A clip's pixels; numbers beyond the first or last frame repeat it.

    Cells that lie wholly behind the end are not valid, so the repetition is seen only by the
    last cells of the video, in training and detection alike, and by the first of a shifted window.
    """
    # Deviates: the authors put zeros there, in other places black; the effect is not measured.
    pixels = frames.read(np.clip(numbers, 0, frames.count - 1))
    return np.ascontiguousarray(pixels.transpose(3, 0, 1, 2))


class TrainingWindows(Dataset[Sample | Failed]):
    """Random windows of the videos of a split, one per video and epoch.

    An item is asked for by (epoch, index of the video): what is drawn depends on these and the
    seed alone.

    Args:
        videos: of the split.
        opener: gives a video's frames.
        shape: of the windows.
        keep: clip sampling rate r.
        redraws: how often an empty window is drawn anew; the authors do so 0 times.
        seed: of the run.
        one_class: whether all actions get the label 0.
        clips: which are encoded: all equally likely; the likelier, the longer ago they last were;
            or one from each of as many equal stretches.
    """

    def __init__(
        self,
        videos: Sequence[Video],
        opener: Opener,
        *,
        shape: WindowShape,
        keep: float,
        redraws: int = 0,
        seed: int = 0,
        one_class: bool = False,
        clips: ClipChoice = "uniform",
    ) -> None:
        self.videos = list(videos)
        self.opener = opener
        self.shape = shape
        self.keep = keep
        self.redraws = redraws
        self.seed = seed
        self.one_class = one_class
        self.clips = clips
        self._ages: dict[int, Ages] = {}

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, key: tuple[int, int]) -> Sample | Failed:
        epoch, index = key
        video = self.videos[index]
        try:
            frames = self.opener(video.id)
            window, place, wanted = self.drawn(
                epoch, index, video_frames=frames.count, fps=frames.fps
            )
            clips = [read_clip(frames, window.clips.frames(int(clip))) for clip in place]
        except MediaError as error:
            return Failed(video.id, str(error))
        nothing = np.empty((0, 3, 0, 0, 0), np.uint8)
        pixels = torch.from_numpy(np.stack(clips) if clips else nothing)
        return Sample(window, pixels, torch.from_numpy(place), wanted)

    def drawn(
        self, epoch: int, index: int, *, video_frames: int, fps: float
    ) -> tuple[Window, Int64[np.ndarray, " M"], Targets]:
        """The window of a video in an epoch, which of its clips are encoded, and its actions.

        Args:
            index: of the video.
            video_frames: of the whole video.
            fps: frames per second at which it is read.
        """
        if self.clips != "oldest":
            return self._drawn(epoch, index, video_frames, fps, None)
        ages = self._ages.get(index)
        if ages is None or ages.epoch > epoch:
            ages = self._ages[index] = Ages(self.shape.cells_of(video_frames))
        while ages.epoch < epoch:
            window, place, _ = self._drawn(ages.epoch, index, video_frames, fps, ages)
            ages.advance(window, place)
        return self._drawn(epoch, index, video_frames, fps, ages)

    def _drawn(
        self, epoch: int, index: int, video_frames: int, fps: float, ages: Ages | None
    ) -> tuple[Window, Int64[np.ndarray, " M"], Targets]:
        random = random_of(seed=self.seed, epoch=epoch, index=index)
        video = self.videos[index]
        actions = video.actions.of_one_class() if self.one_class else video.actions
        for _ in range(self.redraws + 1):
            window = random_window(
                video.id, video_frames=video_frames, fps=fps, shape=self.shape, random=random
            )
            wanted = targets(actions, window.clips.cells)
            if len(wanted.labels):
                break
        place = choose_clips(
            self.shape.clips,
            keep=self.keep,
            valid=window.valid_clips,
            weights=None if ages is None else ages.of_clips(window),
            spread=self.clips == "stratified",
            random=random,
        )
        return window, place, wanted
