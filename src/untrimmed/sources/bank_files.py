"""What the files of a feature bank hold, and that they belong together.

A folder holds

- `features.npy`: (N, C), the cells of all videos; bfloat16, which NumPy does not have, as its
  bits, uint16;
- `written.npy`: (N,) int32, the step in which each cell was last written, -1 for never;
- `bank.json`: the version of this layout, where each video's cells are, and `meta`.

What is done with the cells is in `sources.bank`.

Shapes: C channels, N cells of all videos.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import numpy as np
from jaxtyping import Float, Int32, UInt16

from untrimmed.core.errors import FormatError
from untrimmed.core.files import finish_swap, folder_written_whole
from untrimmed.sources.json_tree import Value, read_json

VERSION = 1
FEATURES, WRITTEN, HEADER = "features.npy", "written.npy", "bank.json"
NEVER = -1

Dtype = Literal["float16", "bfloat16", "float32"]
STORED = {"float16": "float16", "bfloat16": "uint16", "float32": "float32"}
"""The type of NumPy in which numbers of each are kept."""


@dataclass(frozen=True)
class Place:
    """Where the cells of a video lie among all: from `offset` on, `cells` of them."""

    offset: int
    cells: int


class Contents(NamedTuple):
    """All that the files hold, as `FeatureBank` takes it."""

    places: dict[str, Place]
    dtype: Dtype
    meta: dict[str, Any]
    features: Float[np.ndarray, "N C"] | UInt16[np.ndarray, "N C"]
    written: Int32[np.ndarray, " N"]


def read_contents(folder: Path, *, mode: Literal["r+", "r"]) -> Contents:
    """What a folder holds; the arrays are mapped, with `r+` for writing too.

    Raises:
        FormatError: if there is no bank, or its files do not belong together.
    """
    finish_swap(folder)
    header = read_json(folder / HEADER)
    version = header.member("version")
    if version.whole_number() != VERSION:
        raise version.wrong(f"wanted a bank of version {VERSION}, got {version.raw}")
    places = _places(header.member("videos"))
    dtype = _dtype(header.member("dtype"))
    shape = (
        sum(place.cells for place in places.values()),
        header.member("channels").whole_number(),
    )
    features = _mapped(folder / FEATURES, mode, shape, STORED[dtype])
    written = _mapped(folder / WRITTEN, mode, shape[:1], "int32")
    meta = {name: value.raw for name, value in header.member("meta").members().items()}
    return Contents(places, dtype, meta, features, written)


def write_empty(
    folder: Path,
    places: Mapping[str, Place],
    *,
    channels: int,
    dtype: Dtype,
    meta: Mapping[str, Any],
) -> None:
    """The files of a bank in which nothing is written yet."""
    cells = sum(place.cells for place in places.values())
    with folder_written_whole(folder) as temporary:
        # A file of zeros takes no room on disk until it is written to.
        features = np.lib.format.open_memmap(
            temporary / FEATURES, mode="w+", dtype=STORED[dtype], shape=(cells, channels)
        )
        features.flush()
        written = np.full(cells, NEVER, np.int32)
        np.save(temporary / WRITTEN, written)
        _write_header(temporary, Contents(dict(places), dtype, dict(meta), features, written))


def write_contents(folder: Path, contents: Contents) -> None:
    """The files of a bank; they replace those of an earlier one, all or none."""
    with folder_written_whole(folder) as temporary:
        np.save(temporary / FEATURES, contents.features)
        np.save(temporary / WRITTEN, contents.written)
        _write_header(temporary, contents)


def _write_header(folder: Path, contents: Contents) -> None:
    header = {
        "version": VERSION,
        "channels": contents.features.shape[1],
        "dtype": contents.dtype,
        "videos": {id: vars(place) for id, place in contents.places.items()},
        "meta": contents.meta,
    }
    text = json.dumps(header, ensure_ascii=False, allow_nan=False, indent=1)
    (folder / HEADER).write_text(text + "\n", encoding="utf-8")


def _dtype(value: Value) -> Dtype:
    dtype = value.text()
    if dtype not in STORED:
        raise value.wrong(f"wanted one of {', '.join(STORED)}, got {dtype}")
    return cast(Dtype, dtype)


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
