"""Softmax attention of short sequences with a bias of every pair, by the faster of two ways.

One is PyTorch's fused kernel.  The other makes products of matrices of it, a few heads at a time,
for CPUs in bfloat16: for these the kernel is written with matrix units (AMX) in mind.

Shapes: N sequences, H heads, T positions, D channels of a head.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

_LOGITS = 2**21
"""At a time, or one head: in bfloat16 4 MiB, 2 for each of two threads."""

_LARGEST = 2.0**24
"""Sum of a position's weights, and the inverse of the smallest: a logit of 24 to the base of 2
is rounded by a sixteenth in bfloat16, and as uncertain by the rounding of queries and keys."""

_LOG2_E = math.log2(math.e)


def attend(
    query: Float[Tensor, "N H T D"],
    key: Float[Tensor, "N H T D"],
    value: Float[Tensor, "N H T D"],
    *,
    bias: Float[Tensor, "H T T"],
    scale: float | None,
) -> Float[Tensor, "N H T D"]:
    """Average the values of a sequence by softmax(query key' scale + bias).

    Args:
        bias: of every pair of positions.
        scale: D ** -0.5 if not given.
    """
    factor = query.shape[-1] ** -0.5 if scale is None else scale
    if _is_better_in_parts(query):
        mixed = attend_in_parts(query, key, value, bias=bias, scale=factor)
        if mixed is not None:
            return mixed
    return F.scaled_dot_product_attention(query, key, value, attn_mask=bias[None], scale=factor)


def attend_in_parts(
    query: Float[Tensor, "N H T D"],
    key: Float[Tensor, "N H T D"],
    value: Float[Tensor, "N H T D"],
    *,
    bias: Float[Tensor, "H T T"],
    scale: float,
) -> Float[Tensor, "N H T D"] | None:
    """The same for logits of moderate size, which have the dtype of the input; no gradient.

    Their maximum is not subtracted, which changes nothing but overflows, and what is divided by
    the sum of the weights is not these but what they have mixed.  None where the logits turn out
    to be too large, all of a position too small, or not numbers.
    """
    N, H, T, D = query.shape
    query, key, value = query.contiguous(), key.contiguous(), value.contiguous()
    # Positions before heads in memory, as the fused kernel leaves them.
    mixed = query.new_empty(N, T, H, D).transpose(1, 2)
    at_once = max(1, _LOGITS // T**2)
    heads = min(H, at_once)
    sequences = at_once // heads
    room = query.new_empty(min(at_once, N * H), T, T)
    smallest_sums, largest_sums = [], []
    for first in range(0, N, sequences):
        for head in range(0, H, heads):
            part = slice(first, first + sequences), slice(head, head + heads)
            q, k, v = (x[part].flatten(0, 1) for x in (query, key, value))  # (at_once, T, D)
            logits = room[: len(q)]
            logits.view(-1, *bias[part[1]].shape).copy_(bias[part[1]])
            logits.baddbmm_(q, k.mT, beta=_LOG2_E, alpha=scale * _LOG2_E)
            weights = logits.exp2_()  # several times as fast as exp
            sums = weights.sum(-1, keepdim=True)
            out = mixed[part]
            torch.div(torch.bmm(weights, v).view(out.shape), sums.view(*out.shape[:3], 1), out=out)
            smallest, largest = torch.aminmax(sums)
            smallest_sums.append(smallest)
            largest_sums.append(largest)
    smallest, largest = torch.stack(smallest_sums).amin(), torch.stack(largest_sums).amax()
    if not (smallest > 1 / _LARGEST and largest < _LARGEST):  # NaN is neither
        return None
    return mixed


def _is_better_in_parts(query: Tensor) -> bool:
    """Whether the fused kernel takes longer: on a CPU in bfloat16, by two fifths."""
    if query.dtype != torch.bfloat16 or query.device.type != "cpu" or torch.is_grad_enabled():
        return False
    # How the two compare where there are matrix units was not measured.
    return not torch.cpu.get_capabilities().get("amx_bf16", False)
