import pytest
import torch

from untrimmed.nn.ops.nms import nms, non_maximum_weighting, soft_nms, vote
from untrimmed.nn.ops.segments import iou

WAYS = {
    "nms": lambda segments, scores, **how: nms(segments, scores, iou=0.5, **how),
    "nmw": lambda segments, scores, **how: non_maximum_weighting(segments, scores, iou=0.5, **how),
    "gaussian": soft_nms,
    "linear": lambda segments, scores, **how: soft_nms(segments, scores, method="linear", **how),
}
every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())


def crowd(count, classes, *, seed=0):
    """Segments that overlap a lot, and scores without ties."""
    generator = torch.Generator().manual_seed(seed)
    middle = 50 * torch.rand(count, generator=generator)
    length = 1 + 19 * torch.rand(count, generator=generator)
    scores = torch.rand(count, classes, generator=generator)
    return torch.stack([middle - length / 2, middle + length / 2], 1), scores


def assert_same(kept, wanted):
    assert torch.equal(kept.labels, wanted.labels)
    assert torch.allclose(kept.scores, wanted.scores)
    assert torch.allclose(kept.segments, wanted.segments, atol=1e-4)


@every_way
def test_nothing_gives_nothing(way):
    kept = way(torch.zeros(0, 2), torch.zeros(0, 3))
    assert kept.segments.shape == (0, 2)
    assert [len(field) for field in kept[1:]] == [0, 0, 0]
    assert len(way(torch.zeros(0, 2), torch.zeros(0)).scores) == 0


@every_way
def test_nothing_above_the_threshold_gives_nothing(way):
    assert len(way(*crowd(5, 3), threshold=1.0).scores) == 0


@every_way
def test_one_candidate_is_itself(way):
    kept = way(torch.tensor([[3.25, 4.5]]), torch.tensor([[0.0, 0.7]]))
    assert kept.segments.tolist() == [[3.25, 4.5]]
    assert kept.scores.tolist() == [pytest.approx(0.7)]
    assert kept.labels.tolist() == [1]
    assert kept.origin.tolist() == [0]


@every_way
def test_the_surest_come_first(way):
    kept = way(*crowd(40, 3))
    assert (kept.scores.diff() <= 0).all()


@every_way
def test_the_order_of_candidates_does_not_matter(way):
    segments, scores = crowd(40, 3)
    shuffled = torch.randperm(40, generator=torch.Generator().manual_seed(1))
    kept, other = way(segments, scores), way(segments[shuffled], scores[shuffled])
    assert_same(other, kept)
    assert torch.equal(shuffled[other.origin], kept.origin)


@every_way
def test_classes_do_not_see_each_other(way):
    segments, scores = crowd(40, 3)
    together = way(segments, scores)
    for label in range(3):
        alone = way(segments, scores[:, label])
        own = together.labels == label
        assert torch.equal(together.scores[own], alone.scores)
        assert torch.equal(together.segments[own], alone.segments)
        assert torch.equal(together.origin[own], alone.origin)


@every_way
@pytest.mark.parametrize("limit", [1, 4, 11, 1000])
def test_a_limit_keeps_the_surest_of_all(way, limit):
    segments, scores = crowd(60, 4)
    scores[:, 2] *= 0.1  # a class that hardly gets its turn
    everything, some = way(segments, scores), way(segments, scores, limit=limit)
    assert len(some.scores) == min(limit, len(everything.scores))
    for field, whole in zip(some, everything, strict=True):
        assert torch.equal(field, whole[:limit])


@every_way
def test_segments_apart_stay_as_they_are(way):
    segments = torch.tensor([[0.0, 1.0], [5.0, 9.0], [2.0, 4.0]])
    kept = way(segments, torch.tensor([0.3, 0.9, 0.5]))
    assert kept.origin.tolist() == [1, 2, 0]
    assert torch.equal(kept.segments, segments[kept.origin])


