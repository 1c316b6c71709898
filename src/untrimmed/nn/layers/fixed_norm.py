"""Batch normalisation with the statistics that public weights come with.

An encoder that is trained on a few clips at a time has no batch to speak of, and clips must not see
each other: mean and variance are never updated, in training as in evaluation.

Shapes: N clips, C channels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class FixedNorm(nn.Module):
    """Normalise every channel of (N, C, ...) by numbers that stay as they are.

    Equal to a batch normalisation in evaluation, also in its state but for the count of batches.

    Args:
        trained: whether scale and shift are.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, *, eps: float, trained: bool) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels), requires_grad=trained)
        self.bias = nn.Parameter(torch.zeros(channels), requires_grad=trained)
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        return F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
        )
