"""What is strongest around the start and around the end of each of many segments.

Boundary (max) pooling of AFSD (Lin et al., CVPR 2021, sec. 3.3), in plain PyTorch.

Shapes: B videos, C channels, T cells, N segments.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from untrimmed.tensors import Padded


def boundary_pool(x: Padded, windows: Float[Tensor, "B N 4"]) -> Float[Tensor, "B C N"]:
    """The maximum of the first half of the channels in one window, of the other half in another.

    A window is given by its first and last cell.  Both are truncated towards zero and moved into
    the valid part of the sequence; of a window that ends before it begins, the first cell is
    taken.  The gradient goes to the first of equal maxima, none to the windows.

    Memory is that of a few tensors of the size of `x` and of the result, whatever the windows;
    time grows with the logarithm of the widest.  Exported, memory is a few times as much, and of
    windows of more than 2^21 cells some are left out.

    Args:
        windows: first and last cell around the start, then around the end, of every segment.

    Raises:
        ValueError: if the number of channels is odd.
    """
    C = x.values.shape[1]
    if C % 2:
        raise ValueError(f"{C} channels do not divide into halves for start and end")
    inside = _inside(x, windows.trunc().long())  # (B, N, 4)
    if torch.compiler.is_exporting():  # how often a window doubles depends on the length
        return _maxima(x.values, inside)
    halves = zip(x.values.chunk(2, dim=1), inside.chunk(2, dim=-1), strict=True)
    pooled = [half.gather(2, _first_maximum(half.detach(), ends)) for half, ends in halves]
    return torch.cat(pooled, 1)


def boundary_windows(
    segments: Float[Tensor, "B N 2"], lengths: Float[Tensor, "B N"]
) -> Float[Tensor, "B N 4"]:
    """Windows around the boundaries of segments: a quarter of the length inwards, a tenth outwards.

    Both are at least a cell.  They are rounded to whole cells and may lie outside of the sequence;
    without a gradient.

    Args:
        segments: start and end, in cells.
        lengths: of the segments, as they are to be counted.

    Returns:
        First and last cell around the start, then around the end, as `boundary_pool` takes them.

    Source: Lin et al., CVPR 2021, sec. 3.3, with the bounds of the authors' code.
    """
    start, end = segments.detach().unbind(-1)
    inwards = (lengths.detach() / 4).clamp(min=1)
    outwards = (lengths.detach() / 10).clamp(min=1)
    sides = (start - outwards, start + inwards, end - inwards, end + outwards)
    return torch.stack(sides, -1).round()


def _inside(x: Padded, cells: Int64[Tensor, "B N 4"]) -> Int64[Tensor, "B N 4"]:
    """Cells moved to the nearest between the first and the last valid one of their video."""
    T = x.valid.shape[1]
    number = torch.arange(T, device=x.valid.device)
    first = torch.where(x.valid, number, T - 1).amin(1)
    last = torch.where(x.valid, number, 0).amax(1)
    return cells.clamp(min=first[:, None, None]).clamp(max=last[:, None, None])


@torch.no_grad()
def _first_maximum(
    values: Float[Tensor, "B C T"], ends: Int64[Tensor, "B N 2"]
) -> Int64[Tensor, "B C N"]:
    """Where in each window the first of its maxima is.

    A window of n cells is the union of two of w cells, w the largest power of two up to n: of
    windows of w cells from every cell the maxima are known, and those of 2 w cells follow.
    """
    B, C, T = values.shape
    first, last = ends[:, None].expand(B, C, -1, 2).unbind(-1)  # (B, C, N)
    length = (last - first + 1).clamp(min=1)
    place = torch.arange(T, device=values.device).expand(B, C, T)  # of the maximum from there on
    found = first
    width = 1
    while width <= T:
        front = place.gather(2, first)
        back = place.gather(2, (first + length - width).clamp(min=0))
        found = torch.where(length >= width, _stronger(values, front, back), found)
        if width < T:
            both = _stronger(values, place[..., :-width], place[..., width:])
            place = torch.cat([both, place[..., -width:]], 2)
        width *= 2
    return found


def _stronger(
    values: Float[Tensor, "B C T"], a: Int64[Tensor, "B C *N"], b: Int64[Tensor, "B C *N"]
) -> Int64[Tensor, "B C *N"]:
    """Of two cells the one with the greater value, the former if these are equal."""
    return torch.where(values.gather(2, b) > values.gather(2, a), b, a)


_SHARE = 8
_WIDTHS = tuple(_SHARE**level for level in range(7))


def _maxima(
    values: Float[Tensor, "B C T"], windows: Int64[Tensor, "B N 4"]
) -> Float[Tensor, "B C N"]:
    """The maximum of each window, by the same few operations whatever T is.

    A window is the union of eight of w cells, w the largest of `_WIDTHS` up to its length; those
    of 8 w cells from every cell are the maxima of eight of w cells.
    """
    B, C, T = values.shape
    share = torch.arange(_SHARE, device=values.device)
    place = torch.arange(T, device=values.device)[:, None]
    tables = [values]
    for width in _WIDTHS[:-1]:
        cells = (place + width * share).clamp(max=T - 1)  # (T, 8)
        tables.append(tables[-1][..., cells].amax(3))  # (B, C, T)

    first, last = windows.reshape(B, -1, 2, 2).transpose(1, 2).unbind(3)  # (B, 2, N), of halves
    length = (last - first + 1).clamp(min=1)
    widths = torch.tensor(_WIDTHS, device=values.device)
    level = (length[..., None] >= widths).sum(3) - 1
    width = widths[level]
    offsets = torch.minimum(width[..., None] * share, (length - width)[..., None])
    cells = (level * T + first)[..., None] + offsets  # (B, 2, N, 8)
    index = cells.flatten(2)[:, :, None].expand(-1, -1, C // 2, -1).flatten(1, 2)  # (B, C, 8N)
    return torch.cat(tables, 2).gather(2, index).reshape(B, C, -1, _SHARE).amax(3)