@every_way
def test_of_equal_candidates_the_first_goes_first(way):
    segments = torch.tensor([[0.0, 1.0], [5.0, 9.0], [2.0, 4.0]])
    kept = way(segments, torch.full((3, 2), 0.5))
    assert kept.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert kept.origin.tolist() == [0, 1, 2, 0, 1, 2]


@every_way
def test_of_equal_candidates_a_limit_keeps_the_first(way):
    segments = torch.tensor([[0.0, 1.0], [5.0, 9.0], [2.0, 4.0]])
    kept = way(segments, torch.full((3, 2), 0.5), limit=2)
    assert kept.labels.tolist() == [0, 0]
    assert kept.origin.tolist() == [0, 1]


@every_way
def test_segments_without_length_do_no_harm(way):
    kept = way(torch.tensor([[3.0, 3.0], [3.0, 3.0], [2.0, 4.0]]), torch.tensor([0.9, 0.8, 0.7]))
    assert kept.origin.tolist() == [0, 1, 2]
    assert kept.segments.tolist() == [[3, 3], [3, 3], [2, 4]]


@every_way
def test_suppression_has_no_gradient(way):
    segments, scores = crowd(5, 2)
    assert not way(segments.requires_grad_(), scores).segments.requires_grad


@every_way
def test_inputs_are_not_changed(way):
    segments, scores = crowd(20, 2)
    way(segments, scores)
    assert torch.equal(segments, crowd(20, 2)[0])
    assert torch.equal(scores, crowd(20, 2)[1])


def test_suppression_agrees_with_going_through_the_list():
    segments, scores = crowd(80, 1)
    overlap = iou(segments, segments)
    wanted = []
    for candidate in scores[:, 0].argsort(descending=True).tolist():
        if all(overlap[candidate, other] < 0.4 for other in wanted):
            wanted.append(candidate)
    assert nms(segments, scores, iou=0.4).origin.tolist() == wanted


def test_suppressed_candidates_suppress_nothing():
    chain = torch.tensor([[0.0, 10.0], [3.0, 13.0], [6.0, 16.0]])
    assert nms(chain, torch.tensor([0.9, 0.8, 0.7]), iou=0.5).origin.tolist() == [0, 2]


def test_overlap_of_exactly_the_limit_is_the_same_action():
    halves = torch.tensor([[0.0, 10.0], [0.0, 5.0]])
    assert len(nms(halves, torch.tensor([0.9, 0.8]), iou=0.5).scores) == 1
    assert len(nms(halves, torch.tensor([0.9, 0.8]), iou=0.51).scores) == 2


def test_a_candidate_must_score_more_than_the_threshold():
    segments = torch.tensor([[0.0, 1.0], [2.0, 3.0]])
    assert nms(segments, torch.tensor([0.5, 0.25]), iou=0.5, threshold=0.25).origin.tolist() == [0]


def test_gaussian_lowers_by_overlap():
    kept = soft_nms(torch.tensor([[0.0, 10.0], [0.0, 5.0]]), torch.tensor([0.9, 0.8]), sigma=0.5)
    assert kept.scores.tolist() == pytest.approx([0.9, 0.8 * 2.718281828 ** (-(0.5**2) / 0.5)])


def test_linear_lowers_from_its_overlap_on():
    segments = torch.tensor([[0.0, 10.0], [0.0, 5.0], [7.5, 10.0]])
    kept = soft_nms(segments, torch.tensor([0.9, 0.8, 0.7]), method="linear", iou=0.5)
    assert kept.origin.tolist() == [0, 2, 1]
    assert kept.scores.tolist() == pytest.approx([0.9, 0.7, 0.4])


def test_what_is_lowered_too_far_is_dropped_but_the_surest_is_not():
    segments = torch.tensor([[0.0, 10.0], [0.0, 9.0], [20.0, 30.0]])
    scores = torch.tensor([[0.05, 0.0], [0.04, 0.6], [0.03, 0.5]])
    kept = soft_nms(segments, scores, sigma=0.5, min_score=0.2)
    assert kept.labels.tolist() == [1, 1, 0]
    assert kept.origin.tolist() == [1, 2, 0]


