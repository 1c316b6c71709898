"""Arrays in files: their shape without reading them, some rows without the rest.

A file holds one array (`.npy`, `.csv`, and what others read), or several by name (`.npz`, HDF5,
safetensors).  Mapped files and HDF5 give the part that is asked for; the others are read whole,
and `sources.array_cache` keeps them for the next part.  Nothing is unpickled.  What an array
means, and whether its numbers will do, is said by `sources.feature_files`.
"""

from __future__ import annotations

import csv
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from untrimmed.core.errors import ConfigError, MediaError
from untrimmed.sources.array_cache import Cache

KINDS = (".npy", ".npz", ".h5", ".hdf5", ".safetensors", ".csv")
"""Endings of the files that are read here."""

ARCHIVES = (".npz", ".h5", ".hdf5", ".safetensors")
"""Endings of those that hold arrays by name."""

Reader = Callable[[Path], NDArray[Any]]
"""Reads the one array of a file of some other kind; raises MediaError if it cannot."""


@runtime_checkable
class Array(Protocol):
    """An array in a file: what it is comes at once, its numbers come when they are asked for."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    def __getitem__(self, part: tuple[slice, ...], /) -> Any: ...


class Entries(Protocol):
    """Arrays by name; in HDF5, also groups of them."""

    def __contains__(self, name: object, /) -> bool: ...
    def __iter__(self) -> Iterator[str]: ...
    def __getitem__(self, name: str, /) -> Array | Entries: ...


@contextmanager
def opened(path: Path, *, readers: Mapping[str, Reader], cache: Cache) -> Iterator[Array | Entries]:
    """What a file holds, for as long as the block lasts.

    Args:
        readers: of further kinds of files, by ending.

    Raises:
        MediaError: if it is of no known kind, or cannot be read.
        ConfigError: if it is HDF5 and h5py is not installed.
    """
    kind = path.suffix.lower()
    match kind:
        case ".npy":
            with explained(path):
                array: Array = np.load(path, mmap_mode="r", allow_pickle=False)
            yield array
        case ".npz":
            with explained(path):
                archive = zipfile.ZipFile(path)
            with archive:
                yield _Zipped(archive, path, cache)
        case ".h5" | ".hdf5":
            with explained(path):
                file = _hdf5().File(path, "r")
            with file:
                yield cast(Entries, file)
        case ".safetensors":
            with explained(path):
                tensors = safe_open(path, framework="numpy")
            with tensors:
                yield _Tensors(tensors)
        case ".csv":
            with explained(path):
                table = cache.array(path, lambda: _read_csv(path))
            yield table
        case _ if kind in readers:
            yield cache.array(path, lambda: readers[kind](path))
        case _:
            known = ", ".join((*KINDS, *readers))
            raise MediaError(f"a file of a kind that is not read; those are: {known}", file=path)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn the errors of reading a file into MediaError."""
    try:
        yield
    except FileNotFoundError as error:
        raise MediaError("there is no such file; check the path", file=path) from error
    except (
        OSError,
        ValueError,
        KeyError,
        EOFError,
        RuntimeError,
        NotImplementedError,
        zipfile.BadZipFile,
        zlib.error,
        SafetensorError,
    ) as error:
        raise MediaError(f"cannot be read as an array: {error}", file=path) from error


def entry_names(path: Path) -> list[str]:
    """Names of what an archive holds, sorted.

    Raises:
        MediaError: if it cannot be read.
        ConfigError: if it is HDF5 and h5py is not installed.
    """
    with opened(path, readers={}, cache=Cache(0)) as found, explained(path):
        return sorted(cast(Entries, found))


