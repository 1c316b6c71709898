import math

import pytest
import torch

from untrimmed.nn.heads import anchor
from untrimmed.nn.names.anchor import rename as rename_head
from untrimmed.nn.protocols import Head
from untrimmed.tensors import Padded, Pyramid, Targets

B, C, K = 2, 6, 3
STRIDES = (4, 8)
LENGTHS = (16, 8)
SMALL = {"width": 5, "stacked": 2, "scales": 2}


def build(**settings):
    torch.manual_seed(0)
    head = anchor.Config(**{**SMALL, **settings}).build(C, K, STRIDES)
    for parameter in head.parameters():  # away from 0, so that everything has an effect
        torch.nn.init.normal_(parameter, std=0.3)
    return head.eval()


def pyramid(lengths=LENGTHS, *, videos=B, seed=0):
    generator = torch.Generator().manual_seed(seed)
    levels = [Padded.whole(torch.randn(videos, C, T, generator=generator)) for T in lengths]
    return Pyramid(tuple(levels), STRIDES)


def padded(level, length):
    """The same level with padding behind."""
    values, valid = level
    more = length - values.shape[-1]
    return Padded(
        torch.nn.functional.pad(values, (0, more)), torch.nn.functional.pad(valid, (0, more))
    )


def actions(*triples):
    segments = torch.tensor([pair[:2] for pair in triples], dtype=torch.float32).reshape(-1, 2)
    return Targets(segments, torch.tensor([pair[2] for pair in triples], dtype=torch.long))


SOME = [actions((3.0, 12.0, 0), (20.0, 49.0, 2)), actions((30.0, 37.0, 1))]


def silent(*, logit=-20.0, videos=1):
    """Raw output of a head that finds nothing and moves nothing."""
    A = SMALL["scales"]
    return anchor.Raw(
        tuple(torch.full((videos, A * K, T), logit) for T in LENGTHS),
        tuple(torch.zeros(videos, A * 2, T) for T in LENGTHS),
        tuple(torch.ones(videos, T, dtype=torch.bool) for T in LENGTHS),
        STRIDES,
    )


def test_it_is_a_head():
    assert isinstance(build(), Head)


def test_before_training_every_score_is_the_prior():
    torch.manual_seed(0)
    head = anchor.Config(**SMALL, prior=0.03).build(C, K, STRIDES)
    scores = head.candidates(head(pyramid())).scores
    assert torch.allclose(scores, torch.tensor(0.03), atol=5e-3)


def test_full_size_head_has_as_many_parameters_as_theirs():
    head = anchor.Config().build(256, 20, (4, 8, 16, 32, 64))
    assert sum(parameter.numel() for parameter in head.parameters()) == 1_661_550


def test_unmoved_anchors_are_the_candidates():
    segments, _ = build().candidates(silent())
    lengths = [8, 8 * math.sqrt(2)]
    middle = 5 * 4  # position 5 of level 0
    wanted = [[middle - length / 2, middle + length / 2] for length in lengths]
    assert segments[0, 10:12].tolist() == [pytest.approx(pair) for pair in wanted]


def test_a_channel_belongs_to_an_anchor_and_a_class():
    raw = silent()
    raw.logits[1][0, 1 * K + 2, 3] = 5.0  # second anchor, third class, position 3 of level 1
    raw.deltas[1][0, 1 * 2 + 0, 3] = 0.25  # its middle
    segments, scores = build().candidates(raw)
    row, label = divmod(int(scores[0].argmax()), K)
    length = 16 * math.sqrt(2)
    middle = 3 * 8 + 0.25 * length
    assert label == 2
    assert segments[0, row].tolist() == pytest.approx([middle - length / 2, middle + length / 2])


def test_scores_are_between_0_and_1():
    scores = build().candidates(build()(pyramid())).scores
    assert scores.min() >= 0
    assert scores.max() <= 1


def test_candidates_stay_in_the_window():
    raw = build()(pyramid())
    segments = build().candidates(raw._replace(deltas=tuple(5 * x for x in raw.deltas))).segments
    assert segments.min() == 0
    assert segments.max() == 4 * 16
    assert (segments[..., 0] <= segments[..., 1]).all()


def test_candidates_of_a_short_video_end_with_it():
    head = build()
    levels = [padded(level, T) for level, T in zip(pyramid((5, 3)).levels, LENGTHS, strict=True)]
    segments = head.candidates(head(Pyramid(tuple(levels), STRIDES))).segments
    assert segments.max() == 4 * 5


