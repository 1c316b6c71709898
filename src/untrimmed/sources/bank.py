"""The long memory of TALLFormer: what the encoder last made of every cell of every video.

One array on disk holds the cells of all videos, one video after the other, mapped into memory.  It
is addressed by video and cell, not by clip, so a window may start anywhere.  Reading is what a
store of features does; training also writes back what it has encoded, and the bank counts how old
each cell is.  It neither encodes nor joins (`nn.splice`).

A folder holds

- `features.npy`: (N, C), the cells of all videos;
- `written.npy`: (N,) int32, the step in which each cell was last written, -1 for never;
- `bank.json`: the version of this layout, where each video's cells are, and `meta`.

One process of a machine writes; others may read.  With several machines each keeps a bank of its
own and writes what all have encoded.

Source: Cheng & Bertasius, ECCV 2022 (TALLFormer), sec. 3.2; rows are replaced, not averaged.

Shapes: C channels, N cells of all videos.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from jaxtyping import Bool, Float, Float32, Int32, Int64

from untrimmed.core.errors import FormatError
from untrimmed.sources.json_tree import Value, read_json

VERSION = 1
FEATURES, WRITTEN, HEADER = "features.npy", "written.npy", "bank.json"
NEVER = -1

Dtype = Literal["float16", "float32"]


@dataclass(frozen=True)
class Place:
    """Where the cells of a video lie among all: from `offset` on, `cells` of them."""

    offset: int
    cells: int


class FeatureBank:
    """Features of all videos, in a folder; made by `create` or `open`.

    Args:
        folder: where it lies.
        places: of each video.
        meta: what was given to `create`, such as the fingerprint of the encoder.
    """

    def __init__(
        self,
        folder: Path,
        places: Mapping[str, Place],
        meta: Mapping[str, Any],
        *,
        features: Float[np.ndarray, "N C"],
        written: Int32[np.ndarray, " N"],
    ) -> None:
        self.folder = folder
        self.places = dict(places)
        self.meta = dict(meta)
        self._features = features
        self._written = written

    @classmethod
    def create(
        cls,
        folder: Path,
        lengths: Mapping[str, int],
        *,
        channels: int,
        dtype: Dtype = "float16",
        meta: Mapping[str, Any] | None = None,
    ) -> Self:
        """A new bank in which nothing is written yet; it can be written to.

        Args:
            folder: must not exist.
            lengths: cells of each video, above 0.
            channels: C.
            dtype: float16 halves the file; float32 gives back exactly what was written.
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
        if folder.exists():
            raise FileExistsError(f"{folder}: there is a folder of this name already")
        ends = np.cumsum(list(lengths.values())).tolist()
        header = {
            "version": VERSION,
            "channels": channels,
            "dtype": dtype,
            "videos": {
                id: {"offset": end - cells, "cells": cells}
                for (id, cells), end in zip(lengths.items(), ends, strict=True)
            },
            "meta": dict(meta or {}),
        }
        with _folder_written_whole(folder) as temporary:
            # A file of zeros takes no room on disk until it is written to.
            np.lib.format.open_memmap(
                temporary / FEATURES, mode="w+", dtype=dtype, shape=(ends[-1], channels)
            ).flush()
            np.save(temporary / WRITTEN, np.full(ends[-1], NEVER, np.int32))
            text = json.dumps(header, ensure_ascii=False, allow_nan=False, indent=1)
            (temporary / HEADER).write_text(text + "\n", encoding="utf-8")
        return cls.open(folder, writable=True)

    @classmethod
    def open(cls, folder: Path, *, writable: bool = False) -> Self:
        """The bank of a folder.

        Raises:
            FormatError: if there is none, or its files do not belong together.
        """
        _finish_swap(folder)
        header = read_json(folder / HEADER)
        version = header.member("version")
        if version.whole_number() != VERSION:
            raise version.wrong(f"wanted a bank of version {VERSION}, got {version.raw}")
        places = _places(header.member("videos"))
        shape = (
            sum(place.cells for place in places.values()),
            header.member("channels").whole_number(),
        )
        mode: Literal["r+", "r"] = "r+" if writable else "r"
        return cls(
            folder,
            places,
            {name: value.raw for name, value in header.member("meta").members().items()},
            features=_mapped(folder / FEATURES, mode, shape, header.member("dtype").text()),
            written=_mapped(folder / WRITTEN, mode, shape[:1], "int32"),
        )

    @property
    def channels(self) -> int:
        """C, of a cell."""
        return int(self._features.shape[1])

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
        rows, window = self._overlap(video, start, length)
        values = np.zeros((length, self.channels), np.float32)
        valid = np.zeros(length, bool)
        values[window] = self._features[rows]
        valid[window] = True
        return values, valid

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
        rows, window = self._overlap(video, start, len(values))
        with np.errstate(over="ignore"):
            stored = values[window].astype(self._features.dtype)
        if not np.isfinite(stored).all():
            raise ValueError(
                f"video {video}: features that are not finite, or too large for {stored.dtype}"
            )
        self._features[rows] = stored
        self._written[rows] = step

    def filled(self, video: str, start: int, length: int) -> Bool[np.ndarray, " length"]:
        """Whether each cell was ever written; false for those that the video does not have."""
        rows, window = self._overlap(video, start, length)
        filled = np.zeros(length, bool)
        filled[window] = self._written[rows] != NEVER
        return filled

    def ages(
        self, video: str, start: int, length: int, *, step: int
    ) -> Int64[np.ndarray, " length"]:
        """Steps since each cell was written; -1 for those never written or not in the video."""
        rows, window = self._overlap(video, start, length)
        written = np.full(length, NEVER, np.int64)
        written[window] = self._written[rows]
        return np.where(written == NEVER, -1, np.maximum(step - written, 0))

    def mean_age(self, step: int) -> float:
        """Mean number of steps since a cell was written, over those that were; 0 if none was."""
        written = self._written[self._written != NEVER]
        return float(np.maximum(step - written, 0).mean()) if len(written) else 0.0

    def flush(self) -> None:
        """Hand to the disk what was written."""
        for array in (self._features, self._written):
            if isinstance(array, np.memmap):
                array.flush()

    def copy_to(self, folder: Path) -> None:
        """A copy as the bank is now, to go with a checkpoint; it replaces an earlier one.

        The folder holds the old copy or the new one, never a part.  Nobody may write meanwhile.

        Raises:
            ValueError: if the folder is that of the bank itself.
        """
        if folder.resolve() == self.folder.resolve():
            raise ValueError(f"{folder}: a bank cannot be copied onto itself")
        self.flush()
        with _folder_written_whole(folder) as temporary:
            for name in (FEATURES, WRITTEN, HEADER):
                shutil.copyfile(self.folder / name, temporary / name)

    def restore(self, folder: Path) -> None:
        """Take over the contents of a copy.

        Raises:
            FormatError: if it is no copy of this bank: other videos, channels, type or `meta`.
        """
        copy = type(self).open(folder)
        if (copy.places, copy.meta) != (self.places, self.meta):
            raise FormatError("a bank of other videos or another encoder", file=folder / HEADER)
        if (copy.channels, copy._features.dtype) != (self.channels, self._features.dtype):
            raise FormatError("a bank of other channels or another type", file=folder / HEADER)
        self._features[:] = copy._features
        self._written[:] = copy._written
        self.flush()

    def _overlap(self, video: str, start: int, length: int) -> tuple[slice, slice]:
        """The part of a window that lies in the video: rows of the bank, and of the window."""
        if video not in self.places:
            raise KeyError(f"the bank has no video {video}")
        place = self.places[video]
        first = min(max(start, 0), place.cells)
        end = max(min(start + length, place.cells), first)
        rows = slice(place.offset + first, place.offset + end)
        return rows, slice(first - start, end - start)


