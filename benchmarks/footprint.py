"""How many bytes a training step takes at once, followed on tensors that have no numbers.

Meta tensors have shapes but no contents.  A step is run on them, and every storage followed from
its making to its end: so its peak is known without a GPU, but for workspaces and fragmentation,
which a GPU adds.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any, NamedTuple
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import adam
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.flop_counter import flop_registry


class Measured(NamedTuple):
    """What a step took.

    bytes: at once, at most.
    flops: None on a GPU, where they are not counted.
    """

    bytes: int
    flops: int | None


class Footprint(TorchDispatchMode):
    """Follows the storages that are made on a device while it is entered, or given to `hold`.

    most: bytes of those that were alive at once, at most, since it was made or `reset`.
    flops: of the matrix products, two per multiplication and addition.
    """

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device = device
        self.most = self.flops = 0
        self._alive: dict[int, int] = {}
        self._now = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.hold(tree_leaves(result))
        if func._overloadpacket in flop_registry:
            count = flop_registry[func._overloadpacket]
            self.flops += count(*args, **(kwargs or {}), out_val=result)
        return result

    def hold(self, values: Iterable[Any]) -> None:
        """Count those that are tensors of the device from now on, for as long as they live."""
        for tensor in values:
            if not isinstance(tensor, Tensor) or tensor.device.type != self.device.type:
                continue
            # Packed weights have no storage that can be seen: they live as long as their tensor.
            owner = tensor if tensor.is_mkldnn else tensor.untyped_storage()
            key = id(tensor) if tensor.is_mkldnn else tensor.untyped_storage()._cdata
            if key not in self._alive:
                self._alive[key] = owner.nbytes if isinstance(owner, Tensor) else owner.nbytes()
                self._now += self._alive[key]
                self.most = max(self.most, self._now)
                weakref.finalize(owner, self._end, key)

    def reset(self) -> None:
        """Begin anew with what is alive now."""
        self.most, self.flops = self._now, 0

    def _end(self, key: int) -> None:
        self._now -= self._alive.pop(key)


@contextmanager
def on_meta(*, bf16: bool, fused: bool) -> Iterator[Footprint]:
    """Follow what is made on the meta device, as a GPU would make it.

    Args:
        bf16: whether autocast is on, in the way of CUDA.
        fused: whether attention is that of the memory-efficient CUDA kernel; else as PyTorch
            writes it out.
    """
    with ExitStack() as stack:
        # Autocast does not know this device, not even to be switched off there.
        stack.enter_context(patch.object(torch, "autocast", lambda *_, **__: nullcontext()))
        stack.enter_context(patch.object(torch, "is_autocast_enabled", lambda *_: False))
        # Nor do fused optimizers, which work on it all the same.
        known = patch.object(adam, "_device_dtype_check_for_fused", lambda *_, **__: None)
        stack.enter_context(known)
        if bf16:
            for name, dtype in _CUDA_AUTOCAST.items():
                stack.enter_context(patch.object(F, name, _lowered(getattr(F, name), dtype)))
        if fused:
            stack.enter_context(
                patch.object(F, "scaled_dot_product_attention", _efficient_attention)
            )
        yield stack.enter_context(Footprint(torch.device("meta")))


def _lowered(function: Any, dtype: torch.dtype) -> Any:
    """A function that computes in that type, as autocast has it."""

    def cast(values: Any) -> Any:
        return tree_map(
            lambda x: x.to(dtype) if isinstance(x, Tensor) and x.is_floating_point() else x, values
        )

    return lambda *args, **kwargs: function(*cast(args), **cast(kwargs))


_CUDA_AUTOCAST = {
    "linear": torch.bfloat16,
    "conv1d": torch.bfloat16,
    "conv3d": torch.bfloat16,
    "layer_norm": torch.float32,
}
"""What it does on a GPU to the functions that our networks call, as far as that matters here."""


def _efficient_attention(
    query: Tensor, key: Tensor, value: Tensor, *, attn_mask: Tensor, **how: Any
) -> Tensor:
    """The memory-efficient kernel of CUDA, which keeps no matrix of attention."""
    bias = as_bias(attn_mask, query).expand(*query.shape[:3], key.shape[2])
    mixed: Tensor = torch.ops.aten._scaled_dot_product_efficient_attention(
        query, key, value, bias, True, how.get("dropout_p", 0.0), False, scale=how.get("scale")
    )[0]
    return mixed


def as_bias(mask: Tensor, like: Tensor) -> Tensor:
    """What is added to logits, where attention was given what is seen."""
    if mask.dtype != torch.bool:
        return mask
    return torch.zeros_like(mask, dtype=like.dtype).masked_fill(~mask, float("-inf"))