def test_scores_at_padding_are_0_and_nowhere_else():
    head = build()
    levels = [padded(level, T) for level, T in zip(pyramid((5, 3)).levels, LENGTHS, strict=True)]
    scores = head.candidates(head(Pyramid(tuple(levels), STRIDES))).scores
    wanted = torch.tensor(
        [True] * (5 * 2) + [False] * (11 * 2) + [True] * (3 * 2) + [False] * (5 * 2)
    )
    assert torch.equal(scores[0].amin(1) > 0, wanted)
    assert torch.equal(scores[0].amax(1) > 0, wanted)


def test_the_number_of_candidates_depends_on_the_lengths_alone():
    head = build(top_k=20)
    assert head.candidates(head(pyramid())).segments.shape == (B, 20 + 16, 2)


def test_only_the_best_of_a_level_are_candidates():
    raw = build()(pyramid())
    best = build(top_k=7).candidates(raw)
    everything = build().candidates(raw)
    level = everything.scores[1, :32]  # level 0 of the second video
    order = level.amax(1).argsort(descending=True)[:7]
    assert torch.equal(best.scores[1, :7], level[order])
    assert torch.equal(best.segments[1, :7], everything.segments[1, :32][order])


@pytest.mark.parametrize("top_k", [1000, 7])
def test_candidates_do_not_depend_on_padding(top_k):
    head, short = build(top_k=top_k), pyramid((8, 4))
    long = Pyramid(
        tuple(padded(level, T) for level, T in zip(short.levels, LENGTHS, strict=True)), STRIDES
    )
    wanted, found = head.candidates(head(short)), head.candidates(head(long))
    real = found.scores[0].amax(1) > 0
    assert torch.allclose(found.scores[:, real], wanted.scores, atol=1e-6)
    assert torch.allclose(found.segments[:, real], wanted.segments, atol=1e-4)


@pytest.mark.parametrize("training", [False, True])
def test_losses_do_not_depend_on_padding(training):
    head, short = build().train(training), pyramid((8, 4))
    targets = [actions((3.0, 12.0, 0), (16.0, 31.0, 2)), actions()]
    long = Pyramid(
        tuple(padded(level, T) for level, T in zip(short.levels, LENGTHS, strict=True)), STRIDES
    )
    wanted, found = head.loss(head(short), targets), head.loss(head(long), targets)
    for name, loss in wanted.items():
        assert found[name].item() == pytest.approx(loss.item(), rel=1e-5)


def test_an_action_in_the_padding_is_not_learned():
    head = build()
    levels = [padded(level, T) for level, T in zip(pyramid((8, 4)).levels, LENGTHS, strict=True)]
    raw = head(Pyramid(tuple(levels), STRIDES))
    beyond = [actions((3.0, 12.0, 0), (52.0, 60.0, 1)), actions()]
    within = [actions((3.0, 12.0, 0)), actions()]
    assert head.loss(raw, beyond) == head.loss(raw, within)


def test_candidates_move_with_the_features():
    head, T, S = build(), 64, 32
    quiet = [torch.zeros(1, C, T), torch.zeros(1, C, S)]
    generator = torch.Generator().manual_seed(1)
    event = [torch.randn(1, C, 10, generator=generator), torch.randn(1, C, 5, generator=generator)]

    def candidates(position):
        levels = [level.clone() for level in quiet]
        levels[0][..., 2 * position : 2 * position + 10] = event[0]
        levels[1][..., position : position + 5] = event[1]
        found = head.candidates(head(Pyramid(tuple(map(Padded.whole, levels)), STRIDES)))
        fine, coarse = found.segments[0].split([2 * T, 2 * S])
        scores, coarse_scores = found.scores[0].split([2 * T, 2 * S])
        return fine, scores, coarse, coarse_scores

    here, there = candidates(12), candidates(13)  # one cell of the coarsest level: 8 cells
    inside = slice(20 * 2, 40 * 2)
    assert torch.allclose(there[0][inside], here[0][18 * 2 : 38 * 2] + 8, atol=1e-4)
    assert torch.allclose(there[1][inside], here[1][18 * 2 : 38 * 2], atol=1e-6)
    inside = slice(10 * 2, 20 * 2)
    assert torch.allclose(there[2][inside], here[2][9 * 2 : 19 * 2] + 8, atol=1e-4)
    assert torch.allclose(there[3][inside], here[3][9 * 2 : 19 * 2], atol=1e-6)


def test_every_parameter_gets_a_gradient():
    head = build().train()
    sum(head.loss(head(pyramid()), SOME).values()).backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_without_any_action_there_is_only_background_to_learn():
    head = build().train()
    losses = head.loss(head(pyramid()), [actions(), actions()])
    sum(losses.values()).backward()
    assert losses["regression"] == 0
    assert losses["classification"] > 0
    assert all(parameter.grad.isfinite().all() for parameter in head.parameters())
    assert head.deltas.weight.grad.abs().max() == 0


