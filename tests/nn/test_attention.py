"""Attention and what it may see."""

import pytest
import torch
from torch import nn

from untrimmed.nn.layers.attention import Attention, visible


def test_a_cell_sees_valid_cells_within_reach():
    valid = torch.tensor([[True, True, True, True, False]])
    seen = visible(valid, reach=1)[0, 0].int().tolist()
    assert seen == [
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [0, 1, 1, 1, 0],
        [0, 0, 1, 1, 0],
        [0, 0, 0, 1, 1],
    ]


def test_a_cell_of_the_padding_sees_itself():
    assert torch.equal(visible(torch.zeros(1, 3, dtype=torch.bool))[0, 0], torch.eye(3).bool())


def test_attention_is_that_of_torch():
    torch.manual_seed(0)
    ours = Attention(6, heads=3)
    theirs = nn.MultiheadAttention(6, 3, batch_first=True)
    theirs.in_proj_weight, theirs.in_proj_bias = ours.qkv.weight, ours.qkv.bias
    theirs.out_proj.weight, theirs.out_proj.bias = ours.projection.weight, ours.projection.bias
    x = torch.randn(2, 5, 6)
    seen = visible(torch.ones(2, 5, dtype=torch.bool), reach=1)
    wanted, _ = theirs(x, x, x, attn_mask=~seen[0, 0])
    torch.testing.assert_close(ours(x, visible=seen), wanted)


def test_bias_is_added_to_the_logits_of_its_head():
    torch.manual_seed(0)
    attention = Attention(6, heads=2)
    x = torch.randn(1, 4, 6)
    seen = visible(torch.ones(1, 4, dtype=torch.bool))
    bias = torch.zeros(2, 4, 4)
    bias[1] = torch.where(visible(seen[:, 0, 0], reach=0)[0, 0], 0.0, -1e4)  # head 1 sees itself
    attention.projection = nn.Identity()
    out = attention(x, visible=seen, bias=bias)
    value = attention.qkv(x)[..., 12:]
    torch.testing.assert_close(out[..., 3:], value[..., 3:])
    torch.testing.assert_close(out[..., :3], attention(x, visible=seen)[..., :3])


def test_channels_that_do_not_divide_into_heads_are_refused():
    with pytest.raises(ValueError, match="7 channels do not divide into 2 heads"):
        Attention(7, heads=2)
