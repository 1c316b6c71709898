"""A head that guesses segments and looks at their boundaries again."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from untrimmed.nn.heads import refined_point
from untrimmed.nn.names.refined_point import rename as rename_head
from untrimmed.nn.protocols import Head
from untrimmed.tensors import Padded, Pyramid, Targets, pad

C, K = 8, 3
STRIDES = (2, 4, 8)
RANGES = ((0.0, 12.0), (6.0, 24.0), (12.0, 96.0))
CONFIG = refined_point.Config(stacked=1, groups=2, steps=4, ranges=RANGES)  # a step is half a cell


def build(config=CONFIG, classes=K):
    torch.manual_seed(0)
    head = config.build(C, classes, STRIDES)
    for weight in head.parameters():  # the first values of the head are all but zero
        if weight.ndim > 1:
            nn.init.xavier_uniform_(weight, gain=2.0)
        elif weight.numel() > 1:
            nn.init.normal_(weight, mean=float(weight.detach().mean()), std=0.3)
    return head


@pytest.fixture
def head():
    return build()


def pyramid(*lengths, cells=None):
    """Levels of videos of these lengths of the finest level, which is `cells` long."""
    torch.manual_seed(1)
    cells = max(lengths) if cells is None else cells
    levels = []
    for _ in STRIDES:
        levels.append(pad([torch.randn(C, length) for length in lengths], length=cells))
        lengths, cells = [-(-length // 2) for length in lengths], -(-cells // 2)
    return Pyramid(tuple(levels), STRIDES)


def targets(*videos):
    return [
        Targets(torch.tensor(segments).float().reshape(-1, 2), torch.tensor(labels).long())
        for segments, labels in videos
    ]


ACTIONS = targets(([[3.0, 11.0], [20.0, 30.0]], [2, 0]), ([[1.0, 6.5]], [1]))


def by_video(candidates, row, count):
    """Those of a video, without the padding of every level."""
    chosen = candidates.scores[row].amax(-1) > 0
    assert int(chosen.sum()) <= count
    return candidates.segments[row][chosen], candidates.scores[row][chosen]


def test_it_is_a_head(head):
    assert isinstance(head, Head)


def test_every_point_gives_a_candidate(head):
    candidates = head.candidates(head(pyramid(16, 9)))
    assert candidates.segments.shape == (2, 16 + 8 + 4, 2)
    assert candidates.scores.shape == (2, 16 + 8 + 4, K)
    assert (candidates.scores >= 0).all()
    assert (candidates.scores <= 1).all()


def test_padding_changes_no_candidate_and_no_loss(head):
    short, longer = (head(pyramid(16, 9, cells=16 + more)) for more in (0, 5))
    for row, count in ((0, 28), (1, 17)):
        ours, wanted = (by_video(head.candidates(raw), row, count) for raw in (longer, short))
        torch.testing.assert_close(ours, wanted)
    losses, wanted = (head.loss(raw, ACTIONS) for raw in (longer, short))
    torch.testing.assert_close(losses, wanted)


def test_a_batch_is_its_videos_one_by_one(head):
    both = pyramid(16, 9)
    alone = Pyramid(
        tuple(
            Padded.whole(level.values[1:, :, : -(-9 // 2**number)])
            for number, level in enumerate(both.levels)
        ),
        STRIDES,
    )
    ours = by_video(head.candidates(head(both)), 1, 17)
    torch.testing.assert_close(ours, by_video(head.candidates(head(alone)), 0, 17))


def test_losses_are_means_over_videos(head):
    both = pyramid(16, 16)
    together = head.loss(head(both), ACTIONS)
    parts = []
    for row, target in enumerate(ACTIONS):
        levels = tuple(Padded.whole(level.values[row : row + 1]) for level in both.levels)
        parts.append(head.loss(head(Pyramid(levels, STRIDES)), [target]))
    for name, value in together.items():
        torch.testing.assert_close(value, (parts[0][name] + parts[1][name]) / 2)


def test_scores_at_padding_are_0(head):
    candidates = head.candidates(head(pyramid(16, 9)))
    levels = torch.split(candidates.scores[1], [16, 8, 4])
    for level, length in zip(levels, (9, 5, 3), strict=True):
        assert level[:length].amax(1).gt(0).any()
        assert level[length:].abs().sum() == 0


def test_candidates_lie_inside_of_what_is_valid_and_have_a_length(head):
    candidates = head.candidates(head(pyramid(16, 9)))
    for row, end in ((0, 32.0), (1, 18.0)):
        segments, _ = by_video(candidates, row, 28)
        assert segments.min() >= 0
        assert segments.max() <= end
        assert (segments[:, 1] > segments[:, 0]).all()


def test_an_untrained_point_guesses_a_unit_to_both_sides():
    for unit in (1.0, 0.5):
        head = refined_point.Config(groups=2, steps=4, ranges=RANGES, unit=unit).build(
            C, K, STRIDES
        )
        with torch.no_grad():
            for part in (head.distances, head.offsets):
                part.weight.zero_()
        raw = head(pyramid(16))
        for distances, stride in zip(raw.distances, STRIDES, strict=True):
            assert (distances == unit * stride / STRIDES[0] * 4).all()
        segments = head.candidates(raw).segments[0]
        middle, stride = 16 + 3, STRIDES[1]  # the fourth position of the second level
        wanted = torch.tensor([stride * (3.5 - unit), stride * (3.5 + unit)])
        torch.testing.assert_close(segments[middle], wanted)


def test_no_guess_is_longer_than_allowed(head):
    with torch.no_grad():
        head.distances.bias.fill_(9.0)
    raw = head(pyramid(16))
    for distances, stride in zip(raw.distances, STRIDES, strict=True):
        assert (distances == 4.0 * stride / STRIDES[0] * 4).all()


def test_the_second_look_sees_the_boundaries_of_the_guess(head):
    """What changes far from a point, but at the start of its guess, changes its correction."""
    with torch.no_grad():
        head.distances.weight.zero_()
        head.distances.bias.fill_(1.0)  # e strides to both sides
    x = pyramid(64)
    x.levels[0].values.requires_grad_()
    offsets = head(x).offsets[0][0, :, 32]
    offsets.sum().backward()
    reached = x.levels[0].values.grad[0].abs().amax(0)
    # Group normalisation sees everything a little; the convolutions of fine features, the most.
    assert reached[32 - 3] > 3 * reached[4:20].median()


def test_every_parameter_gets_a_gradient(head):
    losses = head.loss(head(pyramid(16, 9)), ACTIONS)
    sum(losses.values()).backward()
    missing = [name for name, p in head.named_parameters() if p.grad is None or not p.grad.any()]
    assert missing == []


def test_without_actions_all_learn_that_there_is_none(head):
    nothing = targets(([], []), ([], []))
    raw = head(pyramid(16, 9))
    losses = head.loss(raw, nothing)
    for name in ("regression", "refined_regression", "quality"):
        assert losses[name].item() == 0
    assert losses["classification"] > 0
    assert losses["start"] > 0
    sum(losses.values()).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in head.parameters())


def test_labels_are_told_apart(head):
    raw = head(pyramid(16))
    losses = [
        head.loss(raw, targets(([[3.0, 11.0]], [label])))["classification"].item()
        for label in range(K)
    ]
    assert len(set(losses)) == K


def test_boundaries_of_the_finest_level_weigh_as_set():
    raw = build()(pyramid(16))
    target = targets(([[3.0, 11.0]], [0]))
    heads = [
        build(refined_point.Config(groups=2, steps=4, ranges=RANGES, boundary_weight=weight))
        for weight in (0.0, 1.0, 3.0)
    ]
    losses = [head.loss(raw, target)["start"] for head in heads]
    torch.testing.assert_close(losses[2] - losses[0], 3 * (losses[1] - losses[0]))
    assert losses[1] > losses[0]


def test_moving_video_and_actions_by_a_position_of_the_coarsest_level_moves_candidates(head):
    """Where the window is long enough and its ends are alike, no place is special."""
    torch.manual_seed(3)
    finest = torch.randn(1, C, 8).repeat(1, 1, 8)  # periodic: normalisation sees the same
    levels = [finest, F.avg_pool1d(finest, 2), F.avg_pool1d(finest, 4)]
    candidates = head.candidates(head(Pyramid(tuple(map(Padded.whole, levels)), STRIDES)))
    segments = torch.split(candidates.segments[0], [64, 32, 16])[0]
    torch.testing.assert_close(segments[24 + 8] - segments[24], torch.tensor([16.0, 16.0]))


def test_under_autocast_everything_is_finite(head):
    with torch.autocast("cpu", torch.bfloat16):
        losses = head.loss(head(pyramid(16, 9)), ACTIONS)
    assert all(value.dtype == torch.float32 for value in losses.values())
    sum(losses.values()).backward()
    assert all(p.grad.isfinite().all() for p in head.parameters() if p.grad is not None)


def test_first_values_are_those_of_the_authors():
    torch.manual_seed(0)
    head = refined_point.Config().build(64, 1, (1, 2, 4, 8, 16, 32))
    assert float(head.score_branch.join.conv.weight.detach().std()) == pytest.approx(0.01, rel=0.05)
    limit = (6 / (64 * 3 + 64 * 3)) ** 0.5
    assert float(head.fine[0].conv.weight.detach().abs().max()) == pytest.approx(limit, rel=0.01)
    assert all(not p.detach().any() for name, p in head.named_parameters() if name.endswith("bias"))


def test_another_pyramid_is_refused(head):
    with pytest.raises(ValueError, match=r"strides \(4, 8, 16\), not \(2, 4, 8\)"):
        head(Pyramid(pyramid(16).levels, (4, 8, 16)))


def test_a_range_too_few_is_refused():
    with pytest.raises(ValueError, match="6 ranges for 3 levels"):
        refined_point.Config(groups=2).build(C, K, STRIDES)


def test_targets_of_another_number_of_videos_are_refused(head):
    with pytest.raises(ValueError, match="targets of 1 videos for 2"):
        head.loss(head(pyramid(16, 9)), ACTIONS[:1])


@pytest.mark.parametrize(
    ("setting", "value"),
    [("steps", 0), ("unit", 0.0), ("most", 0.0), ("ranges", ((3.0, 3.0),)), ("refined_iou", 1.5)],
)
def test_settings_out_of_range_are_refused(setting, value):
    with pytest.raises(ValueError, match=setting):
        refined_point.Config(**{setting: value})


@pytest.mark.parametrize("key", ["loc_towers.0.0.conv1d.weight", "deconv.2.weight", "x"])
def test_foreign_weights_are_refused(key):
    with pytest.raises(ValueError, match=f"{key} is not a weight"):
        rename_head({key: torch.zeros(1)})