def test_a_score_of_zero_survives_without_a_least_score():
    twins = torch.tensor([[0.0, 10.0], [0.0, 10.0]])
    kept = soft_nms(twins, torch.tensor([0.9, 0.8]), method="linear", min_score=0.0)
    assert kept.scores.tolist() == [pytest.approx(0.9), 0]


def test_weighting_averages_by_score_and_overlap():
    segments = torch.tensor([[0.0, 10.0], [0.0, 8.0], [4.0, 10.0], [30.0, 31.0]])
    kept = non_maximum_weighting(segments, torch.tensor([0.9, 0.5, 0.4, 0.1]), iou=0.5)
    weights = [0.9 * 1.0, 0.5 * 0.8, 0.4 * 0.6]
    start = weights[2] * 4 / sum(weights)
    end = (weights[0] * 10 + weights[1] * 8 + weights[2] * 10) / sum(weights)
    assert kept.segments[0].tolist() == pytest.approx([start, end])
    assert kept.scores.tolist() == pytest.approx([0.9, 0.1])
    assert kept.segments[1].tolist() == [30, 31]


def test_weighting_keeps_what_suppression_keeps():
    segments, scores = crowd(60, 3)
    weighted = non_maximum_weighting(segments, scores, iou=0.3)
    plain = nms(segments, scores, iou=0.3)
    assert torch.equal(weighted.origin, plain.origin)
    assert torch.equal(weighted.scores, plain.scores)
    assert not torch.allclose(weighted.segments, plain.segments)


def test_a_candidate_is_averaged_once():
    chain = torch.tensor([[0.0, 10.0], [3.0, 13.0], [6.0, 16.0]])
    kept = non_maximum_weighting(chain, torch.tensor([0.9, 0.8, 0.7]), iou=0.5)
    assert kept.segments[1].tolist() == [6, 16]


@pytest.mark.parametrize("iou", [0.0, 1.1, float("nan")])
def test_an_impossible_overlap_is_refused(iou):
    with pytest.raises(ValueError, match="intersection over union"):
        nms(*crowd(3, 2), iou=iou)


def test_other_impossible_settings_are_refused():
    with pytest.raises(ValueError, match=r"a threshold of -0\.1"):
        nms(*crowd(3, 2), iou=0.5, threshold=-0.1)
    with pytest.raises(ValueError, match="a limit of 0"):
        nms(*crowd(3, 2), iou=0.5, limit=0)
    with pytest.raises(ValueError, match="a sigma of 0"):
        soft_nms(*crowd(3, 2), sigma=0.0)
    with pytest.raises(ValueError, match="a min_score of -1"):
        soft_nms(*crowd(3, 2), min_score=-1.0)


@every_way
def test_a_crowd_thins_as_if_nothing_were_tidied_away(way, monkeypatch):
    segments, scores = crowd(300, 3, seed=2)
    scores[60:, 1] = 0  # a small class beside large ones
    tidied = way(segments, scores)
    monkeypatch.setattr("untrimmed.nn.ops.rounds._TIDY_EVERY", 10**9)
    untouched = way(segments, scores)
    assert_same(tidied, untouched)
    assert torch.equal(tidied.origin, untouched.origin)


@pytest.mark.parametrize("limit", [None, 3, 40])
def test_the_least_score_holds_in_every_class_but_for_its_surest(limit):
    segments, scores = crowd(90, 3, seed=3)
    scores[:, 1] *= 0.2
    scores[:, 2] *= 0.05
    kept = soft_nms(segments, scores, min_score=0.1, limit=limit)
    everything = soft_nms(segments, scores, min_score=0.0)
    surest = torch.tensor(
        [(everything.labels[:one] != label).all() for one, label in enumerate(everything.labels)]
    )
    wanted = (everything.scores >= 0.1) | surest
    assert kept.origin.tolist() == everything.origin[wanted][:limit].tolist()
    assert kept.labels.tolist() == everything.labels[wanted][:limit].tolist()