def picked(found: Array | Entries, name: str | None, *, file: Path) -> Array:
    """An array of a file, by its name, or the only one.

    Raises:
        MediaError: if there is none of that name, or several and no name is given.
    """
    if isinstance(found, Array):
        if name is not None:
            raise MediaError(f"one array without a name; `array: {name}` is too much", file=file)
        return found
    if name is None:
        names = sorted(found)
        if len(names) != 1:
            listed = ", ".join(names[:9]) or "none"
            raise MediaError(
                f"wanted one array, there are {len(names)}: {listed}; name one by `array`",
                file=file,
            )
        name = names[0]
    if name not in found:
        raise MediaError(
            f"there is no array `{name}`; there are: {', '.join(sorted(found)[:9]) or 'none'}",
            file=file,
        )
    entry = found[name]
    return entry if isinstance(entry, Array) else picked(entry, None, file=file)


@dataclass(frozen=True)
class _Whole:
    """An array of which the header is known, and that is read whole for any part."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    load: Callable[[], NDArray[Any]]

    def __getitem__(self, part: tuple[slice, ...]) -> NDArray[Any]:
        return self.load()[part]


class _Zipped:
    """The arrays of an `.npz` file."""

    def __init__(self, archive: zipfile.ZipFile, path: Path, cache: Cache) -> None:
        self._archive = archive
        self._path = path
        self._cache = cache

    def __contains__(self, name: object) -> bool:
        return f"{name}.npy" in self._archive.NameToInfo

    def __iter__(self) -> Iterator[str]:
        names = self._archive.namelist()
        return (name.removesuffix(".npy") for name in names if name.endswith(".npy"))

    def __getitem__(self, name: str) -> _Whole:
        def load() -> NDArray[Any]:
            with self._archive.open(f"{name}.npy") as file:
                array: NDArray[Any] = np.lib.format.read_array(
                    cast(BinaryIO, file), allow_pickle=False
                )
                return array

        with self._archive.open(f"{name}.npy") as file:
            shape, dtype = _header(cast(BinaryIO, file))
        return _Whole(shape, dtype, lambda: self._cache.array((self._path, name), load))


def _header(file: BinaryIO) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of an array in NumPy's format, of which nothing else is read."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    else:
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    return shape, dtype


class _Tensors:
    """The arrays of a safetensors file."""

    def __init__(self, tensors: Any) -> None:
        self._tensors = tensors
        self._names = frozenset(tensors.keys())

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __getitem__(self, name: str) -> _Tensor:
        return _Tensor(self._tensors.get_slice(name))


_TENSOR_TYPES = {
    "F16": "float16",
    "F32": "float32",
    "F64": "float64",
    "I8": "int8",
    "U8": "uint8",
    "I16": "int16",
    "U16": "uint16",
}


class _Tensor:
    """One of them; its numbers are mapped."""

    def __init__(self, tensor: Any) -> None:
        kind = tensor.get_dtype()
        if kind not in _TENSOR_TYPES:
            raise ValueError(f"numbers of type {kind} are not read; save as F16 or F32")
        self.dtype = np.dtype(_TENSOR_TYPES[kind])
        self.shape = tuple(tensor.get_shape())
        self._tensor = tensor

    def __getitem__(self, part: tuple[slice, ...]) -> NDArray[Any]:
        sizes = [
            len(range(*each.indices(size))) for each, size in zip(part, self.shape, strict=False)
        ]
        if 0 in sizes:  # safetensors takes the end of an array for one past it
            return np.zeros(sizes, self.dtype)
        return cast(NDArray[Any], self._tensor[part])


def _hdf5() -> Any:
    """The package that reads HDF5, which not everybody has."""
    try:
        import h5py
    except ImportError as error:
        raise ConfigError("HDF5 files need h5py: pip install 'untrimmed[hdf5]'") from error
    return h5py


def _read_csv(path: Path) -> NDArray[np.float32]:
    """Numbers with commas between them; a first line that is not of numbers names the columns."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        first = next(csv.reader(file), [])
    named = not all(map(_is_number, first))
    with warnings.catch_warnings(action="ignore"):  # a file without numbers gives an empty array
        return np.loadtxt(
            path,
            dtype=np.float32,
            delimiter=",",
            comments=None,
            ndmin=2,
            skiprows=int(named),
            encoding="utf-8-sig",
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
