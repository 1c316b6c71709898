"""ActionFormer's head: labels, losses, raw output, candidates and detections of its networks."""

import itertools
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from untrimmed.core.grid import TimeGrid
from untrimmed.detect.postprocess import Suppression, detections, found
from untrimmed.nn.heads import point
from untrimmed.nn.names.point import rename as rename_head
from untrimmed.nn.ops.losses import diou, sigmoid_focal
from untrimmed.nn.ops.points import Points, lessons
from untrimmed.tensors import Padded, Pyramid, Targets

NETWORKS = [
    "local_window",
    "global_attention",
    "anet_like",
    "ego4d_like",
    "fpn_relpe_autoweight",
    "conv_backbone_noln",
    "scale_factor4",
]
VIDEOS = [
    (network, f"video_{name}")
    for network in NETWORKS
    for name in (0, 1, 2, 3, "long")
    if (network, name) != ("anet_like", "long")  # it sees no more than its training windows
]
BATCHES = [(network, "train") for network in NETWORKS] + [
    (network, "long") for network, video in VIDEOS if video == "video_long"
]
OUTPUT = {"rtol": 1e-4, "atol": 5e-5}
LOSS = {"rtol": 0, "atol": 1e-5}
SCORE = {"rtol": 0, "atol": 1e-5}
TIME = {"rtol": 0, "atol": 1e-3}
B = 4


def tensor(array):
    return torch.from_numpy(np.array(array))


def check(actual, wanted, *, rtol, atol):
    actual = np.asarray(actual.detach() if isinstance(actual, torch.Tensor) else actual)
    assert actual.shape == wanted.shape
    np.testing.assert_allclose(actual, wanted, rtol=rtol, atol=atol)


def numbered(arrays, prefix):
    """Arrays prefix0, prefix1, ... as tensors."""
    keys = (f"{prefix}{number}" for number in itertools.count())
    return [tensor(arrays[key]) for key in itertools.takewhile(arrays.__contains__, keys)]


# labels and losses


def test_every_point_learns_what_theirs_does(golden):
    arrays = golden("actionformer/labels/label_cases.npz")
    cases = {key.split("/")[0] for key in arrays}
    assert len(cases) == 22
    for case in cases:
        of = {
            key.split("/")[1]: value for key, value in arrays.items() if key.startswith(f"{case}/")
        }
        positions, nearest, farthest, strides = tensor(of["points"]).T
        learned = lessons(
            Points(positions, strides, nearest, farthest),
            tensor(of["segments"]),
            tensor(of["labels"]),
            classes=int(of["num_classes"]),
            centre_radius=float(of["radius"]) if of["center_sample"] == "radius" else None,
        )
        positive = of["positive"]
        np.testing.assert_array_equal(learned.labels.T, of["cls_targets"], err_msg=case)
        np.testing.assert_array_equal(learned.labels.amax(0) > 0, positive, err_msg=case)
        np.testing.assert_array_equal(
            learned.distances.T[positive], of["reg_targets"][positive], err_msg=case
        )


@pytest.mark.parametrize("kind", ["hard", "smooth"])
def test_focal_loss_and_its_gradient_are_theirs(golden, kind):
    arrays = golden("actionformer/losses/loss_cases.npz")
    logits = tensor(arrays["focal_logits"]).requires_grad_()
    loss = sigmoid_focal(logits, tensor(arrays[f"focal_{kind}_target"]))
    loss.sum().backward()
    check(loss, arrays[f"focal_{kind}"], rtol=1e-5, atol=1e-6)
    check(logits.grad, arrays[f"focal_{kind}_grad"], rtol=1e-5, atol=1e-6)


def test_distance_loss_and_its_gradient_are_theirs(golden):
    arrays = golden("actionformer/losses/loss_cases.npz")
    distances = tensor(arrays["offset_pred"]).requires_grad_()
    sides = torch.tensor([-1.0, 1.0])
    loss = diou(distances * sides, tensor(arrays["offset_target"]) * sides, eps=1e-8)
    loss[5:].sum().backward()
    check(loss, arrays["diou"], rtol=1e-5, atol=1e-6)
    check(distances.grad, arrays["diou_grad_from_row5"], rtol=1e-5, atol=1e-6)


# the head of each network


