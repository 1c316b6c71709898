"""TALLFormer's network for ActivityNet, whose head is that of AFSD, against the authors' code.

The coarsest levels have one position, on which group normalisation is badly conditioned: float32
numbers of equal networks differ by more than the tolerances.  So ours are computed in float64; what
is left is the rounding of theirs.
"""

import numpy as np
import pytest
import torch

from untrimmed.core.grid import TimeGrid
from untrimmed.detect.classify import classified
from untrimmed.detect.postprocess import Suppression, detections, found
from untrimmed.models import tallformer
from untrimmed.nn import video_class
from untrimmed.nn.detector import Detector
from untrimmed.nn.encoders import video_swin
from untrimmed.nn.heads import refined_point
from untrimmed.nn.ops.boundary_pooling import boundary_pool, boundary_windows
from untrimmed.nn.ops.nms import soft_nms
from untrimmed.nn.ops.refinement import around, boundary_maps
from untrimmed.tensors import Padded, Targets

FRAMES = 2  # per cell: the stride of their encoder
LEVELS = (32, 16, 8, 4, 2, 1)  # positions, in the files of small size
STRIDES = (4, 8, 16, 32, 64, 128)


def check(actual, wanted, *, rtol=1e-4, of_max=2e-5):
    actual = actual.detach().numpy() if isinstance(actual, torch.Tensor) else np.asarray(actual)
    assert actual.shape == wanted.shape
    scale = np.abs(wanted).max(initial=0)
    np.testing.assert_allclose(actual, wanted, rtol=rtol, atol=of_max * scale)


def check_gradient(actual, wanted):
    check(actual, wanted, rtol=1e-3, of_max=1e-4)


def double(array):
    return torch.from_numpy(np.array(array)).double()


def theirs(arrays, prefix="w/"):
    """Their weights, under all of their name."""
    return {
        f"coarse_pyramid_detection.{key.removeprefix(prefix)}": torch.from_numpy(array)
        for key, array in arrays.items()
        if key.startswith(prefix)
    }


def config_of(width, *, heads):
    return tallformer.Config(
        head=refined_point.Config(),
        width=width,
        consistency_heads=heads,
        consistency_drop_path=0.0,
        pyramid="convolutional",
        fpn_width=width,
        fpn_norm="group",
        video_class=video_class.Config(dropout=0.0),
    )


def detector_of(config, *, channels, classes, cells):
    temporal = config.temporal(channels, cells=cells)
    head = config.head.build(temporal.channels, 1, temporal.strides)
    whole = video_class.VideoClassHead(config.video_class, head, channels=channels, classes=classes)
    return Detector(None, temporal, whole)


def points_of(raw):
    """What they call loc, conf, prop_loc, prop_conf and center."""
    fields = (raw.distances, raw.logits, raw.offsets, raw.refined_logits, raw.quality)
    names = ("loc", "conf", "prop_loc", "prop_conf", "center")
    return {name: torch.cat(field, 2).mT for name, field in zip(names, fields, strict=True)}


def raw_of(arrays, prefix, *, gradient=False):
    """What the head would say if it said what they do."""
    names = ("loc", "conf", "prop_loc", "prop_conf", "center")
    said = {name: double(arrays[f"{prefix}{name}"]) for name in names}
    fields = [
        tuple(torch.split(field.requires_grad_(gradient).mT, LEVELS, 2)) for field in said.values()
    ]
    B = len(said["loc"])
    valid = tuple(torch.ones(B, T, dtype=torch.bool) for T in LEVELS)
    nothing = [Padded.whole(torch.zeros(B, C, T)) for C, T in ((2, 8 * LEVELS[0]), (4, LEVELS[0]))]
    return said, refined_point.Raw(*fields, *nothing, valid, STRIDES)


def head():
    return refined_point.Config().build(32, 1, STRIDES)


# boundary_pool.npz


