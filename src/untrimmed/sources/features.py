"""Features of videos, computed beforehand, read from files.

They come from whatever encoder, in one set or several that are joined cell by cell (RGB and flow;
SlowFast, Omnivore and EgoVLP).  A set is described by `FeatureFiles`; `FeatureBank` is not one of
them, it is written during training.

Shapes: T cells, C channels of all sets together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import numpy as np
from jaxtyping import Float32

from untrimmed.core.errors import MediaError
from untrimmed.sources.array_cache import Cache
from untrimmed.sources.arrays import Reader
from untrimmed.sources.feature_files import FeatureFiles as FeatureFiles
from untrimmed.sources.feature_files import Stack as Stack
from untrimmed.sources.feature_set import FeatureSet

CACHE_BYTES = 2**28
"""In each process, for arrays that can only be read whole."""


class FeatureStore:
    """Features of all videos; made by `open`.

    It can be sent to another process, which opens files of its own.

    Args:
        sets: joined in this order.
    """

    def __init__(self, sets: Sequence[FeatureSet]) -> None:
        self.sets = tuple(sets)

    @classmethod
    def open(
        cls,
        files: Sequence[FeatureFiles],
        *,
        videos: Iterable[str] = (),
        readers: Mapping[str, Reader] | None = None,
        cache_bytes: int = CACHE_BYTES,
    ) -> Self:
        """The store of some sets.

        Args:
            files: at least one set.
            videos: ids; the first of them that can be read says how wide all must be, without
                them the first that is looked at.
            readers: of files that need more than NumPy, by ending, as `data.torch_file.READERS`.
            cache_bytes: for arrays that can only be read whole.

        Raises:
            MediaError: if a folder or archive is missing.
            ConfigError: if a suffix is of no known kind, or leaves open which file is meant.
        """
        if not files:
            raise ValueError("no set of features")
        cache = Cache(cache_bytes)
        store = cls([FeatureSet(each, readers=readers or {}, cache=cache) for each in files])
        for video in videos:
            with suppress(MediaError):
                store.rows(video)
                break
        return store

    @property
    def channels(self) -> tuple[int, ...]:
        """C of each set: as the settings state it, or as the first video that was looked at has.

        Raises:
            ValueError: if nothing is stated and no video was looked at.
        """
        widths = [each.channels for each in self.sets]
        if None in widths:
            raise ValueError("no video was looked at, so nothing says how wide features are")
        return tuple(width for width in widths if width is not None)

    def has(self, video: str) -> bool:
        """Whether every set has a file or an entry of a video; it need not be readable."""
        return all(each.has(video) for each in self.sets)

    def place(self, video: str) -> Path:
        """The file of a video, of the first set."""
        return self.sets[0].place(video)

    def rows(self, video: str) -> int:
        """Cells T of a video; the features are not read where the files say it without.

        Of sets that differ by one cell the shorter counts: encoders round the end of a video
        differently.

        Raises:
            MediaError: if a set lacks the video or cannot be read, or sets differ by more.
        """
        cells = [each.shape(video)[0] for each in self.sets]
        least, most = int(np.argmin(cells)), int(np.argmax(cells))
        if cells[most] - cells[least] > 1:
            raise MediaError(
                f"{cells[least]} cells, but {cells[most]} in {self.sets[most].place(video)}:"
                " sets are joined cell by cell and may differ by one",
                file=self.sets[least].place(video),
            )
        return cells[least]

    def read(
        self, video: str, start: int = 0, stop: int | None = None
    ) -> Float32[np.ndarray, "T C"]:
        """Features of the cells from `start` to `stop`, or to the end; a copy.

        Raises:
            MediaError: as `rows`, and if a number that is read is not finite.
            ValueError: if `start` or `stop` lies outside of the video.
        """
        rows = self.rows(video)
        stop = rows if stop is None else stop
        if not 0 <= start <= stop <= rows:
            raise ValueError(f"cells {start} to {stop} of {video}, which has {rows}")
        return np.concatenate([each.read(video, start, stop) for each in self.sets], axis=1)


def resized(features: Float32[np.ndarray, "T C"], cells: int) -> Float32[np.ndarray, "cells C"]:
    """Features drawn out or pressed together to a number of cells, linearly.

    Middles of cells stay in proportion; before the first and behind the last middle the nearest
    value is repeated.

    Source: `torch.nn.functional.interpolate` (linear, not aligned at the corners), which
    ActionFormer uses for ActivityNet; equal to it bit by bit on processors with FMA.
    """
    T = len(features)
    if T < 1 or cells < 1:
        raise ValueError(f"{T} cells cannot become {cells}")
    if cells == T:
        return features.copy()
    # Each product and sum is rounded once, to float32, as fused multiply-add does it.
    scale = np.float64(np.float32(T) / np.float32(cells))
    middles = (scale * (np.arange(cells) + 0.5) - 0.5).astype(np.float32)
    middles = np.maximum(middles, np.float32(0))
    before = np.minimum(middles.astype(np.int64), T - 1)
    after = np.minimum(before + 1, T - 1)
    share = (middles - before.astype(np.float32))[:, None]
    kept = (1 - share).astype(np.float64) * features[before]
    joined: Float32[np.ndarray, "cells C"] = (kept + share * features[after]).astype(np.float32)
    return joined
