"""Depth-wise convolution as shifted sums against the plain one."""

import pytest
import torch
import torch.nn.functional as F

from untrimmed.nn.ops.channelwise import convolve_channels


@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (3, 2), (5, 4), (7, 2), (5, 1)])
@pytest.mark.parametrize("T", [1, 2, 3, 4, 5, 13])
def test_results_and_gradients_are_those_of_conv1d(T, kernel, stride):
    torch.manual_seed(0)
    x = torch.randn(2, T, 4, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(4, kernel, dtype=torch.float64, requires_grad=True)
    y = convolve_channels(x, weight, stride=stride)
    wanted = F.conv1d(x.mT, weight[:, None], stride=stride, padding=kernel // 2, groups=4).mT
    torch.testing.assert_close(y, wanted)
    upstream = torch.randn_like(y)
    gradients = torch.autograd.grad(y, (x, weight), upstream)
    for found, right in zip(
        gradients, torch.autograd.grad(wanted, (x, weight), upstream), strict=True
    ):
        torch.testing.assert_close(found, right)


def test_weights_stay_in_their_precision():
    x = torch.randn(1, 5, 3).bfloat16()
    weight = torch.randn(3, 3, requires_grad=True)
    y = convolve_channels(x, weight)
    assert y.dtype == torch.bfloat16
    y.sum().backward()
    assert weight.grad.dtype == torch.float32
