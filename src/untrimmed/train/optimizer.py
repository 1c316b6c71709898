"""How weights are moved: the optimizer, what it does to which parameter, and how fast.

One rule puts every trainable parameter into one of four groups, encoder or not, with weight decay
or without.  A schedule is a function of the step alone, so a resumed run needs none of its state;
the loop multiplies each group's learning rate with it (`train.loop`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from untrimmed.core.bounds import above_0, at_least_0, shares, shares_below_1, shares_between


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """The method and its rates.

    Args:
        kind: `sgd` and `adam` add the decay to the gradient, `adamw` takes it from the weight.
        lr: learning rate, before the schedule.
        encoder_lr: that of the encoder; null is `lr`.
        weight_decay: of the weights that are decayed.
        decay_all: decay biases, norms and position tables as well, as published for TALLFormer.
        momentum: of `sgd` alone.
        nesterov: of `sgd` alone.
        betas: of `adam` and `adamw` alone.
    """

    kind: Literal["sgd", "adam", "adamw"] = "adamw"
    lr: float = 1e-4
    encoder_lr: float | None = None
    weight_decay: float = 0.05
    decay_all: bool = False
    momentum: float = 0.9
    nesterov: bool = False
    betas: tuple[float, float] = (0.9, 0.999)

    def __post_init__(self) -> None:
        above_0(self, "lr")
        at_least_0(self, "encoder_lr", "weight_decay")
        shares_below_1(self, "momentum", "betas")
        if self.nesterov and not self.momentum > 0:
            raise ValueError("nesterov needs a momentum above 0")


def optimizer_for(model: nn.Module, config: OptimizerConfig) -> Optimizer:
    """An optimizer of everything in `model` that is trained.

    The groups of the encoder, `model.encoder`, come first.

    Raises:
        ValueError: if nothing is trained.
    """
    groups = parameter_groups(model, config)
    if not groups:
        raise ValueError("there is nothing to train: every parameter is frozen")
    if config.kind == "sgd":
        return SGD(groups, lr=config.lr, momentum=config.momentum, nesterov=config.nesterov)
    method = Adam if config.kind == "adam" else AdamW
    # On a CPU it takes a third of the time so, 2 % of a step of ActionFormer in bfloat16.
    return method(groups, lr=config.lr, betas=config.betas, fused=True)


def parameter_groups(model: nn.Module, config: OptimizerConfig) -> list[dict[str, Any]]:
    """Every parameter that is trained, once, in groups as PyTorch's optimizers take them.

    The encoder is what `model` calls so.  Groups without parameters are left out; the order of
    groups, and of parameters in them, depends on the model alone.
    """
    groups: list[dict[str, Any]] = []
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    for in_encoder in (True, False):
        slow = in_encoder and config.encoder_lr is not None
        for decayed in (True, False):
            chosen = [
                parameter
                for name, parameter in named
                if name.startswith("encoder.") == in_encoder
                and (config.decay_all or _is_matrix(name, parameter)) == decayed
            ]
            if chosen:
                groups.append(
                    {
                        "params": chosen,
                        "lr": config.encoder_lr if slow else config.lr,
                        "weight_decay": config.weight_decay if decayed else 0.0,
                    }
                )
    return groups


def _is_matrix(name: str, parameter: nn.Parameter) -> bool:
    # Weights of linear maps and convolutions; those of norms have one dimension, and tables of
    # position biases have another name.
    return name.endswith("weight") and parameter.ndim > 1


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The learning rate of a step, as a share of the optimizer's own.

    Args:
        kind: `cosine` falls to `floor` and, in each further cycle, again from 1; `multistep` is
            multiplied by `gamma` at each milestone.
        warmup_steps: steps until the full rate is reached; or `warmup_epochs`, the same in epochs.
        warmup_from: share in the first step, from which the warm-up rises evenly.
        warmup: `beside` the rest, which starts with the first step too, and their shares are
            multiplied; or `before` it: the last step of the warm-up has the full rate, and the
            rest has only the steps that follow.
        floor: share at the end of a cycle.
        cycles: number of them in the run, all equally long.
        milestones: as shares of the run, as in (0.8,) for epoch 8 of 10.
        gamma: see `kind`.
        stairs: the rate changes only so many times in the run, at equal distances, as with the
            number of epochs for once in an epoch; null changes it in every step.  The warm-up
            rises in every step all the same.

    Source: TALLFormer's THUMOS14 training is `cosine` with `floor` 0.01, a cycle and a hundred
    stairs for each 100 epochs, and 500 steps of warm-up from 0.1.  ActionFormer's is `cosine` after
    five epochs of warm-up from 0.
    """

    kind: Literal["constant", "cosine", "multistep"] = "cosine"
    warmup_steps: int = 0
    warmup_epochs: float = 0.0
    warmup_from: float = 0.1
    warmup: Literal["beside", "before"] = "beside"
    floor: float = 0.0
    cycles: int = 1
    milestones: tuple[float, ...] = ()
    gamma: float = 0.1
    stairs: int | None = None

    def __post_init__(self) -> None:
        shares(self, "warmup_from", "floor")
        at_least_0(self, "warmup_steps", "warmup_epochs")
        above_0(self, "cycles", "gamma", "stairs")
        shares_between(self, "milestones")
        if self.warmup_steps and self.warmup_epochs:
            raise ValueError("give warmup_steps or warmup_epochs, not both")

    def factor(self, step: int, *, steps: int, epochs: float | None = None) -> float:
        """Share of the learning rate in a step, in [0, 1].

        Args:
            step: from 0.
            steps: of the whole run.
            epochs: of the whole run, if there are any.

        Raises:
            ValueError: if the run has no such step, or a warm-up is given in epochs and the run
                has none.
        """
        if not 0 <= step < steps:
            raise ValueError(f"step {step} of a run of {steps} steps")
        warm = self._warm_steps(steps, epochs)
        if self.warmup == "beside":
            return self._rest(step, steps) * self._warmth(step, warm)
        if step < warm:
            return self._warmth(step, max(warm - 1, 1))
        return self._rest(step - warm, steps - warm)

    def _warm_steps(self, steps: int, epochs: float | None) -> int:
        if not self.warmup_epochs:
            return self.warmup_steps
        if epochs is None:
            raise ValueError("warmup_epochs in a run without epochs; give warmup_steps")
        return round(steps * self.warmup_epochs / epochs)

    def _rest(self, step: int, steps: int) -> float:
        """The share without a warm-up."""
        done, of = step, steps
        if self.stairs is not None:
            done, of = step * self.stairs // steps, self.stairs
        if self.kind == "cosine":
            turn = math.pi * (done * self.cycles % of) / of
            return self.floor + (1 - self.floor) * (1 + math.cos(turn)) / 2
        if self.kind == "multistep":
            return self.gamma ** sum(done >= round(at * of) for at in self.milestones)
        return 1.0

    def _warmth(self, step: int, warm: int) -> float:
        """Rises evenly from `warmup_from` in step 0 to 1 in step `warm`."""
        if step >= warm:
            return 1.0
        return 1 - (1 - self.warmup_from) * (1 - step / warm)
