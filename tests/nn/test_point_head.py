import math

import pytest
import torch
import torch.nn.functional as F

from untrimmed.nn.heads import point
from untrimmed.nn.names.point import rename as rename_head
from untrimmed.nn.ops.points import Points, lessons
from untrimmed.nn.protocols import Head
from untrimmed.tensors import Padded, Pyramid, Targets

B, C, K = 2, 6, 3
STRIDES = (1, 2)
LENGTHS = (24, 12)
SMALL = {
    "width": 5,
    "ranges": ((0.0, 6.0), (6.0, 100.0)),
    "least_score": 0.0,
    "least_length": 0.0,
}


def build(**settings):
    torch.manual_seed(0)
    head = point.Config(**{**SMALL, **settings}).build(C, K, STRIDES)
    for parameter in head.parameters():  # away from 0, so that everything has an effect
        torch.nn.init.normal_(parameter, std=0.3)
    for scale in head.scales:
        torch.nn.init.constant_(scale, 1.3)
    torch.nn.init.constant_(head.distances.bias, 2.0)
    return head


def pyramid(lengths=LENGTHS, *, videos=B, seed=0):
    generator = torch.Generator().manual_seed(seed)
    levels = [Padded.whole(torch.randn(videos, C, T, generator=generator)) for T in lengths]
    return Pyramid(tuple(levels), STRIDES)


def padded(short, lengths=LENGTHS):
    """The same pyramid with padding behind."""
    levels = []
    for (values, valid), T in zip(short.levels, lengths, strict=True):
        more = T - values.shape[-1]
        levels.append(Padded(F.pad(values, (0, more)), F.pad(valid, (0, more))))
    return Pyramid(tuple(levels), STRIDES)


def actions(*triples):
    segments = torch.tensor([one[:2] for one in triples], dtype=torch.float32).reshape(-1, 2)
    return Targets(segments, torch.tensor([one[2] for one in triples], dtype=torch.long))


SOME = [actions((1.5, 5.0, 0), (6.0, 22.0, 2)), actions((13.0, 19.5, 1))]


def silent(*, logit=-20.0, videos=1):
    """Raw output of a head that finds nothing, everywhere 1 stride from both ends."""
    return point.Raw(
        tuple(torch.full((videos, K, T), logit) for T in LENGTHS),
        tuple(torch.ones(videos, 2, T) for T in LENGTHS),
        tuple(torch.ones(videos, T, dtype=torch.bool) for T in LENGTHS),
        STRIDES,
    )


def losses(head, raw, targets):
    """With a running divisor that starts anew."""
    torch.nn.init.constant_(head.positives, head.config.positives)
    return {name: loss.item() for name, loss in head.loss(raw, targets).items()}


def test_it_is_a_head():
    assert isinstance(build(), Head)


@pytest.mark.parametrize("layers", [1, 3])
def test_before_training_every_score_is_the_prior(layers):
    torch.manual_seed(0)
    head = point.Config(**SMALL, prior=0.03, layers=layers).build(C, K, STRIDES)
    torch.nn.init.zeros_(head.logits.weight)
    torch.nn.init.constant_(head.distances.bias, 9.0)  # no segment is without length
    scores = head.candidates(head(pyramid())).scores
    assert torch.allclose(scores, torch.tensor(0.03))


def test_full_size_head_has_as_many_parameters_as_theirs():
    head = point.Config().build(512, 20, (1, 2, 4, 8, 16, 32))
    towers = 2 * 2 * (3 * 512 * 512 + 2 * 512)
    outputs = (20 + 2) * (3 * 512 + 1)
    assert sum(parameter.numel() for parameter in head.parameters()) == towers + outputs + 6


