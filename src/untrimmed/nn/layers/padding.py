"""Zeros around a map as TensorFlow has them, for weights that were trained there.

Shapes: N pictures or clips, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor


def ceil_padded(x: Tensor, kernel: Sequence[int], *, stride: Sequence[int]) -> Tensor:
    """A map (N, C, ...) with so many zeros that ceil(size / stride) positions come of each side.

    Of an odd number of zeros the last one stands behind.

    Args:
        kernel, stride: of the convolution that follows, a number for every side.
    """
    around: list[int] = []
    for size, wide, step in zip(reversed(x.shape[2:]), kernel[::-1], stride[::-1], strict=True):
        zeros = max(wide - (size % step or step), 0)
        around += (zeros // 2, zeros - zeros // 2)
    return F.pad(x, around) if any(around) else x
