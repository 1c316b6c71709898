"""The long memory of TALLFormer: what the encoder last made of every cell of every video.

One array holds the cells of all videos, one video after the other: on disk and mapped into memory,
or in memory alone.  It is addressed by video and cell, not by clip, so a window may start anywhere.
Reading is what a store of features does; training also writes back what it has encoded, and the
bank counts how old each cell is.  It neither encodes nor joins (`nn.splice`), and what the files of
a folder hold is in `sources.bank_files`.

Processes may map the same folder, if all write the same in the same order, or only one writes.  A
bank in memory belongs to one process, which writes what all have encoded.

Source: Cheng & Bertasius, ECCV 2022 (TALLFormer), sec. 3.2; rows are replaced, not averaged.

Shapes: C channels, N cells of all videos.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from jaxtyping import Bool, Float, Float32, Int32, Int64, UInt16

from untrimmed.sources.bank_files import (
    NEVER,
    STORED,
    Contents,
    Dtype,
    Place,
    read_contents,
    write_contents,
    write_empty,
)


class FeatureBank:
    """Features of all videos; made by `create` or `open`.

    Args:
        folder: where it lies; None if it lies in memory alone.
        places: of each video.
        dtype: of the features.
        meta: what was given to `create`, such as the fingerprint of the encoder.
        features: the cells of all videos, one video after the other, as they are stored.
        written: the step in which each cell was last written, -1 for never.
    """

    def __init__(
        self,
        folder: Path | None,
        places: Mapping[str, Place],
        dtype: Dtype,
        meta: Mapping[str, Any],
        *,
        features: Float[np.ndarray, "N C"] | UInt16[np.ndarray, "N C"],
        written: Int32[np.ndarray, " N"],
    ) -> None:
        self.folder = folder
        self.places = dict(places)
        self.dtype = dtype
        self.meta = dict(meta)
        self.features = features
        self.written = written

    @classmethod
    def create(
        cls,
        folder: Path | None,
        lengths: Mapping[str, int],
        *,
        channels: int,
        dtype: Dtype = "float16",
        meta: Mapping[str, Any] | None = None,
    ) -> Self:
        """A new bank in which nothing is written yet; it can be written to.

        Args:
            folder: must not exist; None keeps the bank in memory.
            lengths: cells of each video, above 0.
            channels: C.
            dtype: float16 and bfloat16 halve the size, the one with more digits, the other for
                numbers of any size; float32 gives back exactly what was written.
            meta: anything that JSON can hold.

        Raises:
            FileExistsError: if there is such a folder.
            ValueError: if there is no video, or a length or `channels` is not above 0.
        """
        if not lengths or min(lengths.values()) < 1 or channels < 1:
            raise ValueError(
                f"a bank needs videos of 1 cell or more and 1 channel or more, got {len(lengths)}"
                f" videos, the shortest of {min(lengths.values(), default=0)} cells, and"
                f" {channels} channels"
            )
        ends = np.cumsum(list(lengths.values())).tolist()
        places = {
            id: Place(end - cells, cells)
            for (id, cells), end in zip(lengths.items(), ends, strict=True)
        }
        if folder is None:
            features = np.zeros((ends[-1], channels), STORED[dtype])
            written = np.full(ends[-1], NEVER, np.int32)
            return cls(None, places, dtype, meta or {}, features=features, written=written)
        if folder.exists():
            raise FileExistsError(f"{folder}: there is a folder of this name already")
        write_empty(folder, places, channels=channels, dtype=dtype, meta=meta or {})
        return cls.open(folder, writable=True)

    @classmethod
    def open(cls, folder: Path, *, writable: bool = False, in_memory: bool = False) -> Self:
        """The bank of a folder.

        Args:
            in_memory: read it whole, and let the folder be.

        Raises:
            FormatError: if there is none, or its files do not belong together.
        """
        found = read_contents(folder, mode="r+" if writable and not in_memory else "r")
        return cls(
            None if in_memory else folder,
            found.places,
            found.dtype,
            found.meta,
            features=np.array(found.features) if in_memory else found.features,
            written=np.array(found.written) if in_memory else found.written,
        )

    @property
    def channels(self) -> int:
        """C, of a cell."""
        return int(self.features.shape[1])

    @property
    def lengths(self) -> dict[str, int]:
        """Cells of each video."""
        return {id: place.cells for id, place in self.places.items()}

    def read(
        self, video: str, start: int, length: int
    ) -> tuple[Float32[np.ndarray, "length C"], Bool[np.ndarray, " length"]]:
        """The `length` cells from cell `start` on, which may overhang the video on both sides.

        Returns:
            The features, zero where the video has no cell or nothing was ever written; and which
            cells the video has, written or not (`filled` tells that).

        Raises:
            KeyError: if the bank does not have the video.
        """
        values = np.zeros((length, self.channels), np.float32)
        return values, self.read_into(values, video, start)

    def read_into(
        self, values: Float32[np.ndarray, "length C"], video: str, start: int
    ) -> Bool[np.ndarray, " length"]:
        """As `read`, into an array that is zero, which may be the transpose of another.

        Returns:
            Which cells the video has.

        Raises:
            KeyError: if the bank does not have the video.
        """
        rows, window = self.overlap(video, start, len(values))
        stored = self.features[rows]
        values[window] = _float32(stored) if stored.dtype == np.uint16 else stored
        valid = np.zeros(len(values), bool)
        valid[window] = True
        return valid

    def write(self, video: str, start: int, values: Float[np.ndarray, "n C"], *, step: int) -> None:
        """Replace the cells from cell `start` on; what overhangs the video is dropped.

        Args:
            values: the features, finite, also in the bank's type.
            step: of training, from 0 on.

        Raises:
            KeyError: if the bank does not have the video.
            ValueError: if the shape or `step` is wrong, a value is not finite or too large for
                float16, or the bank was opened for reading only.
        """
        if values.ndim != 2 or values.shape[1] != self.channels:
            raise ValueError(
                f"features of shape {values.shape} for a bank of {self.channels} channels"
            )
        if not 0 <= step <= np.iinfo(np.int32).max:
            raise ValueError(f"step {step} is not a number from 0 on that fits into 32 bits")
        rows, window = self.overlap(video, start, len(values))
        stored = _stored(values[window], self.dtype)
        if not np.isfinite(_float32(stored)).all():
            raise ValueError(
                f"video {video}: features that are not finite, or too large for {self.dtype}"
            )
        self.features[rows] = stored
        self.written[rows] = step

    def filled(self, video: str, start: int, length: int) -> Bool[np.ndarray, " length"]:
        """Whether each cell was ever written; false for those that the video does not have."""
        rows, window = self.overlap(video, start, length)
        filled = np.zeros(length, bool)
        filled[window] = self.written[rows] != NEVER
        return filled

    def ages(
        self, video: str, start: int, length: int, *, step: int
    ) -> Int64[np.ndarray, " length"]:
        """Steps since each cell was written; -1 for those never written or not in the video."""
        rows, window = self.overlap(video, start, length)
        written = np.full(length, NEVER, np.int64)
        written[window] = self.written[rows]
        return np.where(written == NEVER, -1, np.maximum(step - written, 0))

    def mean_age(self, step: int) -> float:
        """Mean number of steps since a cell was written, over those that were; 0 if none was."""
        written = self.written[self.written != NEVER]
        return float(np.maximum(step - written, 0).mean()) if len(written) else 0.0

    def flush(self) -> None:
        """Hand to the disk what was written."""
        for array in (self.features, self.written):
            if isinstance(array, np.memmap):
                array.flush()

    def copy_to(self, folder: Path) -> None:
        """A copy as the bank is now, to go with a checkpoint; it replaces an earlier one.

        The folder holds the old copy or the new one, never a part.  Nobody may write meanwhile.

        Raises:
            ValueError: if the folder is that of the bank itself.
        """
        if self.folder is not None and folder.resolve() == self.folder.resolve():
            raise ValueError(f"{folder}: a bank cannot be copied onto itself")
        self.flush()
        write_contents(
            folder, Contents(self.places, self.dtype, self.meta, self.features, self.written)
        )

    def overlap(self, video: str, start: int, length: int) -> tuple[slice, slice]:
        """The part of a window that lies in the video: rows of the bank, and of the window.

        Reading, writing and ages all go by it, so that they cannot disagree.

        Raises:
            KeyError: if the bank does not have the video.
        """
        if video not in self.places:
            raise KeyError(f"the bank has no video {video}")
        place = self.places[video]
        first = min(max(start, 0), place.cells)
        end = max(min(start + length, place.cells), first)
        rows = slice(place.offset + first, place.offset + end)
        return rows, slice(first - start, end - start)


def _stored(values: Float[np.ndarray, "n C"], dtype: Dtype) -> np.ndarray[Any, Any]:
    """Values rounded to the nearest that the type has, ties to even."""
    if dtype != "bfloat16":
        with np.errstate(over="ignore"):
            return values.astype(dtype)
    with np.errstate(over="ignore"):
        bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    # Half of what is cut off is added, a trifle less where the last bit kept is 0.  That turns
    # some numbers that are not finite into finite ones, so these stay as they are.
    rounded = bits + np.uint32(0x7FFF) + ((bits >> 16) & 1)
    return (np.where(np.isfinite(values), rounded, bits) >> 16).astype(np.uint16)


def _float32(stored: np.ndarray[Any, Any]) -> Float32[np.ndarray, "n C"]:
    if stored.dtype != np.uint16:
        return stored.astype(np.float32)
    return (stored.astype(np.uint32) << 16).view(np.float32)
