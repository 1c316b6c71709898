"""Features in files of PyTorch, for `sources.features`, which has no torch.

A file holds one tensor, alone or in a dictionary.  Only tensors and plain containers are loaded,
never code.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from untrimmed.core.errors import MediaError
from untrimmed.sources.arrays import Reader


def read_torch(path: Path) -> NDArray[Any]:
    """The one tensor of a file; bfloat16, which NumPy does not have, as float32.

    Raises:
        MediaError: if the file is missing or broken, holds more than tensors in plain containers,
            or not exactly one tensor.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise MediaError("there is no such file; check the path", file=path) from error
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        first_line = str(error).partition("\n")[0]
        raise MediaError(f"cannot be read as a file of tensors: {first_line}", file=path) from error
    tensors = [content] if isinstance(content, Tensor) else _tensors(content)
    if len(tensors) != 1:
        raise MediaError(f"wanted one tensor, there are {len(tensors)}", file=path)
    tensor = tensors[0].detach()
    array: NDArray[Any] = (tensor.float() if tensor.dtype is torch.bfloat16 else tensor).numpy()
    return array


READERS: Mapping[str, Reader] = MappingProxyType({".pt": read_torch, ".pth": read_torch})
"""By ending, as `FeatureStore.open` takes them."""


def _tensors(content: object) -> list[Tensor]:
    if not isinstance(content, Mapping):
        return []
    return [value for value in content.values() if isinstance(value, Tensor)]
