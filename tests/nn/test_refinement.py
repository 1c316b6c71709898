"""What points learn that guess segments and correct them."""

import math

import pytest
import torch

from untrimmed.nn.ops.refinement import (
    Guesses,
    Points,
    around,
    boundary_losses,
    boundary_maps,
    lesson,
    point_losses,
)

P, K = 7, 2


def points(near=0.0, far=100.0):
    """At 5, 15, 25, ..."""
    places = 10 * torch.arange(P) + 5.0
    return Points(places, torch.full_like(places, near), torch.full_like(places, far))


def guesses(distances=None, *, valid=None):
    torch.manual_seed(0)
    return Guesses(
        torch.full((P, 2), 4.0) if distances is None else distances,
        torch.randn(P, K + 1),
        torch.randn(P, 2),
        torch.randn(P, K + 1),
        torch.randn(P),
        torch.ones(P, dtype=torch.bool) if valid is None else valid,
    )


def learn(actions, *, labels=None, refined_iou=0.6, said=None, where=None):
    actions = torch.tensor(actions, dtype=torch.float32).reshape(-1, 2)
    labels = torch.zeros(len(actions)).long() if labels is None else torch.tensor(labels)
    said = guesses() if said is None else said
    return lesson(where or points(), said, actions, labels, refined_iou=refined_iou)


def test_points_inside_of_an_action_find_it_its_ends_included():
    learned = learn([[15.0, 45.0]], labels=[1])
    assert learned.labels.tolist() == [0, 2, 2, 2, 2, 0, 0]
    assert learned.distances[1].tolist() == [0, 30]
    assert learned.distances[3].tolist() == [20, 10]


def test_of_several_actions_the_shortest_is_found_and_of_equals_the_first():
    learned = learn([[0.0, 50.0], [20.0, 40.0], [20.0, 40.0]], labels=[0, 1, 0])
    assert learned.labels.tolist() == [1, 1, 2, 2, 1, 0, 0]


def test_the_farther_end_is_above_the_one_bound_and_up_to_the_other():
    where = points(near=15.0, far=25.0)
    learned = learn([[10.0, 40.0]], where=where)  # farther ends of 15, 25, 35: 25, 15, 25
    assert learned.labels.tolist() == [0, 1, 0, 1, 0, 0, 0]


def test_points_that_are_not_valid_find_nothing():
    valid = torch.tensor([True, True, False, True, True, True, True])
    learned = learn([[10.0, 40.0]], said=guesses(valid=valid))
    assert learned.labels.tolist() == [0, 1, 0, 1, 0, 0, 0]


def test_without_actions_everything_is_background():
    learned = learn([])
    assert learned.labels.tolist() == learned.refined_labels.tolist() == [0] * P


def test_good_guesses_are_corrected():
    distances = torch.full((P, 2), 1.0)
    distances[1], distances[2], distances[3] = (
        torch.tensor(x) for x in ([5.0, 19], [9.0, 14], [1.0, 1])
    )
    learned = learn([[10.0, 40.0]], said=guesses(distances))  # IoU 24/30, 23/30, 2/30
    assert learned.labels.tolist() == [0, 1, 1, 1, 0, 0, 0]
    assert learned.refined_labels.tolist() == [0, 1, 1, 0, 0, 0, 0]


def test_if_no_guess_is_good_the_best_are_corrected():
    distances = torch.full((P, 2), 1.0)
    distances[2] = torch.tensor([3.0, 4.0])
    learned = learn([[10.0, 40.0]], said=guesses(distances))
    assert learned.refined_labels.tolist() == [0, 0, 1, 0, 0, 0, 0]


def losses(said, learned, *, quality_moves=True):
    return point_losses(said, learned, alpha=0.25, gamma=2.0, quality_moves=quality_moves)


def exact(learned):
    """Guesses that say what they learn, wherever there is anything to learn."""
    found = learned.labels > 0
    logits = 50 * torch.nn.functional.one_hot(learned.labels, K + 1).float()
    return Guesses(
        torch.where(found[:, None], learned.distances, 1.0),
        logits,
        torch.zeros(P, 2),
        logits,
        torch.full((P,), 50.0),
        torch.ones(P, dtype=torch.bool),
    )


def test_who_says_what_it_learns_has_no_loss():
    learned = learn([[10.0, 40.0]], said=exact(learn([[10.0, 40.0]])))
    for name, value in losses(exact(learned), learned).items():
        assert float(value) == pytest.approx(0, abs=1e-5), name


