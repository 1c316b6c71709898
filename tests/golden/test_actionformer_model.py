"""ActionFormer as a whole against the authors' code: outputs, gradients, weights, training."""

import numpy as np
import pytest
import torch

from untrimmed.models import actionformer
from untrimmed.nn.heads import point
from untrimmed.nn.layers.droppath import Residual
from untrimmed.tensors import Padded, Targets, pad
from untrimmed.train.ema import Averaged
from untrimmed.train.optimizer import OptimizerConfig, optimizer_for, parameter_groups

MODELS = (
    "local_window",
    "global_attention",
    "anet_like",
    "ego4d_like",
    "fpn_relpe_autoweight",
    "conv_backbone_noln",
    "scale_factor4",
)
PUBLISHED = (
    "thumos_i3d",
    "anet_tsp",
    "anet_i3d",
    "epic_slowfast_verb",
    "epic_slowfast_noun",
    "ego4d_slowfast",
    "ego4d_omnivore",
    "ego4d_egovlp",
    "ego4d_slowfast_egovlp",
    "ego4d_omnivore_egovlp",
    "ego4d_slowfast_omnivore_egovlp",
)
CLOSE = {"rtol": 1e-4, "atol": 5e-5}
LOSS = {"rtol": 0, "atol": 1e-5}


def listed(value):
    return tuple(value) if isinstance(value, list) else (value,)


def config_of(theirs):
    """Our settings of a network with these settings of the authors."""
    model, train = theirs["model"], theirs["train_cfg"]
    embed_layers, stem_layers, branch_layers = model["backbone_arch"]
    windows = tuple(w if w > 1 else None for w in listed(model["n_mha_win_size"]))
    width = listed(model["embd_dim"])
    head = point.Config(
        layers=model["head_num_layers"],
        width=model["head_dim"],
        kernel=model["head_kernel_size"],
        norm=model["head_with_ln"],
        ranges=tuple((float(a), float(b)) for a, b in model["regression_range"]),
        centre_radius=train["center_sample_radius"] if train["center_sample"] == "radius" else None,
        loss_weight=float(train["loss_weight"]) if train["loss_weight"] > 0 else None,
        label_smoothing=train["label_smoothing"],
        positives=float(train["init_loss_norm"]),
    )
    return actionformer.Config(
        head=head,
        width=sum(width),
        project=width if len(width) > 1 else None,
        embed_layers=embed_layers,
        embed_kernel=model["embd_kernel_size"],
        embed_norm=model["embd_with_ln"],
        backbone="conv" if model["backbone_type"] == "conv" else "transformer",
        stem_layers=stem_layers,
        branch_layers=branch_layers,
        scale_factor=model["scale_factor"],
        heads=model["n_head"],
        window=windows if len(windows) > 1 else windows[0],
        absolute_positions=model["use_abs_pe"],
        relative_positions=model["use_rel_pe"],
        dropout=train["dropout"],
        drop_path=train["droppath"],
        neck=model["fpn_type"],
        neck_width=model["fpn_dim"],
        neck_norm=model["fpn_with_ln"],
        first_level=model["fpn_start_level"],
    )


def detector_of(theirs, weights):
    """A network of theirs with their weights, in training, without anything that is random."""
    model = theirs["model"]
    detector = config_of(theirs).build(
        model["num_classes"], cells=model["max_seq_len"], channels=listed(model["input_dim"])
    )
    load(detector, {key: torch.as_tensor(array) for key, array in weights.items()})
    for module in detector.modules():
        if isinstance(module, Residual):
            module.rate = 0.0
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return detector.train()


def load(detector, weights):
    """Load the authors' weights: all that we have but the running mean, which they do not save."""
    kept = detector.load_state_dict(actionformer.rename(weights), strict=False)
    assert kept.unexpected_keys == []
    assert kept.missing_keys == ["head.positives"]


def ours(key):
    """The name that one of the authors' weights has here."""
    (name,) = actionformer.rename({key: torch.empty(1, 1, 1)})
    return name


@pytest.fixture(params=MODELS)
def case(request, golden):
    """A small network: their settings, ours with their weights, and their numbers."""
    folder = f"actionformer/models/{request.param}"
    theirs = golden(f"{folder}/config.json")
    arrays = golden(f"{folder}/arrays.npz")
    return theirs, detector_of(theirs, golden(f"{folder}/state_dict.npz")), arrays, folder


def window(arrays, prefix=""):
    values = torch.from_numpy(arrays[f"{prefix}batched_inputs"])
    return Padded(values, torch.from_numpy(arrays[f"{prefix}batched_mask"]))


def targets(arrays):
    rows = range(len(arrays["lengths"]))
    return [
        Targets(
            torch.from_numpy(arrays[f"gt_segments_{i}"]).reshape(-1, 2),
            torch.from_numpy(arrays[f"gt_labels_{i}"]).long(),
        )
        for i in rows
    ]


def check_levels(found, wanted, name, *, dim=None):
    """Every level against its array; theirs have cells before channels at the head."""
    assert f"{name}_l{len(found)}" not in wanted
    for level, values in enumerate(found):
        values = values.transpose(1, 2) if dim == "last" else values
        np.testing.assert_allclose(values.detach(), wanted[f"{name}_l{level}"], **CLOSE)


