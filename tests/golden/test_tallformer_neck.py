"""What stands between TALLFormer's encoder and its candidates, against the authors' code."""

import zlib

import numpy as np
import pytest
import torch

from untrimmed.models import tallformer
from untrimmed.nn.detector import Detector
from untrimmed.nn.encoders import video_swin
from untrimmed.nn.heads import anchor
from untrimmed.nn.layers.attention import visible
from untrimmed.nn.layers.position import sinusoidal
from untrimmed.nn.temporal.consistency import Layer
from untrimmed.nn.temporal.tdm import pairs
from untrimmed.tensors import Padded, Pyramid

KERNELS = (7, 7, 5, 5)
PYRAMID_HEADS = 4


def check(actual, wanted, *, rtol=1e-4, of_max=2e-5):
    actual = np.asarray(actual.detach())
    assert actual.shape == wanted.shape
    np.testing.assert_allclose(actual, wanted, rtol=rtol, atol=of_max * np.abs(wanted).max())


def check_gradient(actual, wanted):
    check(actual, wanted, rtol=1e-3, of_max=1e-4)


def below(prefix, arrays):
    """Tensors whose keys begin so, by the rest of their keys."""
    return {
        key.removeprefix(prefix): torch.from_numpy(array)
        for key, array in arrays.items()
        if key.startswith(prefix)
    }


def ours(key):
    """The name that one of the authors' weights has here."""
    (name,) = tallformer.rename({key: torch.empty(0)})
    return name


def load(detector, weights):
    """Load the authors' weights; they come without the counts of batches."""
    kept = detector.load_state_dict(tallformer.rename(weights), strict=False)
    assert kept.unexpected_keys == []
    assert all(key.endswith("num_batches_tracked") for key in kept.missing_keys)


def parts(detector, features):
    """Results of every part by their golden names."""
    found = {}
    x = features
    for name, part in zip(("srm", "tcm", "tdm", "fpn"), detector.temporal.parts, strict=True):
        x = part(x)
        levels = enumerate(x.levels) if name in ("tdm", "fpn") else [("", x)]
        found |= {f"{name}{level}": result.values for level, result in levels}
    raw = detector.head(Pyramid(x.levels, detector.temporal.strides))
    for level, (logits, deltas) in enumerate(zip(raw.logits, raw.deltas, strict=True)):
        found |= {f"cls{level}": logits, f"reg{level}": deltas}
    return found


@pytest.fixture
def arrays(golden):
    return golden("tallformer/thumos_neck_head.npz")