@pytest.mark.parametrize("case", ["a", "b", "c"])
def test_boundary_pooling_is_that_of_their_kernel(golden, case):
    arrays = golden("tallformer/boundary_pool.npz")
    values = torch.from_numpy(arrays[f"{case}/in"]).requires_grad_()
    pooled = boundary_pool(Padded.whole(values), torch.from_numpy(arrays[f"{case}/segments"]))
    assert np.array_equal(pooled.detach(), arrays[f"{case}/out"])
    pooled.backward(torch.from_numpy(arrays[f"{case}/gout"]))
    check(values.grad, arrays[f"{case}/grad_in"], rtol=1e-6, of_max=1e-6)


# afsd_detector.npz


@pytest.fixture
def arrays(golden):
    return golden("tallformer/afsd_detector.npz")


@pytest.fixture
def detector(arrays):
    _, channels, cells = arrays["in"].shape
    classes = len(arrays["w/action_head.cls.bias"]) - 1
    width = len(arrays["w/pyramids.0.conv1.bias"])
    heads = arrays["w/pyramids.1.encoder.layers.0.attn.relative_position_bias_table"].shape[1]
    config = config_of(width, heads=heads)
    detector = detector_of(config, channels=channels, classes=classes, cells=cells)
    detector.load_state_dict(tallformer.rename(theirs(arrays)))
    return detector.double()


@pytest.fixture
def targets(arrays):
    """Their annotations, in cells; without those that have no length, as they have it."""
    videos = []
    for i in range(len(arrays["in"])):
        annotations = arrays[f"anno{i}"]
        annotations = annotations[annotations[:, 1] > annotations[:, 0]]
        labels = torch.from_numpy(annotations[:, 2]).long() - 1
        videos.append(Targets(double(annotations[:, :2]) / FRAMES, labels))
    return videos


def test_every_output_is_theirs(detector, arrays):
    raw = detector.eval()(Padded.whole(double(arrays["in"]))).raw
    check(raw.logits, arrays["eval/action_logits"])
    for name, values in points_of(raw.located).items():
        check(values, arrays[f"eval/{name}"], of_max=5e-5)


def test_the_pyramid_is_theirs(detector, arrays):
    levels = detector.temporal(Padded.whole(double(arrays["in"]))).levels
    for number, level in enumerate(levels):
        check(level.values, arrays[f"eval/pyramid{number}"], of_max=5e-5)


def test_boundaries_are_likely_where_their_features_are_strong(detector, arrays):
    raw = detector.eval()(Padded.whole(double(arrays["in"]))).raw.located
    fine = [arrays[f"eval/{side}"] for side in ("start", "end")]
    coarse = [
        arrays[f"eval/{side}_{branch}_prop"]
        for branch in ("loc", "conf")
        for side in ("start", "end")
    ]
    for likely, features in ((raw.fine, fine), (raw.coarse, coarse)):
        wanted = np.stack([np.tanh(side).mean(-1) for side in features], 1)
        check(likely.values, wanted, of_max=5e-5)


def test_windows_around_boundaries_are_theirs(arrays):
    first = 0
    for level, T in enumerate(LEVELS):
        distances = torch.from_numpy(arrays["eval/loc"][:, first : first + T])
        stride = FRAMES * STRIDES[level]
        segments = torch.arange(T)[:, None] + around(distances / stride)
        windows = boundary_windows(segments, (distances / stride).sum(-1))
        assert np.array_equal(windows, arrays[f"eval/segments{level}"])
        segments = stride * (torch.arange(T) + 0.5)[:, None] + around(distances)
        windows = boundary_windows(segments, segments[..., 1] - segments[..., 0] + 1)
        assert np.array_equal(windows, arrays[f"eval/frame_segments{level}"])
        first += T


def test_maps_of_boundaries_are_theirs(arrays, targets):
    for i, video in enumerate(targets):
        _, *wanted = arrays[f"score{i}"]
        frames = torch.ones(len(wanted[0]), dtype=torch.bool)
        maps = boundary_maps(video.segments * FRAMES, frames)
        assert np.array_equal(maps, wanted)
        assert np.array_equal(maps[:, ::8], arrays["score_eighth"][i, 1:])