class Case(NamedTuple):
    """A network: its settings, recorded arrays, head with its weights, and how to read more."""

    settings: dict[str, Any]
    arrays: dict[str, np.ndarray]
    head: point.PointHead
    read: Any


@pytest.fixture(params=NETWORKS)
def case(request, golden):
    folder = f"actionformer/models/{request.param}"
    settings, arrays = golden(f"{folder}/config.json"), golden(f"{folder}/arrays.npz")
    state = golden(f"{folder}/state_dict.npz")
    weights = {
        key: tensor(value)
        for key, value in state.items()
        if key.startswith(("cls_head.", "reg_head."))
    }
    channels = arrays["train_neck_l0"].shape[1]
    head = config(settings).build(channels, settings["model"]["num_classes"], strides(settings))
    missing, unknown = head.load_state_dict(rename_head(weights), strict=False)
    assert missing == ["positives"]
    assert not unknown
    return Case(settings, arrays, head, lambda name: golden(f"{folder}/{name}"))


def config(settings):
    model, train, test = settings["model"], settings["train_cfg"], settings["test_cfg"]
    radius = train["center_sample_radius"] if train["center_sample"] == "radius" else None
    return point.Config(
        layers=model["head_num_layers"],
        width=model["head_dim"],
        kernel=model["head_kernel_size"],
        norm=model["head_with_ln"],
        ranges=tuple((float(a), float(b)) for a, b in model["regression_range"]),
        centre_radius=radius,
        loss_weight=float(train["loss_weight"]) if train["loss_weight"] > 0 else None,
        label_smoothing=train["label_smoothing"],
        prior=train["cls_prior_prob"],
        positives=float(train["init_loss_norm"]),
        least_score=test["pre_nms_thresh"],
        top_k=test["pre_nms_topk"],
        least_length=test["duration_thresh"],
    )


def strides(settings):
    first, factor = settings["model"]["fpn_start_level"], settings["model"]["scale_factor"]
    levels = len(settings["model"]["regression_range"])
    return tuple(factor**level for level in range(first, first + levels))


def pyramid(settings, arrays, prefix):
    levels = zip(
        numbered(arrays, f"{prefix}_neck_l"), numbered(arrays, f"{prefix}_mask_l"), strict=True
    )
    return Pyramid(tuple(Padded(*level) for level in levels), strides(settings))


def targets(arrays):
    return [
        Targets(tensor(arrays[f"gt_segments_{i}"]), tensor(arrays[f"gt_labels_{i}"]))
        for i in range(B)
    ]


def test_points_are_theirs(case):
    arrays, head = case.arrays, case.head
    for level, theirs in enumerate(numbered(arrays, "long_points_l")):
        ours = Points.of_level(
            len(theirs), stride=head.strides[level], reach=head.config.ranges[level]
        )
        wanted = theirs[:, [0, 3, 1, 2]].T
        np.testing.assert_array_equal(torch.stack(list(ours)), wanted)


@pytest.mark.parametrize(("case", "prefix"), BATCHES, indirect=["case"])
def test_raw_output_is_theirs(case, prefix):
    settings, arrays, head, _ = case
    raw = head(pyramid(settings, arrays, prefix))
    for level, (logits, distances) in enumerate(zip(raw.logits, raw.distances, strict=True)):
        check(logits.mT, arrays[f"{prefix}_cls_logits_l{level}"], **OUTPUT)
        check(distances.mT, arrays[f"{prefix}_offsets_l{level}"], **OUTPUT)


def test_what_a_batch_learns_is_theirs(case):
    settings, arrays, head, _ = case
    levels = numbered(arrays, "train_points_l")
    positions, nearest, farthest, steps = torch.cat(levels).T
    for video, target in enumerate(targets(arrays)):
        learned = lessons(
            Points(positions, steps, nearest, farthest),
            *target,
            classes=settings["model"]["num_classes"],
            centre_radius=head.config.centre_radius,
        )
        positive = np.asarray(learned.labels.amax(0) > 0)
        np.testing.assert_array_equal(learned.labels.T, arrays["target_cls"][video])
        wanted = arrays["target_offsets"][video]
        np.testing.assert_array_equal(learned.distances.T[positive], wanted[positive])


