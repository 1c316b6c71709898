"""Convolution with fewer multiplications against the plain one."""

import pytest
import torch
import torch.nn.functional as F

from untrimmed.nn.ops.winograd import convolve, suits

C, D = 6, 5


def plain(x, weight, bias):
    return F.conv1d(x.mT, weight, bias, padding=1).mT


def drawn(T, *, B=2):
    torch.manual_seed(0)
    tensors = (torch.randn(B, T, C), torch.randn(D, C, 3), torch.randn(D), torch.randn(B, T, D))
    *parts, upstream = tensors
    return [part.requires_grad_() for part in parts], upstream


@pytest.mark.parametrize("T", [1, 2, 3, 4, 5, 11, 2303, 2306])
def test_results_and_gradients_are_those_of_conv1d(T):
    parts, upstream = drawn(T)
    exact = [part.detach().double().requires_grad_() for part in parts]
    y, wanted = convolve(*parts), plain(*exact)
    torch.testing.assert_close(y, wanted.float(), atol=1e-4, rtol=1e-5)
    gradients = torch.autograd.grad(y, parts, upstream)
    for found, right in zip(
        gradients, torch.autograd.grad(wanted, exact, upstream.double()), strict=True
    ):
        scale = float(right.abs().max())
        torch.testing.assert_close(found / scale, right.float() / scale, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("T", [1, 2, 3, 7, 2305])
def test_in_half_precision_the_error_is_at_most_thrice_that_of_rounding(T):
    parts, upstream = drawn(T)
    halves = [part.detach().bfloat16().requires_grad_() for part in parts]
    exact = [half.detach().double().requires_grad_() for half in halves]
    y, wanted = convolve(*halves), plain(*exact)
    assert y.dtype == torch.bfloat16
    gradients = torch.autograd.grad(y, halves, upstream.bfloat16())
    right = torch.autograd.grad(wanted, exact, upstream.bfloat16().double())
    for found, exactly in zip((y, *gradients), (wanted, *right), strict=True):
        assert (found - exactly).norm() < 3 * 2**-9 * exactly.norm()


@pytest.mark.parametrize("parts", [[(0, 5)], [(7, 90), (200, 203), (205, 301)], [(300, 301)], []])
def test_where_nothing_is_wanted_it_is_zero_and_has_no_gradient(parts):
    (x, weight, bias), upstream = drawn(301)
    kept = torch.ones(2, 301, dtype=torch.bool)
    kept[1] = False
    for first, stop in parts:
        kept[1, first:stop] = True
    y = convolve(x, weight, bias, kept=kept)
    wanted = plain(x, weight, bias) * kept[..., None]
    torch.testing.assert_close(y, wanted, atol=1e-4, rtol=1e-5)
    assert (y[~kept] == 0).all()
    leaves = (x, weight, bias)
    found, right = (torch.autograd.grad(each, leaves, upstream) for each in (y, wanted))
    torch.testing.assert_close(found, right, atol=1e-3, rtol=1e-5)


def test_layout_of_the_input_does_not_matter():
    (x, weight, bias), _ = drawn(9)
    other = x.mT.contiguous().mT
    assert torch.equal(convolve(other, weight, bias), convolve(x, weight, bias))


def test_no_gradient_is_asked_for_where_none_is_wanted():
    (x, weight, _), upstream = drawn(5)
    convolve(x.detach(), weight, None).backward(upstream)
    assert weight.grad is not None


def test_it_suits_wide_convolutions_over_three_cells_alone():
    x = torch.zeros(1, 4, 128)
    assert suits(x, torch.zeros(128, 128, 3))
    assert not suits(x, torch.zeros(128, 128, 5))
    assert not suits(x, torch.zeros(127, 128, 3))
    assert not suits(x.double(), torch.zeros(128, 128, 3))


def test_a_second_derivative_is_refused():
    x, weight = torch.rand(1, 9, 128, requires_grad=True), torch.rand(128, 128, 3)
    y = convolve(x, weight.requires_grad_(), None)
    (slope,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()