def test_losses_are_theirs(detector, arrays, targets):
    raw = detector.train()(Padded.whole(double(arrays["in"]))).raw
    losses = detector.head.loss(raw, targets)
    wanted = {
        "regression": arrays["loss/loc"],
        "classification": arrays["loss/conf"],
        "refined_regression": arrays["loss/prop_loc"],
        "refined_classification": arrays["loss/prop_conf"],
        "quality": arrays["loss/center"],
        "video_class": arrays["loss/action"],
    }
    for side in ("start", "end"):
        branches = arrays[f"loss/{side}_loc_prop"] + arrays[f"loss/{side}_conf_prop"]
        wanted[side] = arrays[f"loss/{side}"] + 0.1 * branches
    assert losses.keys() == wanted.keys()
    for name, value in losses.items():
        check(value, wanted[name], rtol=1e-5)
    check(torch.stack(list(losses.values())).sum(), arrays["loss/total"], rtol=1e-6)


def test_gradients_are_theirs(detector, arrays, targets):
    features = double(arrays["in"]).requires_grad_()
    raw = detector.train()(Padded.whole(features)).raw
    torch.stack(list(detector.head.loss(raw, targets).values())).sum().backward()
    check_gradient(features.grad, arrays["train/grad_in"])
    gradients = theirs(arrays, prefix="train/grad/")
    assert gradients
    for key, wanted in gradients.items():
        (name,) = tallformer.rename({key: wanted})
        check(detector.get_parameter(name).grad, wanted.numpy(), rtol=1e-3, of_max=2e-4)


def test_losses_of_given_points_are_theirs_also_without_any_positive(arrays):
    said, raw = raw_of(arrays, "direct/", gradient=True)
    videos = []
    for i in range(len(raw.valid[0])):
        target = double(arrays[f"direct/target{i}"])
        frames = target[:, :2] * FRAMES * STRIDES[0] * LEVELS[0]
        videos.append(Targets(frames / FRAMES, torch.zeros(len(target)).long()))
    losses = head().loss(raw, videos)
    names = {
        "regression": "loc",
        "classification": "conf",
        "refined_regression": "prop_loc",
        "refined_classification": "prop_conf",
        "quality": "center",
    }
    for ours, name in names.items():
        check(losses[ours], arrays[f"direct/loss_{name}"], rtol=1e-5)
    sum(losses[name] for name in names).backward()
    for name, values in said.items():
        check_gradient(values.grad, arrays[f"direct/grad_{name}"])


# afsd_post.npz


@pytest.fixture
def post(golden):
    return golden("tallformer/afsd_post.npz")


def same_detections(ours, wanted):
    """Theirs lack the last candidate of each class, which their suppression loses."""
    labels = np.unique(wanted[:, 3])
    assert sorted(set(ours.labels)) == labels.tolist()
    for label in labels:
        mine = ours[ours.labels == label]
        rows = wanted[wanted[:, 3] == label]
        rows = rows[np.argsort(-rows[:, 2], kind="stable")]
        assert len(mine) == len(rows) + 1
        check(mine.segments_s[:-1], rows[:, :2], of_max=1e-5)
        check(mine.scores[:-1], rows[:, 2], of_max=0)


def seconds(post):
    """The grid of the video: cells of two frames."""
    step = FRAMES / float(post["fps"])
    return TimeGrid(first_s=0.0, step_s=step, length=STRIDES[0] * LEVELS[0])


SUPPRESSION = Suppression(method="soft_nms", sigma=0.85, min_score=0.0, least_score=0.0, most=5000)


