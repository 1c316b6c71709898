"""Fresh clips in remembered features."""

import pytest
import torch

from untrimmed.nn.splice import splice
from untrimmed.tensors import Padded

B, C, T, K = 2, 3, 12, 4


@pytest.fixture
def memory():
    return Padded(torch.zeros(B, C, T), torch.ones(B, T, dtype=torch.bool))


def test_only_the_chosen_clips_change(memory):
    out = splice(memory, torch.ones(B, 1, C, K), clips=torch.tensor([[0], [2]]))
    assert out.values[0, 0].tolist() == [1] * 4 + [0] * 8
    assert out.values[1, 0].tolist() == [0] * 8 + [1] * 4


def test_cells_and_channels_of_a_clip_keep_their_order(memory):
    fresh = torch.arange(B * 2 * C * K, dtype=torch.float32).reshape(B, 2, C, K)
    out = splice(memory, fresh, clips=torch.tensor([[2, 1], [0, 2]]))
    assert torch.equal(out.values[0, :, 8:12], fresh[0, 0])
    assert torch.equal(out.values[0, :, 4:8], fresh[0, 1])
    assert torch.equal(out.values[1, :, 8:12], fresh[1, 1])


def test_gradient_reaches_fresh_clips_alone(memory):
    remembered = memory.values.requires_grad_()
    fresh = torch.ones(B, 2, C, K, requires_grad=True)
    splice(memory, fresh, clips=torch.tensor([[0, 1], [2, 0]])).values.sum().backward()
    assert remembered.grad is None
    assert torch.equal(fresh.grad, torch.ones_like(fresh))


def test_padding_stays_zero(memory):
    memory.valid[1, 10:] = False
    out = splice(memory, torch.ones(B, 1, C, K), clips=torch.tensor([[2], [2]]))
    assert out.values[1, :, 10:].abs().max() == 0
    assert out.values[1, :, 8:10].min() == 1


def test_all_clips_fresh_forgets_memory(memory):
    stale = memory._replace(values=torch.full((B, C, T), torch.nan))
    fresh = torch.rand(B, 3, C, K)
    out = splice(stale, fresh, clips=torch.tensor([[2, 0, 1]] * B))
    assert torch.equal(out.values[..., 8:12], fresh[:, 0])
    assert out.values.isfinite().all()


def test_memory_is_not_written(memory):
    splice(memory, torch.ones(B, 1, C, K), clips=torch.tensor([[0], [0]]))
    assert memory.values.abs().max() == 0


def test_without_fresh_clips_memory_comes_back(memory):
    memory.values.normal_()
    out = splice(memory, torch.ones(B, 0, C, K), clips=torch.zeros(B, 0, dtype=torch.int64))
    assert torch.equal(out.values, memory.values)


def test_half_precision_memory_takes_the_precision_of_the_network(memory):
    half = memory._replace(values=torch.full((B, C, T), 0.5, dtype=torch.float16))
    fresh = torch.full((B, 1, C, K), 1 / 3)
    out = splice(half, fresh, clips=torch.tensor([[0], [0]]))
    assert torch.equal(out.values[..., :4], fresh[:, 0])
    assert out.values[..., 4:].unique().tolist() == [0.5]


def test_shifted_clips_begin_earlier_and_lose_what_overhangs(memory):
    fresh = torch.arange(1.0, 1 + B * 2 * K).reshape(B, 2, 1, K).expand(B, 2, C, K)
    out = splice(memory, fresh, clips=torch.tensor([[0, 3], [1, 2]]), shift=torch.tensor([3, 1]))
    assert out.values[0, 2].tolist() == [4, 0, 0, 0, 0, 0, 0, 0, 0, 5, 6, 7]
    assert out.values[1, 2].tolist() == [0, 0, 0, 9, 10, 11, 12, 13, 14, 15, 16, 0]


def test_no_gradient_comes_from_what_overhangs(memory):
    fresh = torch.ones(B, 1, C, K, requires_grad=True)
    shift = torch.tensor([3, 0])
    splice(memory, fresh, clips=torch.tensor([[0], [2]]), shift=shift).values.sum().backward()
    assert fresh.grad[0, 0, 0].tolist() == [0, 0, 0, 1]
    assert fresh.grad[1, 0, 0].tolist() == [1, 1, 1, 1]


def test_partial_clip_is_refused(memory):
    with pytest.raises(ValueError, match="12 cells is not a whole number of clips of 5"):
        splice(memory, torch.ones(B, 1, C, 5), clips=torch.tensor([[0], [0]]))


def test_memory_of_another_encoder_is_refused(memory):
    with pytest.raises(ValueError, match="memory of 3 channels, but fresh features of 2"):
        splice(memory, torch.ones(B, 1, 2, K), clips=torch.tensor([[0], [0]]))
