import pytest
import torch
import torch.nn.functional as F

from untrimmed.nn.layers.conv import Conv
from untrimmed.nn.layers.row import Row
from untrimmed.tensors import Padded

B, C, D = 2, 3, 4
LENGTHS = (7, 4, 1)


def levels():
    torch.manual_seed(0)
    return [Padded.whole(torch.randn(B, C, T)) for T in LENGTHS]


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_a_convolution_of_the_row_is_that_of_every_level(kernel):
    conv = Conv(C, D, kernel=kernel)
    row = Row.of(levels(), gap=kernel // 2)
    for found, level in zip(row.levels(conv(row.sequence).values), levels(), strict=True):
        assert torch.allclose(found, conv(level).values, atol=1e-6)


def test_levels_come_back_as_they_were():
    row = Row.of(levels(), gap=2)
    for found, level in zip(row.levels(row.sequence.values), levels(), strict=True):
        assert torch.equal(found, level.values)


def test_between_levels_nothing_is_valid_or_inside():
    row = Row.of(levels(), gap=2)
    assert (
        row.inside.tolist()
        == [*[True] * 7, *[False] * 2, *[True] * 4, *[False] * 2, True] + [False] * 2
    )
    assert torch.equal(row.sequence.valid, row.inside.expand(B, -1))


def test_padding_of_a_level_is_inside_but_not_valid():
    short = [Padded(F.pad(x.values, (0, 2)), F.pad(x.valid, (0, 2))) for x in levels()]
    row = Row.of(short, gap=1)
    assert row.inside.sum() == sum(LENGTHS) + 2 * len(LENGTHS)
    assert row.sequence.valid.sum() == B * sum(LENGTHS)
