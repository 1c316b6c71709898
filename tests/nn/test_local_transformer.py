"""ActionFormer's backbone: what it may see, and what it may not."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from untrimmed.nn.layers.attention import visible
from untrimmed.nn.protocols import Temporal
from untrimmed.nn.temporal.local_transformer import (
    Block,
    Embedding,
    LocalTransformer,
    add_positions,
)
from untrimmed.tensors import Padded, pad

CHANNELS, WIDTH, HEADS = 5, 6, 2


def backbone(*, windows=(5, 5, None), **settings):
    torch.manual_seed(0)
    embedding = Embedding([CHANNELS], WIDTH, blind=settings.get("blind", False))
    network = LocalTransformer(embedding, windows=windows, heads=HEADS, **settings)
    return awake(network)


def awake(network):
    """With norms and scales that do something, in float64."""
    for name, parameter in network.named_parameters():
        if name.endswith(("scale", "bias", "position")) or "norm" in name:
            nn.init.normal_(parameter)
    return network.double().eval()


@pytest.fixture
def x():
    torch.manual_seed(1)
    return pad([torch.randn(CHANNELS, T, dtype=torch.float64) for T in (40, 23)])


def block(*, stride, window=5, blind=False):
    torch.manual_seed(0)
    return awake(
        Block(
            WIDTH,
            stride=stride,
            window=window,
            heads=HEADS,
            relative=False,
            dropout=0.0,
            drop_path=0.1,
            blind=blind,
        )
    )


def reference(block, values):
    """A block for one video without padding, from PyTorch's own parts."""
    s, attention = block.stride, block.attention

    def cells(module, x):
        return module(x.mT).mT

    def norm(module, x):
        return F.layer_norm(x.mT, (WIDTH,), module.weight, module.bias).mT

    normed = norm(block.attention_norm, values)
    heads = []
    for part in (attention.query, attention.key, attention.value):
        kernel = part.conv.weight.shape[2]
        x = F.conv1d(normed, part.conv.weight, stride=s, padding=kernel // 2, groups=WIDTH)
        x = cells(part.linear, norm(part.norm, x))
        heads.append(x.unflatten(1, (HEADS, -1)).mT)  # (1, h, T, C / h)
    T = heads[0].shape[2]
    seen = visible(torch.ones(1, T, dtype=torch.bool), reach=attention.reach)
    mixed = F.scaled_dot_product_attention(*heads, attn_mask=seen).mT.flatten(1, 2)
    skip = values if s == 1 else F.max_pool1d(values, s + 1, stride=s, padding=(s + 1) // 2)
    y = skip + cells(attention.projection, mixed) * block.attention_branch.scale[:, None]
    hidden = F.gelu(cells(block.mlp.widen, norm(block.mlp_norm, y)))
    return y + cells(block.mlp.narrow, hidden) * block.mlp_branch.scale[:, None]


@pytest.mark.parametrize(("stride", "window"), [(1, 5), (2, 5), (4, 9), (2, None)])
def test_a_block_is_what_the_paper_says(stride, window):
    values = torch.randn(1, WIDTH, 24, dtype=torch.float64)
    part = block(stride=stride, window=window)
    torch.testing.assert_close(part(Padded.whole(values)).values, reference(part, values))


@pytest.mark.parametrize("T", [37, 38, 40])
def test_any_length_will_do(T):
    values = torch.randn(1, CHANNELS, T, dtype=torch.float64)
    pyramid = backbone()(Padded.whole(values))
    assert isinstance(backbone(), Temporal)
    assert pyramid.strides == backbone().strides == (1, 2, 4)
    assert [x.values.shape[-1] for x in pyramid.levels] == [T, -(-T // 2), -(-T // 4)]


def test_a_cell_is_valid_where_its_finer_one_is(x):
    levels = backbone()(x).levels
    assert [level.valid.sum(1).tolist() for level in levels] == [[40, 23], [20, 12], [10, 6]]
    for level in levels:
        assert (level.values.mT[~level.valid] == 0).all()


def longer(x, cells):
    return Padded(F.pad(x.values, (0, cells)), F.pad(x.valid, (0, cells)))


def test_blind_padding_changes_nothing(x):
    network = backbone(blind=True)
    for short, padded in zip(network(x).levels, network(longer(x, 8)).levels, strict=True):
        torch.testing.assert_close(padded.values[..., : short.values.shape[-1]], short.values)


def test_otherwise_padding_can_be_told_from_the_end_near_it_alone(x):
    network = backbone(windows=(5, 5))
    whole = Padded(x.values[:1], x.valid[:1])
    fine, padded = network(whole).levels[0].values, network(longer(whole, 8)).levels[0].values
    assert (fine[..., -1] - padded[..., 39]).abs().max() > 1e-3
    torch.testing.assert_close(fine[..., :24], padded[..., :24])


def test_batch_is_its_videos_one_by_one(x):
    network = backbone(blind=True)
    alone = network(Padded.whole(x.values[1:, :, :23])).levels
    for together, one in zip(network(x).levels, alone, strict=True):
        T = one.values.shape[-1]
        torch.testing.assert_close(together.values[1:, :, :T], one.values)


@pytest.mark.parametrize("blind", [True, False])
def test_padding_that_is_left_out_has_no_part_in_the_gradient(blind):
    torch.manual_seed(0)
    embedding = Embedding([128], 128, blind=blind)
    network = LocalTransformer(embedding, windows=(5, 5, None), heads=HEADS, blind=blind)
    exact = awake(network)
    network = copy.deepcopy(exact).float()
    x = pad([torch.randn(128, T) for T in (301, 90, 0)])
    upstream = [torch.randn(3, 128, cells) for cells in (301, 151, 76)]

    def slopes(network, x):
        levels = network(x).levels
        total = sum(
            (level.values * each).sum() for level, each in zip(levels, upstream, strict=True)
        )
        return torch.autograd.grad(total, list(network.parameters()))

    found = slopes(network, x)
    right = slopes(exact, Padded(x.values.double(), x.valid))
    for one, exactly in zip(found, right, strict=True):
        assert (one - exactly).norm() < 1e-3 * exactly.norm() + 1e-3


def test_what_moves_by_a_coarse_cell_is_found_moved():
    network = backbone(windows=(3, 3), stem_layers=1)
    pulse = torch.zeros(1, CHANNELS, 80, dtype=torch.float64)
    pulse[..., 38:41] = 1.0
    found = network(Padded.whole(pulse)).levels
    moved = network(Padded.whole(pulse.roll(4, 2))).levels
    for level, (a, b) in enumerate(zip(found, moved, strict=True)):
        step = 4 // 2**level
        inside = slice(12, -12)
        torch.testing.assert_close(b.values.roll(-step, 2)[..., inside], a.values[..., inside])


def test_a_long_video_is_computed_piece_by_piece_to_the_same_end():
    network = backbone(windows=(5, 7), blind=False)
    values = torch.randn(1, CHANNELS, 9001, dtype=torch.float64)
    x = longer(Padded.whole(values), 15)
    whole = network(x).levels
    with torch.no_grad():
        pieces = network(x).levels
    for a, b in zip(whole, pieces, strict=True):
        torch.testing.assert_close(a.values, b.values)


def test_sets_of_features_are_mapped_each_on_their_own():
    torch.manual_seed(0)
    embedding = Embedding([3, 2], WIDTH, project=[4, 2]).double()
    x = Padded.whole(torch.randn(1, 5, 7, dtype=torch.float64))
    before = embedding(x).values
    embedding.projections[1].weight.data.zero_()
    only_first = Padded.whole(x.values * torch.tensor([1, 1, 1, 0, 0])[:, None])
    torch.testing.assert_close(embedding(x).values, embedding(only_first).values)
    assert (before - embedding(x).values).abs().max() > 1e-3


def test_projections_must_be_as_many_as_sets_and_as_wide_as_the_network():
    with pytest.raises(ValueError, match=r"\(3, 2\) channels need as many projections"):
        Embedding([3, 2], WIDTH, project=[6])
    with pytest.raises(ValueError, match=r"6 wide, not \(4, 1\)"):
        Embedding([3, 2], WIDTH, project=[4, 1])


def test_positions_of_a_longer_video_are_those_of_the_table_stretched():
    x = pad([torch.zeros(4, 20, dtype=torch.float64), torch.zeros(4, 7, dtype=torch.float64)])
    table = add_positions(x, table_cells=20).values
    assert (table[1, :, 7:] == 0).all()
    torch.testing.assert_close(add_positions(x, table_cells=33).values[0], table[0])
    stretched = add_positions(x, table_cells=10).values[0]
    middles = (stretched[:, 1:-1:2] + stretched[:, 2::2]) / 2
    torch.testing.assert_close(middles, (table[0, :, :9] + table[0, :, 1:10]) / 2)


def test_under_autocast_results_are_those_of_float32_but_for_rounding(x):
    network = backbone().float()
    single = Padded(x.values.float(), x.valid)
    wanted = network(single).levels
    with torch.autocast("cpu", torch.bfloat16):
        found = network(single).levels
    for a, b in zip(found, wanted, strict=True):
        assert (a.values - b.values).norm() < 0.03 * b.values.norm()


def test_it_can_be_exported(x):
    network = backbone(windows=(5, 5))
    program = torch.export.export(_Levels(network), (x.values, x.valid), strict=False)
    for found, wanted in zip(program.module()(*x), network(x).levels, strict=True):
        torch.testing.assert_close(found, wanted.values)


class _Levels(nn.Module):
    """The network with tensors in and out."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, values, valid):
        return tuple(x.values for x in self.network(Padded(values, valid)).levels)


def test_factors_and_windows_without_a_middle_are_refused():
    with pytest.raises(ValueError, match="3 times coarser"):
        backbone(factor=3)
    with pytest.raises(ValueError, match="window of 4 cells has no middle"):
        block(stride=1, window=4)