def test_losses_and_their_running_divisor_are_theirs(case):
    settings, arrays, head, _ = case
    weight = head.config.loss_weight
    raw = head(pyramid(settings, arrays, "train"))
    assert head.positives == arrays["loss_normalizer_before"]
    for time in ("", "_2"):
        losses = head.loss(raw, targets(arrays))
        check(head.positives, arrays[f"loss_normalizer_after{time}"], rtol=1e-6, atol=0)
        check(losses["classification"], arrays[f"cls_loss{time}"], **LOSS)
        check(sum(losses.values()), arrays[f"final_loss{time}"], **LOSS)
        if weight is not None:
            check(losses["regression"] / weight, arrays[f"reg_loss{time}"], **LOSS)


def test_gradients_of_the_head_are_theirs(case):
    settings, arrays, head, read = case
    losses = head.loss(head(pyramid(settings, arrays, "train")), targets(arrays))
    sum(losses.values()).backward()
    theirs = read("grads.npz")
    names = [key for key in theirs if key.startswith(("cls_head.", "reg_head."))]
    assert len(names) == len(list(head.parameters()))
    for name in names:
        ((ours, wanted),) = rename_head({name: tensor(theirs[name])}).items()
        check(head.get_parameter(ours).grad, wanted.numpy(), **OUTPUT)


def candidates(case, video):
    """Of one video alone, and what is recorded of it."""
    settings, arrays, head, read = case
    recorded = read("detections.npz")
    prefix = "long" if video == "video_long" else "train"
    with torch.no_grad():
        whole = head.candidates(head(pyramid(settings, arrays, prefix)))
    row = 0 if prefix == "long" else int(video[-1])
    return type(whole)(*(field[row : row + 1] for field in whole)), recorded


@pytest.mark.parametrize(("case", "video"), VIDEOS, indirect=["case"])
def test_candidates_are_theirs(case, video):
    ours, theirs = candidates(case, video)
    arrays = case.arrays
    prefix = "long" if video == "video_long" else "train"
    lengths = [x.shape[1] for x in numbered(arrays, f"{prefix}_mask_l")]
    first = np.cumsum([0, *lengths])[theirs[f"{video}_pre_level"]]
    rows, labels = first + theirs[f"{video}_pre_point"], theirs[f"{video}_pre_labels"]
    wanted = np.zeros(ours.scores[0].shape, np.float32)
    wanted[rows, labels] = theirs[f"{video}_pre_scores"]
    np.testing.assert_array_equal(ours.scores[0] > 0, wanted > 0)
    check(ours.scores[0], wanted, **SCORE)
    check(ours.segments[0][rows], theirs[f"{video}_pre_segments"], **TIME)


@pytest.mark.parametrize(("case", "video"), VIDEOS, indirect=["case"])
def test_detections_are_theirs(case, video):
    ours, theirs = candidates(case, video)
    settings, arrays = case.settings, case.arrays
    how, timing = settings["test_cfg"], settings["video"]
    method = {"soft": "soft_nms", "hard": "nms", "none": "none"}[how["nms_method"]]
    votes = how["voting_thresh"] > 0 and not how["multiclass_nms"]
    suppression = Suppression(
        method=method,
        iou=how["iou_threshold"],
        sigma=how["nms_sigma"],
        min_score=how["min_score"],
        class_agnostic=not how["multiclass_nms"],
        voting=how["voting_thresh"] if votes else None,
        least_score=how["pre_nms_thresh"],
        most=how["max_seg_num"] if method != "none" else 10**6,  # without suppression all are kept
    )
    grid = TimeGrid.from_clips(
        fps=timing["fps"],
        clip_frames=timing["feat_num_frames"],
        step_frames=timing["feat_stride"],
        length=int(arrays["lengths"].max()),
    )
    duration = (
        arrays["duration_long"] if video == "video_long" else arrays["durations"][int(video[-1])]
    )
    seen = found(ours, grid, least_score=suppression.least_score)
    one = detections([seen], duration_s=float(duration), config=suppression)
    wanted = [theirs[f"{video}_final_{name}"] for name in ("segments", "scores", "labels")]
    # Deviates: of what lies beyond the end of a video they keep a detection without length.
    long = wanted[0][:, 1] > wanted[0][:, 0]
    order = np.argsort(-wanted[1][long], kind="stable")  # with "none" theirs are in no order
    segments, scores, labels = (field[long][order] for field in wanted)
    np.testing.assert_array_equal(one.labels, labels)
    check(one.scores, scores, **SCORE)
    check(one.segments_s, segments, **TIME)