def test_classes_that_are_never_there_begin_with_a_score_near_0():
    torch.manual_seed(0)
    head = point.Config(**SMALL).build(C, K, STRIDES)
    head.quiet([0, 2])
    bias = head.logits.bias.tolist()
    assert [bias[0], bias[2]] == [pytest.approx(-13.8155, abs=1e-4)] * 2
    assert bias[1] == pytest.approx(-math.log(99))


def test_a_channel_is_a_class_and_distances_are_in_strides():
    raw = silent()
    raw.logits[1][0, 2, 5] = 5.0  # position 5 of level 1
    raw.distances[1][0, :, 5] = torch.tensor([1.5, 4.0])
    segments, scores = build().candidates(raw)
    row, label = divmod(int(scores[0].argmax()), K)
    assert (row, label) == (24 + 5, 2)
    assert segments[0, row].tolist() == [10 - 3, 10 + 8]


def test_what_a_perfect_head_says_is_what_there_is():
    target = actions((1.5, 5.0, 0), (6.0, 22.0, 2))
    head, raw = build(centre_radius=None), silent()
    for level, (T, stride) in enumerate(zip(LENGTHS, STRIDES, strict=True)):
        points = Points.of_level(T, stride=stride, reach=head.config.ranges[level])
        given = lessons(points, *target, classes=K, centre_radius=None)
        raw.logits[level][0] = 40 * given.labels - 20
        raw.distances[level][0] = given.distances
    segments, scores = head.candidates(raw)
    rows, labels = (scores[0] > 0.5).nonzero(as_tuple=True)
    assert set(labels.tolist()) == {0, 2}
    wanted = torch.where(labels[:, None] == 0, target.segments[0], target.segments[1])
    assert torch.allclose(segments[0, rows], wanted, atol=1e-5)
    found = losses(head, raw, [target])
    assert found["regression"] == pytest.approx(0, abs=1e-6)
    assert found["classification"] < 1e-6


def test_scores_are_between_0_and_1():
    raw = build()(pyramid())
    scores = build().candidates(raw._replace(logits=tuple(9 * x for x in raw.logits))).scores
    assert 0 < scores.min() < 0.3 < 0.7 < scores.max() < 1


def test_scores_at_padding_are_0_and_nowhere_else():
    head = build()
    scores = head.candidates(head(padded(pyramid((9, 5))))).scores
    wanted = torch.tensor([True] * 9 + [False] * 15 + [True] * 5 + [False] * 7)
    assert torch.equal(scores[0].amin(1) > 0, wanted)
    assert torch.equal(scores[0].amax(1) > 0, wanted)


def test_logits_and_distances_at_padding_are_0():
    raw = build()(padded(pyramid((9, 5))))
    assert raw.logits[0][..., 9:].abs().max() == 0
    assert raw.distances[1][..., 5:].abs().max() == 0
    assert raw.distances[1][..., :5].max() > 0


def test_the_number_of_candidates_depends_on_the_lengths_alone():
    head = build(top_k=4)
    assert head.candidates(head(pyramid())).segments.shape == (B, 36, 2)


def test_only_the_highest_scores_of_each_level_are_left():
    raw = build()(pyramid())
    everything, best = build().candidates(raw).scores, build(top_k=7).candidates(raw).scores
    for level in (slice(24), slice(24, 36)):
        for video in range(B):
            wanted = everything[video, level].flatten().sort(descending=True).values[:7]
            left = best[video, level][best[video, level] > 0].sort(descending=True).values
            assert torch.equal(left, wanted)
    assert torch.equal(best[best > 0], everything[best > 0])


def test_of_equal_scores_the_first_are_left():
    scores = build(top_k=4).candidates(silent(logit=0.0)).scores
    assert (scores[0, :24].flatten() > 0).nonzero().flatten().tolist() == [0, 1, 2, 3]


def test_a_score_must_be_above_the_least():
    raw = silent(logit=0.0)
    raw.logits[0][0, 1, 3] = 0.1
    scores = build(least_score=0.5).candidates(raw).scores
    assert scores[0].nonzero().tolist() == [[3, 1]]


