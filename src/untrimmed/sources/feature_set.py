"""One set of features, opened: a folder with a file for each video, or an archive of entries.

What lies where is set by `FeatureFiles`; several sets side by side are a `FeatureStore`.

Shapes: R rows and D columns of a file, T cells, C channels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray

from untrimmed.core.errors import ConfigError, MediaError
from untrimmed.sources.array_cache import Cache
from untrimmed.sources.arrays import (
    ARCHIVES,
    KINDS,
    Array,
    Entries,
    Reader,
    explained,
    opened,
    picked,
)
from untrimmed.sources.feature_files import FeatureFiles

# Whole numbers only where float32 holds them all; wider ones are labels or indices.
_TYPES = ("float16", "float32", "float64", "int8", "uint8", "int16", "uint16")


class Shape(NamedTuple):
    """Of what a file holds: rows R and columns D, once it is the right way round."""

    rows: int
    columns: int


class FeatureSet:
    """A set of features, opened.

    The first video that is looked at says how wide all must be, where the settings do not.

    Args:
        files: where it lies.
        readers: of files that are not read here, by ending.
        cache: for arrays that can only be read whole.

    Raises:
        MediaError: if there is no such folder or archive.
        ConfigError: if the suffix names a kind of file that is not read.
    """

    def __init__(self, files: FeatureFiles, *, readers: Mapping[str, Reader], cache: Cache) -> None:
        self.files = files
        self._model: tuple[str, Shape] | None = None
        self._readers = dict(readers)
        self._cache = cache
        self._known: dict[str, Path] = {}
        self._archive: tuple[Entries, ExitStack] | None = None
        kinds = (*KINDS, *self._readers)
        if not files.path.exists():
            raise MediaError("there is no such folder or archive of features", file=files.path)
        if files.path.is_file() and files.path.suffix.lower() not in ARCHIVES:
            raise MediaError(
                f"neither a folder of features nor an archive: {', '.join(ARCHIVES)}",
                file=files.path,
            )
        named = files.suffix is not None and files.path.is_dir()
        if named and Path(f"x{files.suffix}").suffix.lower() not in kinds:
            raise ConfigError(
                f"{files.suffix!r} is of no kind that is read: {', '.join(kinds)}",
                path="data.features.suffix",
            )

    def has(self, video: str) -> bool:
        """Whether there is a file or an entry of a video."""
        if self.files.path.is_file():
            return self._name(video) in self._entries()
        return self._there(video) is not None

    def place(self, video: str) -> Path:
        """The file of a video, for messages too."""
        if self.files.path.is_file():
            return self.files.path
        suffix = ".*" if self.files.suffix is None else self.files.suffix
        return self._there(video) or self.files.path / f"{self._name(video, suffix)}"

    @property
    def channels(self) -> int | None:
        """C of a cell; None if nothing says it yet."""
        if self.files.channels is not None or self._model is None:
            return self.files.channels
        return self.files.width(self._model[1].columns)

    def shape(self, video: str) -> tuple[int, int]:
        """Cells T and channels C of a video.

        Raises:
            MediaError: if it has no features, or what it has cannot be used.
        """
        with self._array(video) as array:
            shape = self._checked(array, video)
        return self.files.cells(shape.rows), self.files.width(shape.columns)

    def read(self, video: str, start: int, stop: int) -> Float32[np.ndarray, "T C"]:
        """Cells from `start` to `stop` of a video, both in [0, T].

        Raises:
            MediaError: if it has no features, or what is read of them cannot be used.
        """
        if start == stop:
            return self.read(video, 0, 1)[:0]
        size, between = self.files.rows_of_cell, self.files.rows_between
        first, last = start * between, (stop - 1) * between + size
        with self._array(video) as array:
            shape = self._checked(array, video)
            columns = slice(*(self.files.columns or (0, shape.columns)))
            part = (slice(first, last), columns)
            with explained(self.place(video)):
                found = array[part[::-1]].T if self.files.transposed else array[part]
        step = between if size == 1 else 1  # rows between cells need not be looked at
        rows = self._finite(found[::step], video, row=first, step=step, column=columns.start)
        if size > 1:
            windows = np.lib.stride_tricks.sliding_window_view(rows, size, axis=0)[::between]
            rows = np.ascontiguousarray(windows.swapaxes(1, 2)).reshape(len(windows), -1)
        return rows

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_archive": None}

    def _name(self, video: str, suffix: str | None = None) -> str:
        return f"{self.files.prefix}{video}{suffix or self.files.suffix or ''}"

    def _there(self, video: str) -> Path | None:
        """The file of a video, if there is one."""
        if video in self._known:
            return self._known[video]
        endings = (*KINDS, *self._readers) if self.files.suffix is None else (None,)
        paths = [self.files.path / self._name(video, ending) for ending in endings]
        there = [path for path in paths if path.is_file()]
        if len(there) > 1:
            raise ConfigError(
                f"{self.files.path} holds {there[0].name} and {there[1].name};"
                " say which by the suffix",
                path="data.features.suffix",
            )
        if not there:
            return None
        return self._known.setdefault(video, there[0])

    def _entries(self) -> Entries:
        """Those of the archive, which stays open."""
        if self._archive is None:
            stack = ExitStack()
            found = stack.enter_context(
                opened(self.files.path, readers=self._readers, cache=self._cache)
            )
            self._archive = cast(Entries, found), stack
        return self._archive[0]

    @contextmanager
    def _array(self, video: str) -> Iterator[Array]:
        """The array of a video, for as long as the block lasts."""
        place = self.place(video)
        if not self.has(video):
            what = f"entry {self._name(video)}" if place == self.files.path else "such file"
            raise MediaError(f"no features of the video {video}: there is no {what}", file=place)
        if place == self.files.path:
            with explained(place):
                entry = self._entries()[self._name(video)]
                array = picked(entry, self.files.array, file=place)
            yield array
            return
        with opened(place, readers=self._readers, cache=self._cache) as found:
            with explained(place):
                array = picked(found, self.files.array, file=place)
            yield array

    def _checked(self, array: Array, video: str) -> Shape:
        """The shape of an array that can be used."""
        where = self.place(video)
        if len(array.shape) != 2:
            raise MediaError(f"wanted T x C numbers, got the shape {array.shape}", file=where)
        if array.dtype.name not in _TYPES:
            raise MediaError(
                f"wanted real numbers, got {array.dtype}; is it another array?", file=where
            )
        shape = Shape(*(array.shape[::-1] if self.files.transposed else array.shape))
        if 0 in shape:
            raise MediaError(f"it is empty: {shape.rows} x {shape.columns} numbers", file=where)
        if shape.rows < self.files.rows_of_cell:
            raise MediaError(
                f"{shape.rows} rows, but a cell has {self.files.rows_of_cell}", file=where
            )
        if self.files.columns is not None and self.files.columns[1] > shape.columns:
            raise MediaError(
                f"wanted the columns {self.files.columns}, there are {shape.columns}", file=where
            )
        if self._model is not None and shape.columns != self._model[1].columns:
            raise MediaError(self._other_width(shape, *self._model), file=where)
        width = self.files.width(shape.columns)
        if self.files.channels not in (None, width):
            raise MediaError(f"cells of {width} channels, wanted {self.files.channels}", file=where)
        self._model = self._model or (video, shape)
        return shape

    def _other_width(self, shape: Shape, other: str, model: Shape) -> str:
        """What is wrong with an array of another width than that of another video."""
        message = f"{shape.columns} columns, but {model.columns} of the video {other}"
        if shape.rows in model or shape.columns == model.rows:
            turned = "false" if self.files.transposed else "true"
            message += f"; looks transposed: set `transposed: {turned}`"
        return message

    def _finite(
        self, found: NDArray[Any], video: str, *, row: int, step: int, column: int
    ) -> Float32[np.ndarray, "R D"]:
        """A copy in float32; `row`, `step` and `column` say where it lies in the file."""
        with np.errstate(over="ignore"):
            values = np.array(found, np.float32, order="C")
        bad = np.argwhere(~np.isfinite(values))
        if len(bad):
            i, j = bad[0].tolist()
            raise MediaError(
                f"{found[i, j]} in row {row + i * step}, column {column + j}, of the features of"
                f" {video}; only finite float32 numbers will do",
                file=self.place(video),
            )
        return values
