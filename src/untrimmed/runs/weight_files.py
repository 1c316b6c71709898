"""Read files of weights: PyTorch's, safetensors and NumPy's; nothing in them is executed."""

from __future__ import annotations

import codecs
import re
import struct
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from untrimmed.core.errors import UserError
from untrimmed.nn.names.unknown import listed

PLACES = ("state_dict_ema", "state_dict", "model")
"""Names under which training codes keep weights in a file; averaged ones are what is scored."""

_TEXT = 60
"""Characters that show of what kind a text is."""

_NUMBERS: list[Any] = [
    *(
        (np.float64(0).__reduce__()[0], f"numpy.{core}.multiarray.scalar")
        for core in ("core", "_core")
    ),
    np.dtype,
    *(type(np.dtype(kind)) for kind in (np.float32, np.float64, np.int64)),
]
"""Single numbers of NumPy, which training codes note beside weights."""


def read_weights(file: Path) -> tuple[Mapping[str, Tensor], str]:
    """Weights by the names in a file, and where in it they stood.

    The format is told by the ending: `.safetensors`, `.npz`, or else a file of PyTorch, which may
    hold them whole or below `state_dict_ema`, `state_dict` or `model`.

    Raises:
        UserError: if the file cannot be read as tensors and plain values alone, or holds no
            weights by name.
    """
    try:
        match file.suffix:
            case ".safetensors":
                return load_file(file), "the whole file"
            case ".npz":
                with np.load(file, allow_pickle=False) as arrays:
                    return {key: torch.from_numpy(arrays[key]) for key in arrays}, "the whole file"
            case _:
                with torch.serialization.safe_globals(_NUMBERS), warnings.catch_warnings():
                    # It warns of a program before it refuses one, with advice to execute it.
                    warnings.simplefilter("ignore", UserWarning)
                    content = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise UserError(f"{file}: there is no such file") from error
    except (
        RuntimeError,
        UnpicklingError,
        EOFError,
        LookupError,  # from here on, what PyTorch lets through of files that are not whole
        OSError,
        ValueError,
        struct.error,
        SafetensorError,
        zipfile.BadZipFile,
    ) as error:
        raise UserError(f"{file}: {_instead(file) or _why(error)}") from error
    return _weights_in(content, file)


def _instead(file: Path) -> str:
    """What a file is if it is text, such as the page that a server sends where there is no file."""
    try:
        with file.open("rb") as opened:
            begins = opened.read(4 * _TEXT)
        text = codecs.getincrementaldecoder("utf-8")().decode(begins).strip()
    except (OSError, UnicodeDecodeError):
        return ""
    if not text or not all(sign.isprintable() or sign.isspace() for sign in text):
        return ""
    return f"no file of weights but text, which begins: {' '.join(text.split())[:_TEXT]}"


def _why(error: Exception) -> str:
    """The reason in what PyTorch says, without its advice to execute the file."""
    found = re.search(r"WeightsUnpickler error:\s*(.+?)(?:\. Please|\n|$)", str(error))
    reason = found[1] if found else str(error).partition("\n")[0]
    if "weights_only" in reason:
        reason = "a program and not only weights" if "TorchScript" in reason else ""
    what = "no file of tensors and plain values alone"
    return f"{what}: {reason or 'it is broken, or of another kind'}"


def _weights_in(content: Any, file: Path) -> tuple[Mapping[str, Tensor], str]:
    """The weights in what a file of PyTorch held."""
    wanted = f"wanted weights by name, or a mapping with {' or '.join(PLACES)}"
    if not isinstance(content, Mapping):
        raise UserError(f"{file}: {wanted}; it is of type {type(content).__name__}")
    for place in PLACES:
        if isinstance(content.get(place), Mapping):
            return _tensors(content[place], file, place), place
    if content and all(isinstance(value, Tensor) for value in content.values()):
        return content, "the whole file"
    has = listed([str(key) for key in content]) or "nothing"
    raise UserError(f"{file}: {wanted}; it has {has}")


def _tensors(state: Mapping[str, Any], file: Path, place: str) -> Mapping[str, Tensor]:
    """Weights by name, if they are that."""
    if not state:
        raise UserError(f"{file}: there are no weights in its {place}")
    for name, value in state.items():
        if not isinstance(value, Tensor):
            raise UserError(
                f"{file}: {place}.{name} is no tensor but of type {type(value).__name__}"
            )
    return state
