import pytest
import torch
import torch.nn.functional as F

from untrimmed.nn.layers.padding import ceil_padded


@pytest.mark.parametrize("kernel", [1, 2, 3, 7])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [4, 5, 6, 7])
def test_positions_are_the_size_over_the_stride_rounded_up(size, stride, kernel):
    x = ceil_padded(torch.ones(1, 1, size), (kernel,), stride=(stride,))
    assert F.conv1d(x, torch.ones(1, 1, kernel), stride=stride).shape[-1] == -(-size // stride)


def test_of_an_odd_number_of_zeros_the_last_stands_behind():
    x = ceil_padded(torch.ones(1, 1, 6, 5), (3, 4), stride=(2, 1))
    assert x[0, 0, 0].tolist() == [0, 1, 1, 1, 1, 1, 0, 0]  # 3 beside
    assert x[0, 0, :, 1].tolist() == [1, 1, 1, 1, 1, 1, 0]  # 1 below


def test_nothing_is_padded_that_fits():
    x = torch.ones(1, 1, 6)
    assert ceil_padded(x, (2,), stride=(2,)) is x