def test_a_segment_must_be_longer_than_the_least_and_takes_the_room_of_another_else():
    raw = silent(logit=-1.0)
    raw.distances[0][0, :, :] = torch.tensor([1.0, 0.5])[:, None]
    raw.distances[0][0, :, 7] = torch.tensor([0.25, 1.25])  # 1.5, as all others: not more
    raw.distances[0][0, :, 8] = torch.tensor([0.25, 1.5])
    raw.logits[0][0, :, 5] = 3.0
    head = build(least_length=1.5)
    kept = head.candidates(raw).scores[0, :24]
    assert kept.amax(1).nonzero().flatten().tolist() == [8]
    crowded = build(least_length=1.5, top_k=3).candidates(raw).scores[0, :24]
    assert crowded.abs().max() == 0  # the three of point 5 were chosen before


@pytest.mark.parametrize("norm", [True, False])
def test_candidates_do_not_depend_on_padding_if_it_is_not_seen(norm):
    head, short = build(blind=True, norm=norm), pyramid((9, 5))
    wanted, found = head.candidates(head(short)), head.candidates(head(padded(short)))
    real = found.scores[0].amax(1) > 0
    assert torch.allclose(found.scores[:, real], wanted.scores, atol=1e-6)
    assert torch.allclose(found.segments[:, real], wanted.segments, atol=1e-5)


def test_padding_is_seen_as_the_authors_see_it_unless_told_otherwise():
    head, short = build(), pyramid((9, 5))
    whole, behind = head(short).logits[0], head(padded(short)).logits[0][..., :9]
    assert torch.allclose(whole[..., :7], behind[..., :7], atol=1e-6)  # beyond two convolutions
    assert (whole - behind)[..., 7:].abs().min() > 1e-6


def test_losses_do_not_depend_on_padding_if_it_is_not_seen():
    head, short = build(blind=True), pyramid((16, 8))
    targets = [actions((3.0, 8.0, 0), (4.0, 15.0, 2)), actions()]
    wanted = losses(head, head(short), targets)
    assert losses(head, head(padded(short)), targets) == pytest.approx(wanted, rel=1e-5)
    assert min(wanted.values()) > 0


def test_an_action_in_the_padding_is_not_learned():
    head = build()
    raw = head(padded(pyramid((16, 8))))
    beyond = [actions((3.0, 8.0, 0), (19.0, 23.0, 1)), actions()]
    within = [actions((3.0, 8.0, 0)), actions()]
    assert losses(head, raw, beyond) == losses(head, raw, within)


def test_candidates_move_with_the_features():
    head, T, S = build(), 64, 32
    generator = torch.Generator().manual_seed(1)
    event = [torch.randn(1, C, 10, generator=generator), torch.randn(1, C, 5, generator=generator)]

    def candidates(position):
        levels = [torch.zeros(1, C, T), torch.zeros(1, C, S)]
        levels[0][..., 2 * position : 2 * position + 10] = event[0]
        levels[1][..., position : position + 5] = event[1]
        found = head.candidates(head(Pyramid(tuple(map(Padded.whole, levels)), STRIDES)))
        return [part for field in found for part in field[0].split([T, S])]

    fine, coarse, fine_scores, coarse_scores = candidates(12)
    later = candidates(13)  # one cell of the coarser level: 2 cells
    inside, before = slice(22, 42), slice(20, 40)
    assert torch.allclose(later[0][inside], fine[before] + 2, atol=1e-4)
    assert torch.allclose(later[2][inside], fine_scores[before], atol=1e-6)
    inside, before = slice(11, 21), slice(10, 20)
    assert torch.allclose(later[1][inside], coarse[before] + 2, atol=1e-4)
    assert torch.allclose(later[3][inside], coarse_scores[before], atol=1e-6)


