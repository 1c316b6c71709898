"""A classifier of whole videos beside a head of a single class."""

import pytest
import torch
import torch.nn.functional as F

from untrimmed.nn.heads import anchor
from untrimmed.nn.ops.losses import softmax_focal
from untrimmed.nn.protocols import Head
from untrimmed.nn.video_class import Config, Unclassified, VideoClassHead
from untrimmed.tensors import Padded, Pyramid, Targets, pad

B, C, D, K = 2, 6, 5, 4  # D channels of what represents the window
STRIDES = (2, 4)


def build(**settings):
    torch.manual_seed(0)
    inner = anchor.Config(width=6, stacked=1, scales=2).build(C, 1, STRIDES)
    for weight in inner.parameters():
        if weight.ndim > 1:
            torch.nn.init.xavier_uniform_(weight)
    return VideoClassHead(Config(**settings), inner, channels=D, classes=K).eval()


@pytest.fixture
def head():
    return build()


@pytest.fixture
def pyramid():
    torch.manual_seed(1)
    levels = tuple(Padded.whole(torch.randn(B, C, T)) for T in (8, 4))
    return Pyramid(levels, STRIDES, pad([torch.randn(D, 16), torch.randn(D, 9)]))


ACTIONS = [
    Targets(torch.tensor([[2.0, 9.0], [10.0, 14.0]]), torch.tensor([3, 1])),
    Targets(torch.tensor([[4.0, 8.0]]), torch.tensor([0])),
]


def test_it_is_a_head(head):
    assert isinstance(head, Head)


def test_logits_are_those_of_the_mean_over_valid_cells(head, pyramid):
    means = torch.stack([pyramid.whole.values[0].mean(1), pyramid.whole.values[1, :, :9].mean(1)])
    torch.testing.assert_close(head(pyramid).logits, head.classifier(means))


def test_padding_changes_nothing(head, pyramid):
    whole = Padded(F.pad(pyramid.whole.values, (0, 3)), F.pad(pyramid.whole.valid, (0, 3)))
    longer = head(pyramid._replace(whole=whole))
    torch.testing.assert_close(longer.logits, head(pyramid).logits)


def test_scores_are_products_for_the_likeliest_classes_and_0_for_the_others(head, pyramid):
    raw = head(pyramid)
    scores = head.candidates(raw).scores
    located = head.head.candidates(raw.located)
    shares = raw.logits.softmax(-1)[:, 1:]
    for row in range(B):
        order = shares[row].argsort(descending=True).tolist()
        for label in order[:2]:
            wanted = located.scores[row, :, 0] * shares[row, label]
            torch.testing.assert_close(scores[row, :, label], wanted)
        assert scores[row][:, order[2:]].abs().sum() == 0
    assert torch.equal(head.candidates(raw).segments, located.segments)


def test_no_class_is_never_among_the_likeliest(head, pyramid):
    with torch.no_grad():
        head.classifier.bias[0] = 50.0
    scores = head.candidates(head(pyramid)).scores
    assert [int(row.amax(0).count_nonzero()) for row in scores] == [2, 2]


@pytest.mark.parametrize("likeliest", [1, 3, 9])
def test_so_many_classes_are_likely_as_asked_for(pyramid, likeliest):
    head = build(likeliest=likeliest)
    scores = head.candidates(head(pyramid)).scores
    assert [int(row.amax(0).count_nonzero()) for row in scores] == [min(likeliest, K)] * B


def test_the_class_of_a_video_is_that_of_its_first_action(head, pyramid):
    raw = head(pyramid)
    losses = head.loss(raw, ACTIONS)
    wanted = F.cross_entropy(raw.logits, torch.tensor([4, 1]))
    torch.testing.assert_close(losses["video_class"], wanted)


def test_the_paper_has_a_focal_loss(pyramid):
    head = build(loss="focal")
    raw = head(pyramid)
    wanted = softmax_focal(raw.logits, torch.tensor([4, 1])).mean()
    torch.testing.assert_close(head.loss(raw, ACTIONS)["video_class"], wanted)


def test_for_the_head_all_actions_are_of_one_class(head, pyramid):
    raw = head(pyramid)
    losses = head.loss(raw, ACTIONS)
    one = [Targets(video.segments, torch.zeros_like(video.labels)) for video in ACTIONS]
    wanted = head.head.loss(raw.located, one)
    assert losses.keys() == {*wanted, "video_class"}
    for name, value in wanted.items():
        assert torch.equal(losses[name], value)


def test_a_video_without_actions_teaches_no_class(head, pyramid):
    nothing = Targets(torch.zeros(0, 2), torch.zeros(0).long())
    raw = head(pyramid)
    loss = head.loss(raw, [nothing, ACTIONS[1]])["video_class"]
    torch.testing.assert_close(loss, F.cross_entropy(raw.logits[1:], torch.tensor([1])))
    loss = head.loss(raw, [nothing, nothing])["video_class"]
    loss.backward()
    assert float(loss.detach()) == 0
    assert not head.classifier.weight.grad.any()


def test_the_mean_is_dropped_out_in_training_alone(pyramid):
    head = build(dropout=0.5)
    torch.manual_seed(2)
    assert not torch.equal(head.train()(pyramid).logits, head(pyramid).logits)
    assert torch.equal(head.eval()(pyramid).logits, head(pyramid).logits)


def test_a_pyramid_without_features_of_the_whole_is_refused(head, pyramid):
    with pytest.raises(ValueError, match="a pyramid without their features"):
        head(pyramid._replace(whole=None))


@pytest.mark.parametrize(("setting", "value"), [("dropout", 1.0), ("likeliest", 0)])
def test_settings_out_of_range_are_refused(setting, value):
    with pytest.raises(ValueError, match=setting):
        Config(**{setting: value})


def test_unheard_classes_leave_what_the_head_within_finds(head, pyramid):
    raw = head(pyramid)
    found, plain = Unclassified(head).candidates(raw), head.head.candidates(raw.located)
    assert torch.equal(found.segments, plain.segments)
    assert torch.equal(found.scores, plain.scores)
    assert found.scores.shape[-1] == 1
    assert torch.equal(Unclassified(head)(pyramid).logits, raw.logits)


def test_unheard_classes_are_taught_all_the_same(head, pyramid):
    raw = head(pyramid)
    assert Unclassified(head).loss(raw, ACTIONS).keys() == head.loss(raw, ACTIONS).keys()
    assert isinstance(Unclassified(head), Head)
