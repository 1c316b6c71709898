"""Averaged weights: a second model that follows the trained one slowly.

Scores are measured with it; training never sees it.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn


class Averaged:
    """An exponential moving average of a model's weights.

    With a warm-up, update n, from 0, keeps min(decay, (1 + n) / (10 + n)) of the average, so that
    the first weights are soon forgotten and a short run is not scored with them.

    Args:
        model: the trained one; it is copied, never changed.
        decay: share of the average that an update keeps, in [0, 1).
        warm_up: whether the first updates keep less.

    Attributes:
        module: the average, in evaluation and without gradients, on the device of `model`.
        updates: how many there have been.
    """

    def __init__(self, model: nn.Module, *, decay: float, warm_up: bool = True) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"a decay of {decay}: it must lie in [0, 1)")
        self.decay = decay
        self.warm_up = warm_up
        self.updates = 0
        self.module = copy.deepcopy(model).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the average towards the weights of `model`; its buffers are copied as they are."""
        keep = self.decay
        if self.warm_up:
            keep = min(keep, (1 + self.updates) / (10 + self.updates))
        averages: list[Tensor] = list(self.module.parameters())
        weights: list[Tensor] = list(model.parameters())
        torch._foreach_lerp_(averages, weights, 1 - keep)
        for remembered, buffer in zip(self.module.buffers(), model.buffers(), strict=True):
            remembered.copy_(buffer)
        self.updates += 1

    def state_dict(self) -> dict[str, Any]:
        """Everything a resumed run needs; the decay is a setting and not part of it."""
        return {"updates": self.updates, "module": self.module.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`.

        Raises:
            RuntimeError: if the weights are those of another model.
        """
        self.module.load_state_dict(state["module"])
        self.updates = state["updates"]