def test_levels_do_not_see_each_other():
    head, other = build(), pyramid()
    changed = Pyramid((other.levels[0], Padded.whole(torch.ones(B, C, 12))), STRIDES)
    assert torch.allclose(head(other).logits[0], head(changed).logits[0], atol=1e-6)
    assert not torch.allclose(head(other).logits[1], head(changed).logits[1], atol=1e-2)


def test_levels_share_their_weights_but_not_their_scale():
    head, level = build(), pyramid().levels[0]
    torch.nn.init.constant_(head.scales[1], 2.6)  # twice that of level 0
    raw = head(Pyramid((level, level), STRIDES))
    assert torch.allclose(*raw.logits, atol=1e-6)
    assert torch.allclose(2 * raw.distances[0], raw.distances[1], atol=1e-5)


def test_a_batch_is_its_videos_one_by_one():
    head, both = build(), pyramid()
    whole = head.candidates(head(both))
    for video in range(B):
        part = slice(video, video + 1)
        one = Pyramid(tuple(Padded(*(x[part] for x in y)) for y in both.levels), STRIDES)
        alone = head.candidates(head(one))
        assert torch.allclose(alone.scores, whole.scores[part], atol=1e-6)
        assert torch.allclose(alone.segments, whole.segments[part], atol=1e-5)


@pytest.mark.parametrize("norm", [True, False])
def test_every_parameter_gets_a_gradient(norm):
    head = build(norm=norm)
    sum(head.loss(head(pyramid()), SOME).values()).backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_without_any_action_there_is_only_background_to_learn():
    head = build()
    found = head.loss(head(pyramid()), [actions(), actions()])
    sum(found.values()).backward()
    assert found["regression"] == 0
    assert found["classification"] > 0
    assert all(parameter.grad.isfinite().all() for parameter in head.parameters())
    assert head.logits.weight.grad.abs().max() > 0
    assert head.distances.weight.grad.abs().max() == 0


def test_only_points_that_find_an_action_are_measured():
    raw = silent()
    raw.distances[0].requires_grad_()
    build().loss(raw, [actions((5.0, 9.5, 1))])["regression"].backward()
    moved = raw.distances[0].grad[0].abs().amax(0).nonzero().flatten()
    assert moved.tolist() == [6, 7, 8]  # nearer than 1.5 to the middle, 7.25


def test_the_divisor_moves_by_a_tenth_towards_the_points_that_find_an_action():
    head, raw, target = build(positives=50.0), silent(), [actions((5.0, 9.5, 1))]
    first = head.loss(raw, target)["classification"]
    assert head.positives.item() == pytest.approx(0.9 * 50 + 0.1 * 3)
    second = head.loss(raw, target)["classification"]
    assert head.positives.item() == pytest.approx(0.81 * 50 + 0.19 * 3)
    assert second / first == pytest.approx(45.3 / 41.07)


def test_a_batch_without_actions_counts_as_one_point():
    head = build(positives=50.0)
    head.loss(silent(), [actions()])
    assert head.positives.item() == pytest.approx(45.1)


def test_the_divisor_stays_where_nothing_is_learned_and_is_saved():
    head, target = build(positives=50.0), [actions((5.0, 9.5, 1))]
    with torch.no_grad():
        before = head.loss(silent(), target)
        assert head.loss(silent(), target) == before
    head.loss(silent(), target)
    other = build()
    other.load_state_dict(head.state_dict())
    assert other.positives.item() == pytest.approx(45.3)


def test_two_losses_may_be_taken_before_their_gradients():
    head = build()
    raw = head(pyramid())
    first, second = head.loss(raw, SOME), head.loss(raw, SOME)
    (sum(first.values()) + sum(second.values())).backward()
    assert head.logits.weight.grad.isfinite().all()


def test_losses_follow_their_settings():
    raw, target = build()(pyramid()), SOME
    plain = losses(build(), raw, target)
    double = losses(build(loss_weight=2.0), raw, target)
    assert double["regression"] == pytest.approx(2 * plain["regression"])
    assert double["classification"] == plain["classification"]