def soft_by_the_book(segments, scores, *, sigma, min_score):
    """Bodla et al., one candidate after another."""
    overlap, scores = iou(segments, segments), scores.clone()
    left, order, kept = set(range(len(scores))), [], []
    while left:
        surest = max(left, key=lambda one: scores[one])
        left.remove(surest)
        order.append(surest)
        kept.append(float(scores[surest]))
        scores *= torch.exp(-(overlap[surest] ** 2) / sigma)
        left = {one for one in left if scores[one] >= min_score}
    return order, kept


def test_lowering_agrees_with_going_through_the_list():
    segments, scores = crowd(120, 1)
    order, wanted = soft_by_the_book(segments, scores[:, 0], sigma=0.4, min_score=0.05)
    kept = soft_nms(segments, scores, sigma=0.4, min_score=0.05)
    assert kept.origin.tolist() == order
    assert kept.scores.tolist() == pytest.approx(wanted, rel=1e-5)
    assert len(order) < 120


def test_a_vote_counts_dropped_candidates_by_overlap_and_score():
    segments = torch.tensor([[0.0, 10.0], [0.0, 8.0], [4.0, 10.0], [30.0, 31.0]])
    scores = torch.tensor([0.9, 0.5, 0.4, 0.1])
    voted = vote(nms(segments, scores, iou=0.5), segments, scores, iou=0.7)
    weights = [0.9, 0.5 * 0.8]
    assert voted.segments[0].tolist() == pytest.approx(
        [0, (weights[0] * 10 + weights[1] * 8) / sum(weights)]
    )
    assert voted.segments[1].tolist() == [30, 31]


def test_a_vote_changes_neither_scores_nor_order():
    segments, scores = crowd(150, 2)
    kept = soft_nms(segments, scores)
    assert len(kept.scores) > 128  # more than are compared at once
    voted = vote(kept, segments, scores, iou=0.6)
    for field, wanted in zip(voted[1:], kept[1:], strict=True):
        assert torch.equal(field, wanted)
    assert not torch.equal(voted.segments, kept.segments)


def test_only_candidates_of_the_class_vote():
    segments = torch.tensor([[0.0, 10.0], [0.0, 9.0], [1.0, 10.0]])
    scores = torch.tensor([[0.9, 0.0], [0.0, 0.8], [0.5, 0.0]])
    voted = vote(nms(segments, scores, iou=0.5), segments, scores, iou=0.5)
    start = 0.5 * 0.9 / (0.9 + 0.5 * 0.9)
    assert voted.labels.tolist() == [0, 1]
    assert voted.segments[0].tolist() == pytest.approx([start, 10])
    assert voted.segments[1].tolist() == [0, 9]


def test_candidates_below_the_threshold_do_not_vote():
    segments = torch.tensor([[0.0, 10.0], [0.0, 8.0]])
    scores = torch.tensor([0.9, 0.2])
    kept = nms(segments, scores, iou=0.5)
    assert vote(kept, segments, scores, iou=0.5, threshold=0.2).segments.tolist() == [[0, 10]]


def test_a_vote_on_a_segment_without_length_or_on_nothing_does_no_harm():
    segments, scores = torch.tensor([[3.0, 3.0]]), torch.tensor([0.5])
    kept = nms(segments, scores, iou=0.5)
    assert vote(kept, segments, scores, iou=0.5).segments.tolist() == [[3, 3]]
    nothing = nms(segments[:0], scores[:0], iou=0.5)
    assert vote(nothing, segments[:0], scores[:0], iou=0.5).segments.shape == (0, 2)
    with pytest.raises(ValueError, match="intersection over union"):
        vote(kept, segments, scores, iou=0.0)
