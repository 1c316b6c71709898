"""Attention in a band against attention with a mask."""

import pytest
import torch
import torch.nn.functional as F

from untrimmed.nn.layers.attention import visible
from untrimmed.nn.layers.local_attention import local_attention

B, C, HEADS = 3, 6, 2
LENGTHS = (70, 41, 1)


def drawn(T, *, dtype=torch.float64):
    torch.manual_seed(0)
    qkv = [torch.randn(B, T, C, dtype=dtype, requires_grad=True) for _ in range(3)]
    valid = torch.arange(T) < torch.tensor(LENGTHS)[:, None].clamp(max=T)
    return qkv, valid


def dense(query, key, value, valid, *, reach, bias=None):
    """The same by a matrix of all pairs."""
    T = query.shape[1]
    heads = [x.unflatten(2, (HEADS, -1)).transpose(1, 2) for x in (query, key, value)]
    mask = visible(valid, reach=reach)
    if bias is not None:
        offset = torch.arange(T) - torch.arange(T)[:, None]
        mask = torch.where(mask, bias[:, (offset + reach).clamp(0, 2 * reach)], float("-inf"))
    return F.scaled_dot_product_attention(*heads, attn_mask=mask).transpose(1, 2).flatten(2)


@pytest.mark.parametrize("T", [70, 64, 96, 5])
@pytest.mark.parametrize("reach", [1, 4, 16, 21, 80])
def test_results_and_gradients_are_those_of_all_pairs_with_a_mask(T, reach):
    qkv, valid = drawn(T)
    upstream = torch.randn(B, T, C, dtype=torch.float64) * valid[..., None]
    found = local_attention(*qkv, valid, heads=HEADS, reach=reach)
    wanted = dense(*qkv, valid, reach=reach)
    torch.testing.assert_close(found[valid], wanted[valid])
    for mine, right in zip(
        torch.autograd.grad(found, qkv, upstream),
        torch.autograd.grad(wanted, qkv, upstream),
        strict=True,
    ):
        torch.testing.assert_close(mine, right)


def test_a_bias_is_that_of_its_distance_and_learns():
    qkv, valid = drawn(70)
    bias = torch.randn(HEADS, 7, dtype=torch.float64, requires_grad=True)
    found = local_attention(*qkv, valid, heads=HEADS, reach=3, bias=bias)
    wanted = dense(*qkv, valid, reach=3, bias=bias)
    torch.testing.assert_close(found[valid], wanted[valid])
    (mine,) = torch.autograd.grad(found[valid].square().sum(), bias)
    (right,) = torch.autograd.grad(wanted[valid].square().sum(), bias)
    torch.testing.assert_close(mine, right)


def test_no_gradient_reaches_padding_from_valid_cells():
    qkv, valid = drawn(70)
    local_attention(*qkv, valid, heads=HEADS, reach=5)[valid].sum().backward()
    assert all(x.grad[~valid].abs().max() == 0 for x in qkv)


def test_a_cell_that_sees_nothing_valid_is_finite():
    qkv, _ = drawn(70)
    nothing = torch.zeros(B, 70, dtype=torch.bool)
    out = local_attention(*qkv, nothing, heads=HEADS, reach=5)
    out.sum().backward()
    assert out.isfinite().all()
    assert all(x.grad.isfinite().all() for x in qkv)


def test_memory_grows_with_the_length_and_not_with_its_square():
    T = 200_000  # all pairs would be 40 GB of one byte each
    x = torch.ones(1, T, 2)
    out = local_attention(x, x, x, torch.ones(1, T, dtype=torch.bool), heads=1, reach=9)
    torch.testing.assert_close(out, x)


@pytest.mark.parametrize("with_bias", [False, True])
def test_in_bfloat16_results_and_gradients_are_right_to_its_rounding(with_bias):
    qkv, valid = drawn(70, dtype=torch.bfloat16)
    exact = [x.detach().double().requires_grad_() for x in qkv]
    bias = torch.randn(HEADS, 9, dtype=torch.float64) if with_bias else None
    rounded = None if bias is None else bias.bfloat16()
    found = local_attention(*qkv, valid, heads=HEADS, reach=4, bias=rounded)
    wanted = dense(*exact, valid, reach=4, bias=bias)
    assert found.isfinite().all()
    pairs = [(found[valid], wanted[valid])]
    pairs += zip(
        torch.autograd.grad(found[valid].float().square().sum(), qkv),
        torch.autograd.grad(wanted[valid].square().sum(), exact),
        strict=True,
    )
    for mine, right in pairs:
        assert (mine.double() - right).norm() < 0.02 * right.norm()