def check_outputs(detector, x, arrays, prefix):
    backbone = detector.temporal.parts[0]
    wanted = dict(arrays)
    first = backbone.first_level
    backbone.first_level = 0
    check_levels([x.values for x in backbone(x).levels], wanted, f"{prefix}_backbone")
    backbone.first_level = first
    pyramid = detector.temporal(x)
    check_levels([x.values for x in pyramid.levels], wanted, f"{prefix}_neck")
    for level, y in enumerate(pyramid.levels):
        np.testing.assert_array_equal(y.valid, wanted[f"{prefix}_mask_l{level}"])
    raw = detector.head(pyramid)
    check_levels(raw.logits, wanted, f"{prefix}_cls_logits", dim="last")
    check_levels(raw.distances, wanted, f"{prefix}_offsets", dim="last")


def test_every_level_is_the_authors_in_training(case):
    _, detector, arrays, _ = case
    check_outputs(detector, window(arrays), arrays, "train")


def test_every_level_is_the_authors_beyond_the_window_of_training(case):
    _, detector, arrays, folder = case
    if "feats_long" not in arrays:
        pytest.skip(f"{folder} has no long video")
    check_outputs(detector.eval(), window(arrays, "long_"), arrays, "long")


def test_videos_are_padded_as_the_authors_pad_them(case):
    theirs, _, arrays, _ = case
    cells = theirs["model"]["max_seq_len"]
    names = [key for key in arrays if key.startswith("feats_")]
    for name in names:
        x = torch.from_numpy(arrays[name])
        length = config_of(theirs).padded(x.shape[1], cells=cells)
        wanted = window(arrays, "long_" if name == "feats_long" else "")
        row = 0 if name == "feats_long" else int(name.removeprefix("feats_"))
        padded = pad([x], length=length)
        np.testing.assert_array_equal(padded.values[0], wanted.values[row])
        np.testing.assert_array_equal(padded.valid[0], wanted.valid[row])


def test_losses_and_every_gradient_are_the_authors(case, golden):
    _, detector, arrays, folder = case
    raw = detector.locate(window(arrays))
    losses = detector.head.loss(raw, targets(arrays))
    sum(losses.values()).backward()
    np.testing.assert_allclose(losses["classification"].detach(), arrays["cls_loss"], **LOSS)
    total = sum(losses.values()).detach()
    np.testing.assert_allclose(total, arrays["final_loss"], **LOSS)
    np.testing.assert_allclose(detector.head.positives, arrays["loss_normalizer_after"], rtol=1e-6)

    gradients = golden(f"{folder}/grads.npz")
    named = dict(detector.named_parameters())
    assert {ours(key) for key in gradients} == named.keys()
    for key, wanted in gradients.items():
        found = named[ours(key)].grad
        found = np.zeros(wanted.shape) if found is None else found.numpy().reshape(wanted.shape)
        np.testing.assert_allclose(found, wanted, **CLOSE, err_msg=key)
    norm = torch.nn.utils.clip_grad_norm_(detector.parameters(), 1.0)
    np.testing.assert_allclose(norm, arrays["grad_total_norm"], rtol=1e-4)


def test_the_same_weights_are_decayed(case, golden):
    _, detector, _, folder = case
    names = {parameter: name for name, parameter in detector.named_parameters()}
    groups = parameter_groups(detector, OptimizerConfig(weight_decay=0.05))
    wanted = golden(f"{folder}/param_groups.json")
    assert len(groups) == len(wanted)
    for group, theirs in zip(groups, wanted, strict=True):
        assert group["weight_decay"] == theirs["weight_decay"]
        assert {names[p] for p in group["params"]} == {ours(name) for name in theirs["names"]}


