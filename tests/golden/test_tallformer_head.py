"""The anchor head and its parts against the authors' code."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from untrimmed.nn.heads import anchor
from untrimmed.nn.names.anchor import rename as rename_head
from untrimmed.nn.ops.anchors import level_anchors
from untrimmed.nn.ops.assign import assign
from untrimmed.nn.ops.losses import diou, sigmoid_focal
from untrimmed.nn.ops.nms import nms, non_maximum_weighting, soft_nms
from untrimmed.nn.ops.segments import decode, encode, iof, iou
from untrimmed.tensors import Padded, Pyramid, Targets

A = 5  # anchors per position, in all these files
OUTPUT = {"rtol": 1e-4, "of_max": 2e-5}
GRADIENT = {"rtol": 1e-3, "of_max": 1e-4}


def check(actual, wanted, *, rtol, of_max):
    actual = np.asarray(torch.as_tensor(actual).detach())
    assert actual.shape == wanted.shape
    scale = np.abs(wanted).max(initial=0)
    np.testing.assert_allclose(actual, wanted, rtol=rtol, atol=of_max * scale)


def tensor(array):
    return torch.from_numpy(np.array(array))


def numbered(arrays, prefix):
    """Arrays prefix0, prefix1, ... as tensors."""
    keys = (f"{prefix}{number}" for number in itertools.count())
    return [tensor(arrays[key]) for key in itertools.takewhile(arrays.__contains__, keys)]


def raw_of(logits, deltas):
    """Raw output of a head on strides 8, 16, ..., valid everywhere."""
    B = len(logits[0])
    valid = tuple(torch.ones(B, x.shape[-1], dtype=torch.bool) for x in logits)
    return anchor.Raw(
        tuple(logits), tuple(deltas), valid, tuple(8 * 2**i for i in range(len(logits)))
    )


def head_for(raw, **settings):
    config = anchor.Config(width=3, stacked=1, scales=A, **settings)
    return config.build(2, raw.logits[0].shape[1] // A, raw.strides)


# thumos_loss.npz


@pytest.fixture
def loss_case(golden):
    return golden("tallformer/thumos_loss.npz")


@pytest.fixture
def loss_targets(loss_case):
    labels = numbered(loss_case, "label")
    return [Targets(*pair) for pair in zip(numbered(loss_case, "gt"), labels, strict=True)]


def loss_anchors(loss_case):
    levels = numbered(loss_case, "anchors")
    return [
        level_anchors(len(level) // A, stride=8 * 2**i, scales=A, base_scale=2.0)
        for i, level in enumerate(levels)
    ]


def loss_raw(loss_case):
    logits = [x.requires_grad_() for x in numbered(loss_case, "cls")]
    return raw_of(logits, [x.requires_grad_() for x in numbered(loss_case, "reg")])


def assigned(loss_case, target):
    anchors = torch.cat(loss_anchors(loss_case))
    valid = torch.ones(len(anchors), dtype=torch.bool)
    return assign(anchors, valid, target.segments, positive_iou=0.6, negative_iou=0.4)


def test_anchors_are_theirs(loss_case):
    for ours, theirs in zip(loss_anchors(loss_case), numbered(loss_case, "anchors"), strict=True):
        check(ours, theirs.numpy(), **OUTPUT)


def test_every_anchor_gets_their_action(loss_case, loss_targets):
    for i, target in enumerate(loss_targets):
        action, trained = assigned(loss_case, target)
        theirs = loss_case[f"assign{i}/gt_inds"]
        np.testing.assert_array_equal(torch.where(trained, action, -1), theirs)


def test_overlaps_with_actions_are_theirs(loss_case, loss_targets):
    anchors = torch.cat(loss_anchors(loss_case))
    for i, target in enumerate(loss_targets):
        best = F.pad(iou(anchors, target.segments), (0, 1)).amax(1)
        check(best, loss_case[f"assign{i}/max_overlaps"], **OUTPUT)


def test_labels_segments_and_weights_of_anchors_are_theirs(loss_case, loss_targets):
    K = loss_case["cls0"].shape[1] // A
    lengths = [len(level) for level in numbered(loss_case, "anchors")]
    positives, negatives = 0, 0
    for i, target in enumerate(loss_targets):
        action, trained = assigned(loss_case, target)
        found = action > 0
        positives += max(int(found.sum()), 1)
        negatives += int((trained & ~found).sum())
        labels = F.pad(target.labels, (1, 0), value=K)[action].split(lengths)
        segments = F.pad(target.segments, (0, 0, 1, 0))[action].split(lengths)
        fields = zip(labels, trained.split(lengths), segments, found.split(lengths), strict=True)
        for level, (label, train, segment, find) in enumerate(fields):
            theirs = {
                name: loss_case[f"target/{name}{level}"][i]
                for name in ("labels", "label_weights", "segments", "segment_weights")
            }
            np.testing.assert_array_equal(label, theirs["labels"])
            np.testing.assert_array_equal(train.float(), theirs["label_weights"])
            np.testing.assert_array_equal(segment, theirs["segments"])
            np.testing.assert_array_equal(
                find.float()[:, None].expand(-1, 2), theirs["segment_weights"]
            )
    assert positives == loss_case["target/num_total_pos"]
    assert negatives == loss_case["target/num_total_neg"]


def test_losses_are_theirs(loss_case, loss_targets):
    raw = loss_raw(loss_case)
    losses = head_for(raw, one_label=True).loss(raw, loss_targets)
    check(losses["classification"], loss_case["loss_cls"], **OUTPUT)
    check(losses["regression"], loss_case["loss_segment"], **OUTPUT)
    check(sum(losses.values()), loss_case["loss"], **OUTPUT)


def test_gradients_of_the_loss_are_theirs(loss_case, loss_targets):
    raw = loss_raw(loss_case)
    sum(head_for(raw, one_label=True).loss(raw, loss_targets).values()).backward()
    for level, (logits, deltas) in enumerate(zip(raw.logits, raw.deltas, strict=True)):
        check(logits.grad, loss_case[f"grad/cls{level}"], **GRADIENT)
        check(deltas.grad, loss_case[f"grad/reg{level}"], **GRADIENT)


def test_losses_without_any_action_are_theirs(loss_case, loss_targets):
    raw = loss_raw(loss_case)
    none = Targets(torch.zeros(0, 2), torch.zeros(0, dtype=torch.long))
    losses = head_for(raw).loss(raw, [none] * len(loss_targets))
    check(losses["classification"], loss_case["empty/loss_cls"], **OUTPUT)
    check(losses["regression"], loss_case["empty/loss_segment"], **OUTPUT)
    check(sum(losses.values()), loss_case["empty/loss"], **OUTPUT)


def test_focal_loss_and_its_gradient_are_theirs(loss_case):
    logits = tensor(loss_case["focal/logits"]).requires_grad_()
    K = logits.shape[1]
    targets = F.one_hot(tensor(loss_case["focal/target"]), K + 1)[:, :K].float()
    loss = sigmoid_focal(logits, targets, alpha=0.25, gamma=2.0)
    loss.sum().backward()
    check(loss, loss_case["focal/loss"], **OUTPUT)
    check(logits.grad, loss_case["focal/grad"], **GRADIENT)


def test_distance_iou_loss_and_its_gradient_are_theirs(loss_case):
    segments = tensor(loss_case["diou/pred"]).requires_grad_()
    loss = diou(segments, tensor(loss_case["diou/target"]), eps=1e-6)
    loss.sum().backward()
    check(loss, loss_case["diou/loss"], **OUTPUT)
    check(segments.grad, loss_case["diou/grad"], **GRADIENT)


def test_coding_of_segments_is_theirs(loss_case):
    anchors, deltas = tensor(loss_case["coder/anchors"]), tensor(loss_case["coder/deltas"])
    decoded = decode(anchors, deltas, max_growth=1.0)
    check(encode(anchors, tensor(loss_case["coder/gt"])), loss_case["coder/encode"], **OUTPUT)
    check(decoded, loss_case["coder/decode"], **OUTPUT)
    check(decoded.clamp(0, 128), loss_case["coder/decode_clamped"], **OUTPUT)


def test_overlaps_are_theirs(loss_case):
    a, b = tensor(loss_case["iou/a"]), tensor(loss_case["iou/b"])
    check(iou(a, b), loss_case["iou/iou"], **OUTPUT)
    check(iof(a, b), loss_case["iou/iof"], **OUTPUT)


# thumos_post.npz


@pytest.fixture
def post_case(golden):
    return golden("tallformer/thumos_post.npz")


def windows(post_case):
    return range(len(post_case["tsize"]))


def decoded_windows(post_case):
    return [
        (
            tensor(post_case[f"dec{window}/segments"]),
            tensor(post_case[f"dec{window}/scores"])[:, :-1],  # the last column is background
        )
        for window in windows(post_case)
    ]


def check_kept(kept, post_case, name):
    np.testing.assert_array_equal(kept.labels, post_case[f"{name}_label"])
    check(torch.cat([kept.segments, kept.scores[:, None]], 1), post_case[name], **OUTPUT)


def test_candidates_are_theirs(post_case):
    raw = raw_of(numbered(post_case, "cls"), numbered(post_case, "reg"))
    segments, scores = head_for(raw, top_k=60).candidates(raw)
    for window in windows(post_case):
        # Our window ends with the last position, theirs may end inside of its cell.
        end, shift = float(post_case["tsize"][window]), float(post_case["tshift"][window])
        ours = (segments[window].clamp(max=end) + shift) / post_case["tscale_factor"][window]
        check(ours, post_case[f"dec{window}/segments"], **OUTPUT)
        check(scores[window], post_case[f"dec{window}/scores"][:, :-1], **OUTPUT)


def test_non_maximum_weighting_is_theirs(post_case):
    for window, (segments, scores) in enumerate(decoded_windows(post_case)):
        kept = non_maximum_weighting(segments, scores, iou=0.5, threshold=0.005, limit=200)
        check_kept(kept, post_case, f"dec{window}/nmw")


def test_non_maximum_weighting_of_all_windows_together_is_theirs(post_case):
    segments, scores = map(torch.cat, zip(*decoded_windows(post_case), strict=True))
    kept = non_maximum_weighting(segments, scores, iou=0.5, threshold=0.005, limit=200)
    check_kept(kept, post_case, "merged/nmw")


def test_suppression_by_class_is_theirs(post_case):
    for window, (segments, scores) in enumerate(decoded_windows(post_case)):
        kept = nms(segments, scores, iou=0.5, threshold=0.005, limit=200)
        check_kept(kept, post_case, f"dec{window}/nms")


def test_soft_suppression_by_class_is_theirs(post_case):
    for window, (segments, scores) in enumerate(decoded_windows(post_case)):
        lasting = segments[:, 1] > segments[:, 0]
        kept = soft_nms(
            segments[lasting],
            scores[lasting],
            sigma=0.5,
            min_score=0.02,
            threshold=0.005,
            limit=200,
        )
        check_kept(kept, post_case, f"dec{window}/softnms")


def first_equal(rows):
    """The first row that is equal to each: their order of equal candidates is not ours."""
    return (rows[:, None] == rows[None]).all(-1).float().argmax(1)


def test_suppression_of_one_class_is_theirs(post_case):
    dets = tensor(post_case["raw/dets"])
    kept = nms(dets[:, :2], dets[:, 2], iou=0.5)
    same = first_equal(dets)
    np.testing.assert_array_equal(same[kept.origin], same[tensor(post_case["raw/nms_keep"])])


@pytest.mark.parametrize("method", ["linear", "gaussian"])
def test_soft_suppression_of_one_class_is_theirs(post_case, method):
    dets = tensor(post_case["raw/dets"])
    kept = soft_nms(dets[:, :2], dets[:, 2], method=method, iou=0.3, sigma=0.5, min_score=1e-3)
    theirs = post_case[f"raw/soft_{method}"]
    check(torch.cat([kept.segments, kept.scores[:, None]], 1), theirs, **OUTPUT)
    same = first_equal(dets)
    order = tensor(post_case[f"raw/soft_{method}_idx"])
    np.testing.assert_array_equal(same[kept.origin], same[order])


# thumos_neck_head.npz


@pytest.fixture
def network(golden):
    return golden("tallformer/thumos_neck_head.npz")


def trained_head(network):
    """Their head, on levels of strides 8, 16, ..."""
    weights = {
        key.removeprefix("w/head."): tensor(array)
        for key, array in network.items()
        if key.startswith("w/head.")
    }
    width, channels, _ = weights["cls_convs.0.conv.weight"].shape
    stacked = sum(key.startswith("cls_convs.") and key.endswith("conv.weight") for key in weights)
    classes = len(weights["retina_cls.bias"]) // A
    strides = [8 * 2**i for i in range(len(numbered(network, "eval/fpn")))]
    head = anchor.Config(width=width, stacked=stacked).build(channels, classes, strides)
    missing, unexpected = head.load_state_dict(rename_head(weights), strict=False)
    assert not unexpected
    assert all(key.endswith("num_batches_tracked") for key in missing)  # not in the file
    return head


def run(head, network, mode):
    levels = numbered(network, f"{mode}/fpn")
    return head(Pyramid(tuple(Padded.whole(x) for x in levels), head.strides))


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_raw_output_is_theirs(network, mode):
    raw = run(trained_head(network).train(mode == "train"), network, mode)
    for level, (logits, deltas) in enumerate(zip(raw.logits, raw.deltas, strict=True)):
        check(logits, network[f"{mode}/cls{level}"], **OUTPUT)
        check(deltas, network[f"{mode}/reg{level}"], **OUTPUT)


def test_running_statistics_move_once_per_level(network):
    head = trained_head(network).train()
    run(head, network, "train")
    for name in ("running_mean", "running_var"):
        ours = head.score_tower.norms[0].get_buffer(name)
        check(ours, network[f"train/head.cls_convs.0.bn.{name}"], **OUTPUT)


def test_gradients_of_the_head_are_theirs(network):
    head = trained_head(network).eval()
    raw = run(head, network, "eval")
    outputs = [*zip(raw.logits, numbered(network, "gout/cls"), strict=True)]
    outputs += zip(raw.deltas, numbered(network, "gout/reg"), strict=True)
    sum((output * upstream).sum() for output, upstream in outputs).backward()
    prefix = "eval/grad/head."
    for key in (key for key in network if key.startswith(prefix)):
        theirs = key.removeprefix(prefix)
        (ours,) = rename_head({theirs: torch.empty(0)})
        check(head.get_parameter(ours).grad, network[key], **GRADIENT)
