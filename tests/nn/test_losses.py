import math

import pytest
import torch
import torch.nn.functional as F

from untrimmed.nn.ops.losses import diou, giou, sigmoid_focal, softmax_focal


def test_focal_loss_without_focus_is_cross_entropy():
    logits, targets = torch.randn(3, 4), torch.rand(3, 4).round()
    loss = sigmoid_focal(logits, targets, alpha=0.5, gamma=0.0)
    wanted = F.binary_cross_entropy_with_logits(logits, targets, reduction="none") / 2
    assert torch.allclose(loss, wanted, atol=1e-6)


def test_focal_loss_of_a_coin_toss():
    loss = sigmoid_focal(torch.zeros(2), torch.tensor([1.0, 0.0]), alpha=0.25, gamma=2.0)
    assert loss.tolist() == pytest.approx([0.25 * 0.25 * math.log(2), 0.75 * 0.25 * math.log(2)])


def test_what_is_right_weighs_less_the_surer_it_is():
    loss = sigmoid_focal(torch.tensor([0.0, 1.0, 3.0]), torch.ones(3), gamma=2.0)
    entropy = -F.logsigmoid(torch.tensor([0.0, 1.0, 3.0]))
    assert (loss / entropy).diff().max() < 0


def test_several_classes_of_a_position_may_be_right():
    logits = torch.randn(1, 3)
    both = sigmoid_focal(logits, torch.tensor([[1.0, 1.0, 0.0]]))
    first = sigmoid_focal(logits, torch.tensor([[1.0, 0.0, 0.0]]))
    second = sigmoid_focal(logits, torch.tensor([[0.0, 1.0, 0.0]]))
    assert both[0].tolist() == [first[0, 0], second[0, 1], first[0, 2]]


@pytest.mark.parametrize("target", [0.0, 0.1, 1.0])
def test_focal_loss_and_its_gradient_are_finite_for_saturated_logits(target):
    logits = torch.tensor([-1e4, -90.0, 90.0, 1e4], requires_grad=True)
    loss = sigmoid_focal(logits, torch.full((4,), target))
    loss.sum().backward()
    assert loss.isfinite().all()
    assert logits.grad.isfinite().all()


def test_focal_loss_of_a_hopeless_miss_grows_with_the_logit():
    logits = torch.tensor([-200.0], requires_grad=True)
    loss = sigmoid_focal(logits, torch.ones(1), alpha=0.25)
    loss.sum().backward()
    assert loss.item() == pytest.approx(50)
    assert logits.grad.item() == pytest.approx(-0.25)


def test_gradient_of_the_focal_loss_is_right():
    logits = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    targets = torch.rand(2, 3, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: sigmoid_focal(x, targets, gamma=1.5), logits)


def test_a_hit_has_no_distance_loss():
    segments = torch.tensor([[2.0, 5.0], [-1.0, 40.0]])
    assert diou(segments, segments).abs().max() < 1e-6


def test_segments_apart_lose_by_the_distance_of_their_middles():
    loss = diou(torch.tensor([0.0, 2.0]), torch.tensor([6.0, 10.0]))
    assert loss.item() == pytest.approx(1 + 7**2 / 10**2, abs=1e-5)


def test_overlapping_segments_lose_by_both():
    loss = diou(torch.tensor([0.0, 4.0]), torch.tensor([2.0, 8.0]))
    assert loss.item() == pytest.approx(1 - 2 / 8 + 3**2 / 8**2, abs=1e-5)


def test_distance_loss_draws_segments_apart_together():
    segments = torch.tensor([[0.0, 2.0]], requires_grad=True)
    diou(segments, torch.tensor([[6.0, 10.0]])).sum().backward()
    assert segments.grad.sum() < 0


def test_distance_loss_of_segments_without_length_is_finite():
    segments = torch.tensor([[3.0, 3.0], [3.0, 3.0]], requires_grad=True)
    loss = diou(segments, torch.tensor([[3.0, 3.0], [1.0, 4.0]]))
    loss.sum().backward()
    assert loss[0] == 1
    assert segments.grad.isfinite().all()


def test_losses_of_nothing_are_a_differentiable_zero():
    segments = torch.zeros(0, 2, requires_grad=True)
    diou(segments, torch.zeros(0, 2)).sum().backward()
    assert segments.grad.shape == (0, 2)


def test_softmax_focal_loss_without_focus_is_cross_entropy_by_weight():
    logits, labels = torch.randn(5, 3), torch.tensor([0, 2, 1, 0, 2])
    loss = softmax_focal(logits, labels, alpha=0.25, gamma=0.0, eps=0.0)
    weight = torch.tensor([0.25, 0.75, 0.75, 0.25, 0.75])
    torch.testing.assert_close(loss, weight * F.cross_entropy(logits, labels, reduction="none"))


def test_softmax_focal_loss_of_a_coin_toss():
    loss = softmax_focal(torch.zeros(2, 2), torch.tensor([0, 1]), eps=0.0)
    assert loss.tolist() == pytest.approx([0.25 * 0.25 * math.log(2), 0.75 * 0.25 * math.log(2)])


def test_softmax_focal_loss_and_its_gradient_are_finite_for_saturated_logits():
    logits = torch.tensor([[1e4, 0.0], [0.0, 1e4], [-1e4, 0.0]], requires_grad=True)
    loss = softmax_focal(logits, torch.tensor([1, 1, 0]))
    loss.sum().backward()
    assert loss.isfinite().all()
    assert logits.grad.isfinite().all()


def test_giou_of_the_target_is_0_and_apart_it_grows_with_the_gap():
    target = torch.tensor([[10.0, 14.0]]).expand(4, 2)
    segments = torch.tensor([[10.0, 14.0], [12.0, 16.0], [15.0, 19.0], [90.0, 94.0]])
    wanted = [0.0, 1 - 2 / 6, 1 + 1 / 9, 1 + 76 / 84]
    assert giou(segments, target).tolist() == pytest.approx(wanted, abs=1e-6)


def test_giou_of_segments_without_length_is_1_with_a_finite_gradient():
    segments = torch.zeros(1, 2, requires_grad=True)
    loss = giou(segments, torch.zeros(1, 2))
    loss.sum().backward()
    assert loss.tolist() == [1]
    assert segments.grad.isfinite().all()