def published():
    """The published configurations: settings, classes, cells, widths of the feature sets."""

    def of(classes, cells, channels, *, ranges=None, **settings):
        width = settings.get("width", 512)
        head = point.Config(width=width, **({"ranges": ranges} if ranges else {}))
        return actionformer.Config(head=head, **settings), classes, cells, channels

    def ranges(*last):
        first = ((0.0, 4.0), (2.0, 8.0), (4.0, 16.0), (8.0, 32.0))
        return first + tuple((float(a), float(b)) for a, b in last)

    epic = ranges((16, 64), (32, 10000))
    seven = ranges((16, 64), (32, 128), (64, 10000))
    eight = ranges((16, 64), (32, 128), (64, 256), (128, 10000))
    anet = {"width": 256, "window": (7, 7, 7, 7, 7, None), "absolute_positions": True}
    ego4d = {"window": 9, "branch_layers": 7, "absolute_positions": True, "dropout": 0.1}
    return {
        "thumos_i3d": of(20, 2304, [2048]),
        "anet_tsp": of(1, 192, [512], **anet),
        "anet_i3d": of(1, 192, [2048], **anet),
        "epic_slowfast_verb": of(97, 2304, [2304], ranges=epic, window=9),
        "epic_slowfast_noun": of(300, 2304, [2304], ranges=epic, window=9),
        "ego4d_slowfast": of(110, 1024, [2304], ranges=seven, **{**ego4d, "branch_layers": 6}),
        "ego4d_omnivore": of(110, 1024, [1536], ranges=eight, **ego4d),
        "ego4d_egovlp": of(110, 1024, [256], ranges=eight, width=384, **ego4d),
        "ego4d_slowfast_egovlp": of(
            110, 1024, [2304, 256], ranges=eight, width=768, heads=12, **ego4d
        ),
        "ego4d_omnivore_egovlp": of(
            110, 1024, [1536, 256], ranges=eight, width=768, heads=12, **ego4d
        ),
        "ego4d_slowfast_omnivore_egovlp": of(
            110,
            1024,
            [2304, 1536, 256],
            ranges=eight,
            width=1024,
            project=(256, 384, 384),
            heads=16,
            **ego4d,
        ),
    }


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_weights_fit_name_by_name(golden, name):
    config, classes, cells, channels = published()[name]
    theirs = golden(f"actionformer/shapes/{name}.json")
    with torch.device("meta"):
        detector = config.build(classes, cells=cells, channels=channels)
        state = {
            f"module.{tensor['name']}": torch.zeros(tensor["shape"]) for tensor in theirs["tensors"]
        }
    ours = {key: tensor.shape for key, tensor in detector.state_dict().items()}
    del ours["head.positives"]
    assert {key: x.shape for key, x in actionformer.rename(state).items()} == ours
    assert len(ours) == theirs["n_tensors"]
    assert sum(p.numel() for p in detector.parameters()) == theirs["n_params"]
    assert detector.temporal.strides == tuple(theirs["fpn_strides"])
    assert config.padded(cells + 1, cells=cells) == cells + theirs["max_div_factor"]


def test_a_published_file_gives_the_outputs_of_its_averaged_weights(golden, golden_file):
    path = golden_file("actionformer/checkpoint/epoch_003.pth.tar")
    wanted = golden("actionformer/checkpoint/expected_ema_outputs.npz")
    theirs = golden("actionformer/models/local_window/config.json")
    saved = torch.load(path, map_location="cpu", weights_only=True)
    detector = detector_of(theirs, saved["state_dict_ema"]).eval()
    x = torch.from_numpy(wanted["feats"])
    cells = theirs["model"]["max_seq_len"]
    raw = detector(pad([x], length=config_of(theirs).padded(x.shape[1], cells=cells))).raw
    check_levels(raw.logits, wanted, "cls_logits", dim="last")
    check_levels(raw.distances, wanted, "offsets", dim="last")


def test_nine_steps_of_training_are_the_authors(golden):
    theirs = golden("actionformer/models/local_window/config.json")
    folder = "actionformer/optim"
    run = golden(f"{folder}/short_run.npz")
    how = golden(f"{folder}/short_run.json")
    detector = detector_of(theirs, golden(f"{folder}/short_run_initial_state.npz"))
    average = Averaged(detector, decay=how["ema_decay"], warm_up=False)
    opt = how["opt"]
    optimizer = optimizer_for(
        detector, OptimizerConfig(lr=opt["learning_rate"], weight_decay=opt["weight_decay"])
    )
    log = run["log_lr_cls_reg_final_gradnorm_normalizer"]
    for number, (lr, classification, regression, total, norm, positives) in enumerate(log):
        batch = f"batch{number % how['iters_per_epoch']}"
        x = [torch.from_numpy(run[f"{batch}_video{i}_feats"]) for i in range(2)]
        segments = [torch.from_numpy(run[f"{batch}_video{i}_segments"]) for i in range(2)]
        labels = [torch.from_numpy(run[f"{batch}_video{i}_labels"]).long() for i in range(2)]
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.zero_grad()
        raw = detector(pad(x, length=theirs["model"]["max_seq_len"])).raw
        losses = detector.head.loss(raw, [Targets(*t) for t in zip(segments, labels, strict=True)])
        sum(losses.values()).backward()
        found = torch.nn.utils.clip_grad_norm_(detector.parameters(), how["clip_grad_l2norm"])
        optimizer.step()
        average.update(detector)
        values = [losses["classification"], losses["regression"], sum(losses.values())]
        np.testing.assert_allclose(
            [x.item() for x in values], [classification, regression, total], **LOSS
        )
        np.testing.assert_allclose(float(found), norm, rtol=1e-4)
        np.testing.assert_allclose(float(detector.head.positives), positives, rtol=1e-6)

    check_weights(detector, golden(f"{folder}/short_run_final_state.npz"), atol=1e-5)
    check_weights(average.module, golden(f"{folder}/short_run_ema_state.npz"), atol=2e-6)


def check_weights(module, wanted, *, atol):
    """All weights, but biases of keys: these have no gradient but noise, which Adam enlarges."""
    state = module.state_dict()
    renamed = actionformer.rename({key: torch.from_numpy(x) for key, x in wanted.items()})
    for key, weight in renamed.items():
        if not key.endswith(("attention.key.linear.bias", "attention.key.norm.bias")):
            np.testing.assert_allclose(state[key], weight, rtol=1e-4, atol=atol, err_msg=key)
