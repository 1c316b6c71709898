"""The long memory on the device that trains, so that no feature goes to the CPU and back.

A bank in memory (`sources.bank`) is moved there; who wrote what when stays on the CPU.

Shapes: C channels, N cells of all videos.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor

from untrimmed.sources.bank import FeatureBank


class DeviceBank:
    """A `FeatureBank` whose features are a tensor; what it gives and takes are tensors too.

    Args:
        bank: in memory; from now on it is this one's.
    """

    def __init__(self, bank: FeatureBank, device: torch.device) -> None:
        self._bank = bank
        self._dtype: torch.dtype = getattr(torch, bank.dtype)
        self._features = torch.from_numpy(bank.features).view(self._dtype).to(device)  # (N, C)

    @property
    def channels(self) -> int:
        """C, of a cell."""
        return self._bank.channels

    @property
    def device(self) -> torch.device:
        """That it is on."""
        return self._features.device

    @property
    def lengths(self) -> dict[str, int]:
        """Cells of each video."""
        return self._bank.lengths

    def read(
        self, video: str, start: int, length: int
    ) -> tuple[Float32[Tensor, "length C"], Bool[np.ndarray, " length"]]:
        """As `FeatureBank.read`."""
        values = torch.zeros(length, self.channels, device=self.device)
        return values, self.read_into(values, video, start)

    def read_into(
        self, values: Float32[Tensor, "length C"], video: str, start: int
    ) -> Bool[np.ndarray, " length"]:
        """As `FeatureBank.read_into`."""
        rows, window = self._bank.overlap(video, start, len(values))
        values[window] = self._features[rows].float()
        valid = np.zeros(len(values), bool)
        valid[window] = True
        return valid

    def write(self, video: str, start: int, values: Float[Tensor, "n C"], *, step: int) -> None:
        """As `FeatureBank.write`."""
        rows, window = self._bank.overlap(video, start, len(values))
        stored = values[window].to(self._features.device, self._dtype)
        if not bool(stored.isfinite().all()):
            raise ValueError(
                f"video {video}: features that are not finite, or too large for {self._bank.dtype}"
            )
        self._features[rows] = stored
        self._bank.written[rows] = step

    def ages(
        self, video: str, start: int, length: int, *, step: int
    ) -> Int64[np.ndarray, " length"]:
        """As `FeatureBank.ages`."""
        return self._bank.ages(video, start, length, step=step)

    def copy_to(self, folder: Path) -> None:
        """As `FeatureBank.copy_to`."""
        features = self._features.cpu().view(torch.from_numpy(self._bank.features).dtype)
        self._bank.features[:] = features.numpy()
        self._bank.copy_to(folder)
