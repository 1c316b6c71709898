"""Join freshly encoded clips with remembered features.

TALLFormer encodes a few clips of a long video at each step and takes the others from a bank of
features computed earlier (Cheng & Bertasius, ECCV 2022, sec. 3.2).  This module joins the two.
It neither chooses the clips (`data.sampling`) nor keeps the features (`sources.bank`).

Shapes: B videos, M clips encoded now, C channels, K cells per clip, T cells.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from untrimmed.tensors import Padded


def splice(
    memory: Padded,
    fresh: Float[Tensor, "B M C K"],
    *,
    clips: Int64[Tensor, "B M"],
    shift: Int64[Tensor, " B"] | None = None,
) -> Padded:
    """Put fresh clips in the place of their remembered copies.

    The gradient reaches `fresh` alone: memory comes from earlier steps and has no graph.  With
    every clip fresh, as at inference, what is remembered has no influence.  Which cells are
    valid is known to the memory; fresh cells beyond the end of a video become zero.

    Args:
        memory: features of the whole window, values (B, C, T), in any precision.
        clips: place of each fresh clip in its window, in [0, T / K), without repeats in a row.
        shift: cells by which a window's clips begin earlier, in [0, K); place T / K is then a clip
            too.  What overhangs the window is dropped.

    Returns:
        Features of the whole window, values (B, C, T) in the dtype of `fresh`.

    Raises:
        ValueError: if T is not a whole number of clips, or the channels differ.

    Source: secs. 3.1 (sampled clips) and 3.2 (long memory module).
    """
    C, K = fresh.shape[2:]
    _, channels, T = memory.values.shape
    if T % K:
        raise ValueError(f"a window of {T} cells is not a whole number of clips of {K}")
    if channels != C:
        raise ValueError(f"a memory of {channels} channels, but fresh features of {C}")

    cells = (clips[:, :, None] * K + torch.arange(K, device=clips.device)).flatten(1)  # (B, MK)
    source = fresh.transpose(1, 2).flatten(2)  # (B, C, MK)
    values = memory.values.detach().to(fresh.dtype)
    if shift is None:
        return Padded.of(values.scatter(2, _for_all(cells, C), source), memory.valid)
    # Room for what overhangs, on both sides; cut off again.
    wide = F.pad(values, (K, K)).scatter(2, _for_all(cells - shift[:, None] + K, C), source)
    return Padded.of(wide[..., K : K + T], memory.valid)


def _for_all(cells: Int64[Tensor, "B n"], channels: int) -> Int64[Tensor, "B C n"]:
    return cells[:, None].expand(-1, channels, -1)