def _places(videos: Value) -> dict[str, Place]:
    """Read from a header; the videos must follow one another without gaps."""
    places = {}
    offset = 0
    for id, value in videos.members().items():
        place = Place(value.member("offset").whole_number(), value.member("cells").whole_number())
        if place.offset != offset or place.cells < 1:
            raise value.wrong(f"wanted 1 cell or more from {offset} on, got {place}")
        places[id] = place
        offset += place.cells
    return places


def _mapped(path: Path, mode: Literal["r+", "r"], shape: tuple[int, ...], dtype: str) -> Any:
    try:
        array = np.load(path, mmap_mode=mode, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise FormatError(f"no array that can be mapped: {error}", file=path) from error
    if array.shape != shape or array.dtype.name != dtype:
        raise FormatError(
            f"wanted {dtype} of shape {shape} as {HEADER} says, got {array.dtype} of {array.shape}",
            file=path,
        )
    return array


@contextmanager
def _folder_written_whole(folder: Path) -> Iterator[Path]:
    """Give an empty folder beside `folder`, which takes its name once the block ends well.

    `core.files.written_whole` for a folder.  A folder cannot be replaced in one stroke: the old
    one is set aside first, and `_finish_swap` brings it back should the new one not have come.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        yield temporary
        temporary.chmod(0o755)
        if folder.exists():
            shutil.rmtree(_aside(folder), ignore_errors=True)
            folder.rename(_aside(folder))
        temporary.rename(folder)
        shutil.rmtree(_aside(folder), ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _finish_swap(folder: Path) -> None:
    if not folder.exists() and _aside(folder).exists():
        _aside(folder).rename(folder)


def _aside(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.replaced")
