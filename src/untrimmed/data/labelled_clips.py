"""Short clips with a class for every cell, to form an encoder before it detects.

The paper starts from an encoder that was trained on trimmed clips; where no such weights fit,
`train.pretrain` trains one on clips cut from the training videos themselves.

Shapes: L frames of a clip, K cells of a clip, H W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from untrimmed.core.actions import Actions
from untrimmed.core.annotations import Video
from untrimmed.core.clips import ClipGrid
from untrimmed.core.errors import MediaError
from untrimmed.core.grid import TimeGrid
from untrimmed.data.dataset import Failed, Opener, read_clip
from untrimmed.data.sampling import random_of


class LabelledClip(NamedTuple):
    """A clip and what happens in each of its cells.

    shares: of every class and, last, of background; they sum to 1 in each cell.
    """

    frames: UInt8[Tensor, "3 L H W"]
    shares: Float[Tensor, "K classes+1"]


def cell_shares(
    actions: Actions, grid: TimeGrid, *, classes: int
) -> Float32[np.ndarray, "K classes+1"]:
    """Classes that go on in the middle of each cell, in equal shares; else background."""
    middles_s = grid.to_seconds(np.arange(grid.length) + 0.5)
    shares: NDArray[np.float32] = np.zeros((grid.length, classes + 1), np.float32)
    for start_s, end_s, label in actions:
        shares[(middles_s >= start_s) & (middles_s < end_s), label] = 1.0
    shares[:, classes] = shares.sum(1) == 0
    shares /= shares.sum(1, keepdims=True)
    return shares


class LabelledClips(Dataset[LabelledClip | Failed]):
    """Clips around actions and background, every class as often as any other.

    With clips drawn evenly over time an encoder settles on "background" and learns nothing, so
    a class is drawn first, background being one of them, then one of its actions, then a clip
    whose middle lies in that action.

    Args:
        videos: of the training split.
        opener: gives a video's frames.
        classes: number of classes.
        clip_frames, stride: as for detection.
        seed: of the run.

    Raises:
        ValueError: if no video has an action.
    """

    def __init__(
        self,
        videos: Sequence[Video],
        opener: Opener,
        *,
        classes: int,
        clip_frames: int,
        stride: int,
        seed: int = 0,
    ) -> None:
        self.videos = list(videos)
        self.opener = opener
        self.classes = classes
        self.clip_frames = clip_frames
        self.stride = stride
        self.seed = seed
        self._by_label: dict[int, list[tuple[int, float, float]]] = {}
        for index, video in enumerate(self.videos):
            for start_s, end_s, label in video.actions:
                self._by_label.setdefault(label, []).append((index, start_s, end_s))
        if not self._by_label:
            raise ValueError("there is no action to cut clips from")

    def __getitem__(self, key: tuple[int, int]) -> LabelledClip | Failed:
        random = random_of(seed=self.seed, epoch=key[0], index=key[1])
        index, middle_s = self._place(random)
        video = self.videos[index]
        try:
            frames = self.opener(video.id)
            last = max(0, (frames.count - self.clip_frames) // self.stride)
            first = round((middle_s * frames.fps - self.clip_frames / 2) / self.stride)
            clip = ClipGrid(
                fps=frames.fps,
                clip_frames=self.clip_frames,
                stride=self.stride,
                first_frame=int(np.clip(first, 0, last)) * self.stride,
                clips=1,
            )
            pixels = read_clip(frames, clip.frames(0))
        except MediaError as error:
            return Failed(video.id, str(error))
        shares = cell_shares(video.actions, clip.cells, classes=self.classes)
        return LabelledClip(torch.from_numpy(pixels), torch.from_numpy(shares))

    def _place(self, random: np.random.Generator) -> tuple[int, float]:
        """A video, and the second in it around which to cut."""
        labels = [*self._by_label, self.classes]
        label = labels[int(random.integers(len(labels)))]
        if label != self.classes:
            index, start_s, end_s = self._by_label[label][
                int(random.integers(len(self._by_label[label])))
            ]
            return index, float(random.uniform(start_s, end_s))
        for _ in range(20):
            index = int(random.integers(len(self.videos)))
            middle_s = float(random.uniform(0, self.videos[index].duration_s))
            if not any(start <= middle_s < end for start, end, _ in self.videos[index].actions):
                break
        return index, middle_s
