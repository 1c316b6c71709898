"""Maxima around the boundaries of segments."""

import pytest
import torch

from untrimmed.nn.ops.boundary_pooling import boundary_pool, boundary_windows
from untrimmed.tensors import Padded, pad

B, C, T, N = 2, 6, 37, 50


@pytest.fixture
def values():
    torch.manual_seed(0)
    return torch.randn(B, C, T, requires_grad=True)


@pytest.fixture
def windows():
    torch.manual_seed(1)
    return torch.randint(-9, T + 9, (B, N, 4)).float()


def by_loops(x, windows):
    """The same, window by window."""
    pooled = torch.zeros(len(x), x.shape[1], windows.shape[1])
    for b in range(len(x)):
        for n in range(windows.shape[1]):
            for c in range(x.shape[1]):
                side = 2 * (c >= x.shape[1] // 2)
                first, last = windows[b, n, side : side + 2].long().clamp(0, x.shape[2] - 1)
                pooled[b, c, n] = x[b, c, first : max(first, last) + 1].max()
    return pooled


def test_maxima_are_those_of_the_windows(values, windows):
    pooled = boundary_pool(Padded.whole(values), windows)
    assert torch.equal(pooled, by_loops(values.detach(), windows))


@pytest.mark.parametrize("length", [1, 2, 3, 8, 16, 31])
def test_lengths_around_powers_of_two_lose_no_cell(length):
    rising = torch.arange(32.0).expand(1, 2, 32)
    for values in (rising, rising.flip(2)):
        for first in range(32 - length + 1):
            ends = torch.tensor([first, first + length - 1]).repeat(2)
            pooled = boundary_pool(Padded.whole(values.contiguous()), ends[None, None].float())
            assert (pooled == values[..., first : first + length].max()).all()


def test_the_gradient_goes_to_the_maximum(values, windows):
    boundary_pool(Padded.whole(values), windows).sum().backward()
    ours = values.grad.clone()
    values.grad = None
    rows = []
    for b in range(B):
        for n in range(N):
            for half, side in ((slice(0, C // 2), 0), (slice(C // 2, C), 2)):
                first, last = windows[b, n, side : side + 2].long().clamp(0, T - 1)
                rows.append(values[b, half, first : max(first, last) + 1].amax(-1).sum())
    torch.stack(rows).sum().backward()
    torch.testing.assert_close(ours, values.grad)


def test_of_equal_maxima_the_first_gets_the_gradient():
    values = torch.tensor([[[1.0, 5, 2, 5, 5, 0], [3, 3, 3, 3, 3, 3]]], requires_grad=True)
    windows = torch.tensor([[[0.0, 5, 1, 4], [2, 5, 0, 5]]])
    boundary_pool(Padded.whole(values), windows).sum().backward()
    assert values.grad.tolist() == [[[0, 1, 0, 1, 0, 0], [1, 1, 0, 0, 0, 0]]]


def test_a_window_that_ends_before_it_begins_is_its_first_cell():
    values = torch.tensor([[[4.0, 7, 1, 9], [2, 8, 6, 3]]])
    windows = torch.tensor([[[2.0, 0, 3, 1]]])
    assert boundary_pool(Padded.whole(values), windows).tolist() == [[[1], [3]]]


def test_bounds_are_truncated_towards_zero():
    values = torch.tensor([[[4.0, 1, 2, 3], [0, 1, 2, 3]]])
    windows = torch.tensor([[[-0.9, 0.9, 1.9, 2.9]]])
    assert boundary_pool(Padded.whole(values), windows).tolist() == [[[4], [2]]]


def test_padding_changes_nothing(windows):
    torch.manual_seed(2)
    sequences = [torch.randn(C, T) - 5, torch.randn(C, 12) - 5]  # padding would be greater
    short, longer = (boundary_pool(pad(sequences, length=T + more), windows) for more in (0, 7))
    assert torch.equal(short, longer)
    alone = boundary_pool(Padded.whole(sequences[1][None]), windows[1:])
    assert torch.equal(short[1:], alone)


def test_windows_before_the_first_valid_cell_are_moved_to_it():
    values = torch.tensor([[[0.0, 0, -3, -2], [0, 0, -7, -9]]])
    valid = torch.tensor([[False, False, True, True]])
    windows = torch.tensor([[[0.0, 1, 0, 5]]])
    assert boundary_pool(Padded(values, valid), windows).tolist() == [[[-3], [-7]]]


def test_no_tensor_grows_with_the_widths_of_the_windows():
    T, C, N = 256, 4, 64
    largest = 0

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            nonlocal largest
            result = function(*args, **(kwargs or {}))
            if isinstance(result, torch.Tensor):
                largest = max(largest, result.untyped_storage().nbytes())
            return result

    windows = torch.tensor([0.0, T - 1, 0, T - 1]).expand(1, N, 4)
    with Watch():
        boundary_pool(Padded.whole(torch.randn(1, C, T)), windows)
    assert 0 < largest <= 8 * C * T


def test_an_odd_number_of_channels_is_refused():
    with pytest.raises(ValueError, match="5 channels do not divide into halves"):
        boundary_pool(Padded.whole(torch.randn(1, 5, 3)), torch.zeros(1, 2, 4))


def test_windows_reach_a_quarter_inwards_and_a_tenth_outwards():
    segments = torch.tensor([[[100.0, 140.0], [5.2, 6.2]]])
    windows = boundary_windows(segments, segments[..., 1] - segments[..., 0])
    assert windows.tolist() == [[[96, 110, 130, 144], [4, 6, 5, 7]]]


def test_windows_have_no_gradient():
    segments = torch.tensor([[[1.0, 9.0]]], requires_grad=True)
    assert not boundary_windows(segments, segments[..., 1]).requires_grad


@pytest.mark.parametrize("length", [1, 7, 8, 9, 63, 64, 65, 600])
def test_exported_maxima_are_the_same_at_every_length(length):
    class Pool(torch.nn.Module):
        def forward(self, values, windows):
            return boundary_pool(Padded.whole(values), windows)

    sizes = {"values": {2: torch.export.Dim("T", min=1, max=900)}, "windows": None}
    program = torch.export.export(
        Pool(), (torch.randn(1, C, T), torch.zeros(1, N, 4)), dynamic_shapes=sizes
    )
    torch.manual_seed(length)
    values = torch.randn(1, C, length)
    windows = torch.randint(-9, length + 9, (1, N, 4)).float()
    windows[0, :2] = torch.tensor([0, length - 1, 5, 3])
    pooled = program.module()(values, windows)
    assert torch.equal(pooled, by_loops(values, windows))