def test_offsets_are_measured_in_halves_of_the_guess():
    learned = learn([[10.0, 40.0]], said=exact(learn([[10.0, 40.0]])))
    said = exact(learned)._replace(distances=learned.distances.clone())
    said.distances[1] = torch.tensor([5.0, 15.0])  # lacks 10 of half a length of 10
    said = said._replace(offsets=torch.tensor([[0.0, 1.0]]).expand(P, 2))
    only = torch.zeros(P).long()
    only[1] = 1
    learned = learned._replace(labels=only, refined_labels=only)
    assert torch.equal(said.corrected[1], learned.distances[1])
    assert float(losses(said, learned)["refined_regression"]) == 0


def test_sums_are_divided_by_how_many_find_or_correct():
    said = guesses()
    one = learn([[10.0, 20.0]], said=said)
    assert int((one.labels > 0).sum()) == 1
    many = one._replace(labels=torch.ones(P).long(), refined_labels=torch.tensor([1, 1] + [0] * 5))
    entropy = torch.nn.functional.binary_cross_entropy_with_logits
    overlaps = []
    for distances, wanted in zip(said.corrected, many.distances, strict=True):
        a, b = around(distances), around(wanted)
        inside = max(float(min(a[1], b[1]) - max(a[0], b[0])), 0.0)
        union = float(a[1] - a[0] + b[1] - b[0]) - inside
        overlaps.append(inside / union if union > 0 else 0.0)
    wanted = entropy(said.quality, torch.tensor(overlaps))
    assert float(losses(said, many)["quality"]) == pytest.approx(float(wanted), rel=1e-4)


@pytest.mark.parametrize("moves", [True, False])
def test_the_quality_moves_segments_only_if_asked_for(moves):
    said = guesses()._replace(
        offsets=torch.zeros(P, 2, requires_grad=True), quality=torch.ones(P, requires_grad=True)
    )
    learned = learn([[10.0, 40.0]], said=said)
    losses(said, learned, quality_moves=moves)["quality"].backward()
    assert (said.offsets.grad is not None and bool(said.offsets.grad.any())) == moves


def test_what_is_not_valid_has_no_part_in_any_loss():
    valid = torch.tensor([True] * 5 + [False] * 2)
    said = guesses(valid=valid)
    learned = learn([[10.0, 40.0]], said=said)
    other = said._replace(
        logits=torch.where(valid[:, None], said.logits, 9.0),
        refined_logits=torch.where(valid[:, None], said.refined_logits, -9.0),
    )
    for name, value in losses(said, learned).items():
        assert torch.equal(value, losses(other, learned)[name])


def test_maps_are_1_near_starts_and_ends():
    valid = torch.ones(50, dtype=torch.bool)
    start, end = boundary_maps(torch.tensor([[10.0, 40.0]]), valid)  # reach 1.5: 8.5 to 11.5
    assert start.nonzero().flatten().tolist() == [8, 9, 10, 11, 12]
    assert end.nonzero().flatten().tolist() == [38, 39, 40, 41, 42]


def test_short_actions_reach_one_place_to_both_sides():
    start, _ = boundary_maps(torch.tensor([[10.0, 12.0]]), torch.ones(50, dtype=torch.bool))
    assert start.nonzero().flatten().tolist() == [9, 10, 11]


def test_what_lies_beyond_the_valid_part_is_at_its_edge():
    valid = (torch.arange(50) >= 3) & (torch.arange(50) < 30)
    start, end = boundary_maps(torch.tensor([[0.0, 40.0]]), valid)
    assert start.nonzero().flatten().tolist() == [3]
    assert end.nonzero().flatten().tolist() == [29]


def test_no_action_has_no_boundary():
    assert boundary_maps(torch.zeros(0, 2), torch.ones(9, dtype=torch.bool)).sum() == 0


def test_boundary_losses_are_cross_entropies_over_valid_places():
    likely = torch.tensor([[[0.5, 0.25, 0.9], [0.5, 0.5, 0.1]]])
    wanted = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]])
    valid = torch.tensor([[True, True, False]])
    start, end = boundary_losses(likely, wanted, valid)
    assert float(start) == pytest.approx((math.log(2) - math.log(0.75)) / 2)
    assert float(end) == pytest.approx(math.log(2))


def test_boundary_losses_and_gradients_are_finite_at_certainty():
    likely = torch.tensor([[[0.0, 1.0], [1.0, 0.0]]], requires_grad=True)
    wanted = torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])
    loss = boundary_losses(likely, wanted, torch.ones(1, 2, dtype=torch.bool)).sum()
    loss.backward()
    assert loss.isfinite()
    assert likely.grad.isfinite().all()