def test_an_automatic_weight_makes_both_losses_equal():
    found = losses(build(loss_weight=None, positives=1.0), build()(pyramid()), SOME)
    assert found["regression"] == pytest.approx(found["classification"])


def test_an_automatic_weight_has_no_gradient_of_its_own():
    raw = silent(logit=0.0)
    logits, distances = (x[0].requires_grad_() for x in (raw.logits, raw.distances))
    found = build(loss_weight=None).loss(raw, [actions((5.0, 9.5, 1))])
    found["regression"].backward()
    assert logits.grad is None
    assert distances.grad.abs().max() > 0


def test_smoothed_labels_are_shared_with_all_other_classes_and_nothing():
    # K classes and nothing share 0.4: a class that is there has 0.6 + 0.1, another 0.1.
    head, raw = build(label_smoothing=0.4, positives=1.0), silent(logit=math.log(0.1 / 0.9))
    with torch.no_grad():
        found = head.loss(raw, [actions()])["classification"].item()
    entropy = -(0.1 * math.log(0.1) + 0.9 * math.log(0.9))
    weight = 0.25 * 0.1 + 0.75 * 0.9
    miss = 2 * 0.1 * 0.9
    assert found == pytest.approx(36 * K * weight * miss**2 * entropy, rel=1e-5)


def test_losses_and_candidates_are_taken_in_float32():
    head, raw = build(), build()(pyramid())
    logits = tuple(x.bfloat16() for x in raw.logits)
    distances = tuple(x.bfloat16() for x in raw.distances)
    half = raw._replace(logits=logits, distances=distances)
    full = raw._replace(
        logits=tuple(x.float() for x in logits), distances=tuple(x.float() for x in distances)
    )
    assert losses(head, half, SOME) == losses(head, full, SOME)
    for found, wanted in zip(head.candidates(half), head.candidates(full), strict=True):
        assert torch.equal(found, wanted)


def test_a_head_of_double_precision_stays_so():
    head, levels = build().double(), pyramid().levels
    raw = head(Pyramid(tuple(Padded(x.values.double(), x.valid) for x in levels), STRIDES))
    assert head.candidates(raw).scores.dtype == torch.float64
    assert sum(head.loss(raw, SOME).values()).dtype == torch.float64


def test_a_pyramid_of_other_strides_is_refused():
    with pytest.raises(ValueError, match=r"strides \(1, 4\), not \(1, 2\)"):
        build()(pyramid()._replace(strides=(1, 4)))


def test_targets_of_another_number_of_videos_are_refused():
    with pytest.raises(ValueError, match="targets of 1 videos for 2"):
        build().loss(silent(videos=2), [actions()])


def test_another_number_of_ranges_is_refused():
    with pytest.raises(ValueError, match="2 ranges for 3 levels"):
        point.Config(**SMALL).build(C, K, (1, 2, 4))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"top_k": 0}, "top_k: wanted a number above 0"),
        ({"ranges": ((4.0, 3.0),)}, r"upwards, got \(\(4\.0, 3\.0\),\)"),
        ({"centre_radius": 0.0}, r"centre_radius: wanted a number above 0, got 0\.0"),
        ({"loss_weight": -1.0}, r"loss_weight: wanted a number above 0, got -1\.0"),
        ({"label_smoothing": 1.0}, r"label_smoothing: wanted a number in \[0, 1\), got 1\.0"),
        ({"prior": 1.0}, r"prior: wanted a number in \(0, 1\), got 1\.0"),
        ({"least_length": -0.1}, "least_length: wanted a number at least 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        point.Config(**settings)


def test_unknown_weights_are_refused():
    with pytest.raises(ValueError, match=r"cls_head\.extra is not a weight"):
        rename_head({"cls_head.extra": torch.zeros(1)})