def test_a_perfect_answer_costs_nothing():
    raw = silent()
    raw.logits[0][0, [1, K + 1], 5] = 20.0  # anchors 16 ... 24 and 14.3 ... 25.7 find it
    raw.deltas[0][0, 3, 5] = -math.log(2) / 2  # the second is too long
    losses = build().loss(raw, [actions((16.0, 24.0, 1))])
    assert losses["regression"] == pytest.approx(0, abs=1e-6)
    assert losses["classification"] < 1e-4


def test_only_anchors_that_find_an_action_are_moved():
    raw = silent()
    raw.deltas[0].requires_grad_()
    # The anchors of position 5 are 16 ... 24 and 14.3 ... 25.7; this is neither.
    build().loss(raw, [actions((17.0, 24.0, 1))])["regression"].backward()
    moved = raw.deltas[0].grad[0].abs().amax(0).nonzero().flatten()
    assert moved.tolist() == [5]


def test_losses_are_shared_by_the_anchors_that_find_an_action_at_least_one_per_video():
    head, raw = build(), silent(logit=0.0, videos=2)
    full, empty = actions((16.0, 24.0, 1)), actions()  # anchors 16 ... 24 and 14.3 ... 25.7

    def loss(*targets):
        return head.loss(raw, targets)["classification"].item()

    of_full, of_empty = loss(full, full) * 4 / 2, loss(empty, empty) * 2 / 2
    assert loss(full, empty) == pytest.approx((of_full + of_empty) / 3)


def test_losses_follow_their_settings():
    anchors = 2 * sum(LENGTHS)
    loss = build(gamma=0.0, alpha=0.4).loss(silent(logit=0.0), [actions()])
    assert loss["classification"].item() == pytest.approx(anchors * K * 0.6 * math.log(2))


def test_a_candidate_is_at_most_so_much_longer_than_its_anchor():
    raw = silent()
    raw.deltas[0][0, 1, 8] = 5.0  # the length of the first anchor of position 8, 28 ... 36
    segments = build(delta_clamp=0.5).candidates(raw).segments[0, 16]
    assert (segments[1] - segments[0]).item() == pytest.approx(8 * math.exp(0.5))


def test_equal_segments_share_their_labels():
    dive = [actions((16.0, 24.0, 1), (16.0, 24.0, 2))]
    raw = silent()
    raw.logits[0][0, [1, 2, K + 1, K + 2], 5] = 20.0
    assert build().loss(raw, dive)["classification"] < 1e-4
    # With one label, the other score is a mistake.
    assert build(one_label=True).loss(raw, dive)["classification"] > 1


def test_equal_segments_of_equal_label_are_one():
    raw = build()(pyramid(videos=1))
    once = build().loss(raw, [actions((16.0, 24.0, 1))])
    assert build().loss(raw, [actions((16.0, 24.0, 1), (16.0, 24.0, 1))]) == once


def test_losses_and_candidates_are_taken_in_float32():
    head, raw = build(), build()(pyramid())
    logits = tuple(x.bfloat16() for x in raw.logits)
    deltas = tuple(x.bfloat16() for x in raw.deltas)
    half = raw._replace(logits=logits, deltas=deltas)
    full = raw._replace(
        logits=tuple(x.float() for x in logits), deltas=tuple(x.float() for x in deltas)
    )
    assert head.loss(half, SOME) == head.loss(full, SOME)
    for found, wanted in zip(head.candidates(half), head.candidates(full), strict=True):
        assert torch.equal(found, wanted)


def test_levels_share_their_weights():
    head, level = build(), pyramid().levels[0]
    raw = head(Pyramid((level, level), STRIDES))
    assert torch.equal(*raw.logits)
    assert torch.equal(*raw.deltas)


def test_a_pyramid_of_other_strides_is_refused():
    with pytest.raises(ValueError, match=r"strides \(4, 16\), not \(4, 8\)"):
        build()(pyramid()._replace(strides=(4, 16)))


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match=r"negative_iou <= positive_iou .* got 0\.7 and 0\.6"):
        anchor.Config(negative_iou=0.7)
    with pytest.raises(ValueError, match=r"prior: wanted a number in \(0, 1\), got 1\.0"):
        anchor.Config(prior=1.0)
    with pytest.raises(ValueError, match="top_k: wanted a number above 0"):
        anchor.Config(top_k=0)


def test_unknown_weights_are_refused():
    with pytest.raises(ValueError, match=r"cls_convs\.0\.conv\.scale\.extra"):
        rename_head({"cls_convs.0.conv.scale.extra": torch.zeros(1)})
