"""Read files of weights: PyTorch's, safetensors and NumPy's; nothing in them is executed."""

from __future__ import annotations

import re
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

AVERAGED, OWN = "state_dict_ema", "state_dict"
"""Names under which training codes keep weights in a file; averaged ones are what is scored."""

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
    hold them whole or below `state_dict_ema` or `state_dict`.

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
                with torch.serialization.safe_globals(_NUMBERS):
                    content = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise UserError(f"{file}: there is no such file") from error
    except (
        RuntimeError,
        UnpicklingError,
        EOFError,
        OSError,
        ValueError,
        SafetensorError,
        zipfile.BadZipFile,
    ) as error:
        raise UserError(
            f"{file}: no file of tensors and plain values alone: {_why(error)}"
        ) from error
    return _weights_in(content, file)


def _why(error: Exception) -> str:
    """The reason in what PyTorch says, without its advice to execute the file."""
    found = re.search(r"WeightsUnpickler error: (.+?)(?:\. Please|$)", str(error))
    return found[1] if found else str(error).partition("\n")[0]


def _weights_in(content: Any, file: Path) -> tuple[Mapping[str, Tensor], str]:
    """The weights in what a file of PyTorch held."""
    if isinstance(content, Mapping):
        for name in (AVERAGED, OWN):
            if isinstance(content.get(name), Mapping):
                return content[name], name
        if content and all(isinstance(value, Tensor) for value in content.values()):
            return content, "the whole file"
    raise UserError(f"{file}: wanted weights by name, or a mapping with {AVERAGED} or {OWN}")
