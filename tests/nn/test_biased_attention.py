import pytest
import torch
import torch.nn.functional as F

from untrimmed.nn.ops.biased_attention import attend, attend_in_parts

H, D = 3, 4


@pytest.mark.parametrize("scale", [0.5, 0.3, -0.2])
@pytest.mark.parametrize(("N", "T"), [(2, 5), (5, 300), (2, 600)])  # in one part, windows, heads
def test_parts_give_what_the_fused_kernel_gives(N, T, scale):
    query, key, value = torch.randn(3, N, T, H, D, dtype=torch.float64).transpose(2, 3)
    bias = torch.randn(H, T, T, dtype=torch.float64)
    bias[:, 0, 1:] = -100
    fused = F.scaled_dot_product_attention(query, key, value, bias[None], scale=scale)
    parts = attend_in_parts(query, key, value, bias=bias, scale=scale)
    torch.testing.assert_close(parts, fused, rtol=0, atol=1e-12)


@pytest.mark.parametrize("times", [1, 30, 1000])
@pytest.mark.parametrize("sign", [1, -1])
@torch.no_grad()
def test_logits_may_be_of_any_size(times, sign):
    """A key is its query, so that the logits of a position with itself are the largest or least."""
    query, value = torch.randn(2, 2, H, 7, D).bfloat16()
    key, bias = sign * times * query, torch.zeros(H, 7, 7).bfloat16()
    found = attend(query, key, value, bias=bias, scale=None)
    query, key, value = query.double(), key.double(), value.double()
    wanted = F.scaled_dot_product_attention(query, key, value)
    torch.testing.assert_close(found.double(), wanted, rtol=0.03, atol=0.03)


@pytest.mark.parametrize("size", [-200.0, 200.0])
@torch.no_grad()
def test_a_bias_may_be_of_any_size(size):
    query, key, value = torch.randn(3, 2, H, 7, D).bfloat16()
    bias = torch.full((H, 7, 7), size).bfloat16()
    found = attend(0 * query, key, value, bias=bias, scale=None)
    wanted = value.double().mean(2, keepdim=True).expand_as(value)
    torch.testing.assert_close(found.double(), wanted, rtol=0.03, atol=0.03)


@torch.no_grad()
def test_a_pair_that_is_not_to_be_seen_does_not_count():
    query, key, value = torch.randn(3, 1, H, 7, D).bfloat16()
    bias = torch.full((H, 7, 7), -100.0).bfloat16()
    bias.diagonal(dim1=1, dim2=2).zero_()
    found = attend(query, key, value, bias=bias, scale=None)
    torch.testing.assert_close(found, value)


def test_the_gradient_is_that_of_the_fused_kernel():
    query, key, value = torch.randn(3, 2, H, 7, D).bfloat16()
    query.requires_grad_()
    bias = torch.randn(H, 7, 7).bfloat16()
    attend(query, key, value, bias=bias, scale=None).sum().backward()
    found, query.grad = query.grad, None
    F.scaled_dot_product_attention(query, key, value, bias[None]).sum().backward()
    assert torch.equal(found, query.grad)
