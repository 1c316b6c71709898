"""The long memory of TALLFormer, between the bank and the tensors of a step.

Shapes: B windows, M clips encoded now, C channels, K cells per clip, T cells of a window.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from untrimmed.data.windows import Window
from untrimmed.sources.bank import FeatureBank
from untrimmed.tensors import Padded
from untrimmed.train.device_bank import DeviceBank

Bank = FeatureBank | DeviceBank
"""Where features are remembered: on disk or in memory, or on the device that trains."""


def no_memory(windows: Sequence[Window], *, channels: int, device: torch.device) -> Padded:
    """What a step without a bank remembers: nothing, but which cells exist."""
    T = windows[0].clips.cells.length
    valid = _valid(windows, T).to(device)
    return Padded(torch.zeros(len(windows), channels, T, device=device), valid)


def recall(bank: Bank, windows: Sequence[Window], *, device: torch.device) -> Padded:
    """Remembered features (B, C, T) of some windows, float32; zero where nothing is known.

    The step reads just before it uses them: a loader that reads ahead would hand it features
    which the steps in between have already replaced.
    """
    shape = (len(windows), bank.channels, windows[0].clips.cells.length)
    if isinstance(bank, DeviceBank):
        values = torch.zeros(shape, device=bank.device)
        for row, window in zip(values, windows, strict=True):
            bank.read_into(row.T, window.video, window.clips.first_cell)
    else:
        # With NumPy: threads of PyTorch would wait for processors that decode the next batches.
        array = np.zeros(shape, np.float32)
        for part, window in zip(array, windows, strict=True):
            bank.read_into(part.T, window.video, window.clips.first_cell)
        values = torch.from_numpy(array)
    return Padded.of(values.to(device), _valid(windows, shape[2]).to(device))


def remember(
    bank: Bank,
    windows: Sequence[Window],
    place: Int64[Tensor, "B M"],
    fresh: Float[Tensor, "B M C K"],
    *,
    step: int,
) -> None:
    """Overwrite the memory of the clips that were encoded in a step.

    Source: TALLFormer, sec. 3.2; rows are replaced, not averaged.
    """
    values = _as_taken(bank, fresh.transpose(2, 3))  # (B, M, K, C)
    for window, clips, features in zip(windows, place.tolist(), values, strict=True):
        for clip, cells in zip(clips, features, strict=True):
            first_cell = window.clips.first_cell + window.clips.first_cell_of(clip)
            bank.write(window.video, first_cell, cells, step=step)


def fill(
    bank: Bank,
    video: str,
    pieces: Iterable[Float[Tensor, "C n"]],
    *,
    first_cell: int = 0,
    step: int = 0,
) -> None:
    """Write a video's features, given piece by piece from one of its cells on."""
    for piece in pieces:
        bank.write(video, first_cell, _as_taken(bank, piece.T), step=step)
        first_cell += piece.shape[1]


def is_known(bank: Bank, window: Window) -> bool:
    """Whether every cell of a window was ever written; memory is zero where one was not."""
    ages = bank.ages(window.video, window.clips.first_cell, window.valid_cells, step=0)
    return bool((ages >= 0).all())


def known_ages(bank: Bank, windows: Sequence[Window], *, step: int) -> Int64[np.ndarray, " N"]:
    """Steps since each remembered cell of some windows was written.

    Staleness is what the temporal consistency module is there to cure; it belongs in the journal.
    Cells that were never written or do not exist are left out.
    """
    ages = [
        bank.ages(window.video, window.clips.first_cell, window.valid_cells, step=step)
        for window in windows
    ]
    joined = np.concatenate(ages)
    return joined[joined >= 0]


def _as_taken(bank: Bank, values: Tensor) -> Any:
    """Values as a bank takes them: tensors, or arrays."""
    values = values.detach().float()
    return values if isinstance(bank, DeviceBank) else values.cpu().numpy()


def _valid(windows: Sequence[Window], T: int) -> Tensor:
    counts = torch.tensor([window.valid_cells for window in windows])
    return torch.arange(T)[None] < counts[:, None]