@pytest.fixture
def detector(arrays):
    """Neck and head of the size that the weights have, without anything that is random."""
    weights = below("w/", arrays)
    table = weights["neck.1.encoder.layers.0.attn.relative_position_bias_table"]
    anchors = len(weights["head.retina_reg.bias"]) // 2
    width, channels, _ = weights["neck.0.conv1.weight"].shape
    config = tallformer.Config(
        head=anchor.Config(width=len(weights["head.cls_convs.0.bn.bias"]), scales=anchors),
        width=width,
        consistency_heads=table.shape[1],
        consistency_drop_path=0.0,
        pyramid_heads=PYRAMID_HEADS,
        pyramid_kernels=KERNELS,
        pyramid_dropout=0.0,
        fpn_width=len(weights["neck.3.fpn_convs.0.bn.bias"]),
    )
    classes = len(weights["head.retina_cls.bias"]) // anchors
    temporal = config.temporal(channels, cells=4 * (len(table) + 1) // 2)
    head = config.head.build(temporal.channels, classes, temporal.strides)
    detector = Detector(None, temporal, head)
    load(detector, weights)
    return detector


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_every_part_gives_what_the_authors_give(detector, arrays, mode):
    detector.train(mode == "train")
    found = parts(detector, Padded.whole(torch.from_numpy(arrays["in"])))
    wanted = {key: array for key, array in below(f"{mode}/", arrays).items() if key in found}
    assert {"fpn0", "cls0", "reg0"} < wanted.keys()
    for key, array in wanted.items():
        check(found[key], array.numpy())


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_gradients_are_the_authors(detector, arrays, mode):
    detector.train(mode == "train")
    features = torch.from_numpy(arrays["in"]).requires_grad_()
    raw = detector.locate(Padded.whole(features))
    upstream = below("gout/", arrays)
    loss = torch.zeros(())
    for level, (logits, deltas) in enumerate(zip(raw.logits, raw.deltas, strict=True)):
        loss = loss + (logits * upstream[f"cls{level}"]).sum()
        loss = loss + (deltas * upstream[f"reg{level}"]).sum()
    loss.backward()

    check_gradient(features.grad, arrays[f"{mode}/grad_in"])
    gradients = below(f"{mode}/grad/", arrays)
    assert gradients
    for key, wanted in gradients.items():
        check_gradient(detector.get_parameter(ours(key)).grad, wanted.numpy())


def test_running_statistics_are_the_authors_after_one_step(detector, arrays):
    detector.train()
    detector.locate(Padded.whole(torch.from_numpy(arrays["in"])))
    state = detector.state_dict()
    running = {key: array for key, array in below("train/", arrays).items() if "running" in key}
    assert any(key.startswith("head.") for key in running)  # these are moved by every level
    for key, wanted in running.items():
        check(state[ours(key)], wanted.numpy())


def test_positions_are_the_authors(arrays):
    check(sinusoidal(*arrays["pe"].shape), arrays["pe"])


def test_a_layer_of_the_consistency_module_is_the_authors(golden):
    arrays = golden("tallformer/tcm_parts.npz")
    weights = below("layer/w/", arrays)
    table = weights["attn.relative_position_bias_table"]
    x = torch.from_numpy(arrays["layer/in"])
    _, T, width = x.shape
    layer = Layer(width, heads=table.shape[1], drop_path=0.0, max_cells=(len(table) + 1) // 2)
    prefix = "neck.1.encoder.layers.0."
    layer.load_state_dict(
        {
            ours(prefix + key)[len("temporal.parts.1.layers.0.") :]: value
            for key, value in weights.items()
        }
    )

    everything = torch.ones(len(x), 1, T, T, dtype=torch.bool)
    check(layer(x, visible=everything), arrays["layer/out"])
    unmasked = torch.from_numpy(arrays["layer/mask"]) == 0
    check(layer(x, visible=unmasked & everything), arrays["layer/out_mask"])
    short = arrays["layer/out_short"].shape[1]
    seen = everything[..., :short, :short]
    check(layer(x[:, :short], visible=seen), arrays["layer/out_short"])


def test_pairs_are_joined_as_the_authors_join_them(golden):
    arrays = golden("tallformer/tcm_parts.npz")
    cases = [key.removesuffix("/in") for key in arrays if key.startswith("down") and "/in" in key]
    assert cases
    for case in cases:
        joined = pairs(torch.from_numpy(arrays[f"{case}/in"]).permute(1, 2, 0))  # (B, T / 2, 2C)
        assert np.array_equal(joined.transpose(0, 1), arrays[f"{case}/out"])


def test_a_kernel_hides_what_the_authors_mask(golden):
    arrays = golden("tallformer/tcm_parts.npz")
    bands = [key for key in arrays if key.startswith("band")]
    assert bands
    for key in bands:
        T, kernel = map(int, key.removeprefix("band").split("_"))
        seen = visible(torch.ones(1, T, dtype=torch.bool), reach=kernel // 2)
        assert np.array_equal(~seen[0, 0], arrays[key])


def procedural(key, shape, seed):
    """Weights as a function of the authors' key: the golden numbers of full size hold none."""
    state = (zlib.crc32(key.encode()) ^ ((seed * 2654435761) & 0xFFFFFFFF)) & 0xFFFFFFFF
    drawn = np.random.RandomState(state).standard_normal(shape).astype(np.float32)
    leaf = key.split(".")[-1]
    if leaf == "running_var":
        values = 1 + 0.5 * np.abs(drawn)
    elif leaf == "running_mean":
        values = 0.1 * drawn
    elif leaf == "relative_position_bias_table":
        values = 0.5 * drawn
    elif len(shape) == 1:
        values = 1 + 0.1 * drawn if leaf in ("weight", "scale") else 0.1 * drawn
    else:
        values = drawn / np.sqrt(np.prod(shape[1:]))
    return torch.from_numpy(np.asarray(values, np.float32))


def authors_keys():
    """Of all weights of the released neck and head."""
    linear = [f"neck.0.conv{n}" for n in (1, 2)]
    bare, normed = [], []
    for n in range(3):
        layer = f"neck.1.encoder.layers.{n}"
        names = ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")
        linear += [f"{layer}.{name}" for name in names]
        bare.append(f"{layer}.attn.relative_position_bias_table")
    for n in range(4):
        layer = f"neck.2.trans_layers.{n}"
        names = ("self_attn.out_proj", "linear1", "linear2", "norm1", "norm2")
        linear += [f"neck.2.reductions.{n}.1", *(f"{layer}.{name}" for name in names)]
        bare += [f"neck.2.reductions.{n}.0.weight"]
        bare += [f"{layer}.self_attn.in_proj_{leaf}" for leaf in ("weight", "bias")]
        normed += [f"head.cls_convs.{n}", f"head.reg_convs.{n}"]
    for n in range(5):
        normed += [f"neck.3.lateral_convs.{n}", f"neck.3.fpn_convs.{n}"]
    linear += ["head.retina_cls", "head.retina_reg", *(f"{name}.bn" for name in normed)]
    bare += [f"{name}.conv.weight" for name in normed]
    bare += [f"{name}.bn.running_{leaf}" for name in normed for leaf in ("mean", "var")]
    return bare + [f"{name}.{leaf}" for name in linear for leaf in ("weight", "bias")]


def test_the_released_size_gives_what_the_authors_give(golden):
    arrays = golden("tallformer/thumos_full.npz")
    features = torch.from_numpy(arrays["in"]).float()
    anchors = arrays["reg0"].shape[1] // 2
    config = tallformer.Config()
    temporal = config.temporal(features.shape[1], cells=features.shape[-1])
    classes = arrays["cls0"].shape[1] // anchors
    head = config.head.build(temporal.channels, classes, temporal.strides)
    detector = Detector(None, temporal, head).eval()

    shapes = {key: value.shape for key, value in detector.state_dict().items()}
    seed = int(arrays["seed"])
    load(detector, {key: procedural(key, shapes[ours(key)], seed) for key in authors_keys()})
    with torch.no_grad():
        found = parts(detector, Padded.whole(features))
    wanted = [key for key in arrays if key not in ("in", "seed", "gain")]
    assert "tcm" in wanted
    for key in wanted:
        check(found[key], arrays[key])


def test_every_weight_of_the_released_model_has_a_place(golden):
    names = golden("tallformer/state_dict_names.json")["tallformer_thumos_swin_B"]
    with torch.device("meta"):
        detector = tallformer.Config(encoder=video_swin.Config(size="base")).build(20, cells=240)
        weights = {key: torch.empty(shape) for key, (shape, _, _) in names["entries"].items()}
    renamed = tallformer.rename(weights)
    given = {key: value.shape for key, value in renamed.items()}
    assert given == {key: value.shape for key, value in detector.state_dict().items()}
    assert sum(weight.numel() for weight in detector.parameters()) == names["n_parameters"]