def test_detections_by_the_own_classifier_are_theirs(post):
    _, located = raw_of(post, "net/")
    logits = double(post["net/action_logits"])
    classifier = video_class.VideoClassHead(
        video_class.Config(), head(), channels=3, classes=logits.shape[1] - 1
    )
    candidates = classifier.candidates(video_class.Raw(located, logits))
    window = found(candidates, seconds(post), least_score=0.0)
    duration = float(post["duration"])
    ours = detections([window], duration_s=duration, config=SUPPRESSION)
    same_detections(ours, post["s85/builtin"])


def proposals(post):
    """The candidates of no class."""
    _, located = raw_of(post, "net/")
    return found(head().candidates(located), seconds(post), least_score=0.0)


def test_detections_by_an_external_classifier_are_theirs(post):
    duration = float(post["duration"])
    ours = detections([proposals(post)], duration_s=duration, config=SUPPRESSION)
    named = classified(ours, post["cuhk_scores"], classes=2, most=None, combine="product")
    same_detections(named, post["s85/cuhk"])


def test_what_is_left_of_the_scores_is_theirs(post):
    window = proposals(post)
    segments, scores = torch.from_numpy(window.segments_s), torch.from_numpy(window.scores)
    for name, sigma, limit in (("s85", 0.85, 62), ("s50_top20", 0.5, 20)):
        kept = soft_nms(segments, scores, sigma=sigma, min_score=0.0, limit=limit)
        wanted = post[f"{name}/softnms"]
        wanted = wanted[np.argsort(-wanted[:, 2], kind="stable")]
        check(kept.segments, wanted[:, :2], of_max=1e-5)
        check(kept.scores, wanted[:, 2], of_max=0)


def test_suppression_of_given_segments_is_theirs(post):
    rows = double(post["raw/in"])
    for name, sigma, limit in (("soft_0.5_1000", 0.5, 1000), ("soft_0.85_10", 0.85, 10)):
        kept = soft_nms(rows[:, :2], rows[:, 2], sigma=sigma, min_score=1e-3, limit=limit)
        wanted = post[f"raw/{name}"]
        wanted = wanted[np.argsort(-wanted[:, 2], kind="stable")]
        check(kept.scores[: len(wanted)], wanted[:, 2], of_max=1e-6)


# afsd_full.npz and state_dict_names.json


def test_the_released_size_gives_what_the_authors_give(golden, procedural):
    arrays = golden("tallformer/afsd_full.npz")
    features = torch.from_numpy(arrays["in"]).double()
    _, channels, cells = features.shape
    classes = arrays["action_logits"].shape[1] - 1
    config = config_of(512, heads=16)
    detector = detector_of(config, channels=channels, classes=classes, cells=cells).eval()
    names = golden("tallformer/state_dict_names.json")["tallformer_activitynet_swin_B"]["entries"]
    weights = {}
    for key, (shape, kind, _) in names.items():
        name = key.removeprefix("coarse_pyramid_detection.")
        if name != key and kind == "float32":
            value = procedural(name, tuple(shape), seed=int(arrays["seed"]))
            weights[key] = torch.from_numpy(np.asarray(value, np.float32))
    detector.load_state_dict(tallformer.rename(weights))
    with torch.no_grad():
        raw = detector.double()(Padded.whole(features)).raw
    check(raw.logits, arrays["action_logits"])
    for name, values in points_of(raw.located).items():
        check(values, arrays[name], rtol=1e-3, of_max=2e-4)


def test_every_weight_of_the_released_model_has_a_place(golden):
    names = golden("tallformer/state_dict_names.json")["tallformer_activitynet_swin_B"]
    config = config_of(512, heads=16)
    settings = {field: getattr(config, field) for field in config.__dataclass_fields__}
    settings["encoder"] = video_swin.Config(size="base")
    with torch.device("meta"):
        detector = tallformer.Config(**settings).build(200, cells=384)
        weights = {key: torch.empty(shape) for key, (shape, _, _) in names["entries"].items()}
    given = {key: value.shape for key, value in tallformer.rename(weights).items()}
    assert given == {key: value.shape for key, value in detector.state_dict().items()}
    assert sum(weight.numel() for weight in detector.parameters()) == names["n_parameters"]
