"""The Video Swin encoder and its parts against the authors' code."""

import re
import zlib

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from untrimmed.nn.encoders import video_swin
from untrimmed.nn.layers.patches import Merging
from untrimmed.nn.layers.window_attention import WindowAttention
from untrimmed.nn.layers.windows import Layout

WINDOWS = {"swin_A": (8, 7, 7), "swin_B": (2, 7, 7), "swin_C": (4, 3, 3)}
QK_SCALES = {"swin_C": 0.3}
CPU = torch.device("cpu")


def check(actual, wanted, *, rtol=1e-4, of_max=2e-5):
    actual = np.asarray(actual.detach())
    assert actual.shape == wanted.shape
    np.testing.assert_allclose(actual, wanted, rtol=rtol, atol=of_max * np.abs(wanted).max())


def check_gradient(actual, wanted):
    check(actual, wanted, rtol=1e-3, of_max=1e-4)


def tensor(array):
    return torch.from_numpy(np.array(array))


def below(prefix, arrays):
    """Tensors whose keys begin so, by the rest of their keys."""
    return {
        key.removeprefix(prefix): tensor(array)
        for key, array in arrays.items()
        if key.startswith(prefix)
    }


def cases(arrays):
    return sorted({found[0] for key in arrays if (found := re.match(r"x\d+(?=/)", key))})


def ours(key):
    """The name that one of the authors' weights has here."""
    (name,) = video_swin.rename({key: torch.empty(0)})
    return name


def encoder_of(weights, **settings):
    """An encoder with these weights of the authors, in evaluation; pixels come normalised."""
    depths, heads = [], []
    for stage in range(99):
        table = f"layers.{stage}.blocks.{{}}.attn.relative_position_bias_table"
        if table.format(0) in weights:
            heads.append(weights[table.format(0)].shape[1])
            depths.append(sum(table.format(block) in weights for block in range(99)))
    embed, _, *patch = weights["patch_embed.proj.weight"].shape
    config = video_swin.Config(
        size=None,
        embed=embed,
        depths=tuple(depths),
        heads=tuple(heads),
        patch=tuple(patch),
        mlp_ratio=weights["layers.0.blocks.0.mlp.fc1.weight"].shape[0] / embed,
        qkv_bias="layers.0.blocks.0.attn.qkv.bias" in weights,
        patch_norm="patch_embed.norm.weight" in weights,
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        **settings,
    )
    encoder = config.build()
    encoder.load_state_dict(video_swin.rename(weights))
    return encoder.eval()


def normed(encoder, x):
    """The last norm on a map (N, C, K, H, W)."""
    return encoder.norm(x.movedim(1, -1)).movedim(-1, 1)


# swin_A, swin_B, swin_C: three settings, several sizes each


@pytest.fixture(params=WINDOWS)
def swin(request, golden):
    arrays = golden(f"tallformer/{request.param}.npz")
    settings = {"window": WINDOWS[request.param], "qk_scale": QK_SCALES.get(request.param)}
    return arrays, settings


def test_maps_of_every_stage_are_those_of_the_authors(swin):
    arrays, settings = swin
    encoder = encoder_of(below("w/", arrays), **settings)
    assert cases(arrays)
    for case in cases(arrays):
        maps = encoder.maps(tensor(arrays[f"{case}/in"]))
        check(maps[0], arrays[f"{case}/patch_embed"])
        for stage, x in enumerate(maps[1:]):
            check(x, arrays[f"{case}/stage{stage}"])
        check(normed(encoder, maps[-1]), arrays[f"{case}/out"])


def test_maps_are_the_same_with_terms_kept_from_an_earlier_call(swin):
    arrays, settings = swin
    encoder = encoder_of(below("w/", arrays), **settings)
    for case in [*cases(arrays), *cases(arrays)]:
        with torch.no_grad():
            encoder.maps(tensor(arrays[f"{case}/in"]))
            last = encoder.maps(tensor(arrays[f"{case}/in"]))[-1]
        check(normed(encoder, last), arrays[f"{case}/out"])


@pytest.mark.parametrize("checkpoint", ["none", "block", "half_block"])
def test_gradients_are_those_of_the_authors(swin, checkpoint):
    arrays, settings = swin
    encoder = encoder_of(below("w/", arrays), checkpoint=checkpoint, **settings)
    weights = dict(encoder.named_parameters())
    for case in cases(arrays):
        encoder.zero_grad()
        pixels = tensor(arrays[f"{case}/in"]).requires_grad_()
        out = normed(encoder, encoder.maps(pixels)[-1])
        out.backward(tensor(arrays[f"{case}/gout"]))
        check_gradient(pixels.grad, arrays[f"{case}/grad_in"])
        gradients = below(f"{case}/grad/", arrays)
        assert gradients
        for key, wanted in gradients.items():
            check_gradient(weights[ours(key)].grad, wanted.numpy())


# swin_droppath: the weights of swin_A in training


def test_branches_are_left_out_as_the_authors_do(golden):
    arrays, weights = golden("tallformer/swin_droppath.npz"), golden("tallformer/swin_A.npz")
    rate = float(arrays["dpr"].max())
    encoder = encoder_of(below("w/", weights), window=WINDOWS["swin_A"], drop_path=rate).train()
    pixels = tensor(arrays["in"]).requires_grad_()
    keep = tensor(arrays["masks"]).bool()
    out = normed(encoder, encoder.maps(pixels, keep=keep)[-1])
    check(out, arrays["out"])

    out.backward(tensor(arrays["gout"]))
    check_gradient(pixels.grad, arrays["grad_in"])
    named = dict(encoder.named_parameters())
    for key, wanted in below("grad/", arrays).items():
        check_gradient(named[ours(key)].grad, wanted.numpy())


def test_rates_rise_as_with_the_authors(golden):
    arrays, weights = golden("tallformer/swin_droppath.npz"), golden("tallformer/swin_A.npz")
    rate = float(arrays["dpr"].max())
    encoder = encoder_of(below("w/", weights), window=WINDOWS["swin_A"], drop_path=rate)
    np.testing.assert_allclose(np.concatenate(encoder.rates), arrays["dpr"])
    assert encoder.draw_keep(3).shape == (len(arrays["rates"]), 3)


# swin_parts


@pytest.fixture
def parts(golden):
    return golden("tallformer/swin_parts.npz")


def indices(parts):
    return [key for key in parts if key.startswith("rel_index/")]


def window_of(key):
    return tuple(int(side) for side in key.removeprefix("rel_index/").split("_"))


def layout(size, full, *, exact=False):
    sides = tuple(int(side) for side in size), tuple(int(side) for side in full)
    return Layout(*sides, exact, CPU)


def test_rows_of_the_bias_table_are_those_of_the_authors(parts):
    assert indices(parts)
    for key in indices(parts):
        window = window_of(key)
        assert np.array_equal(layout([2 * side for side in window], window).index, parts[key])


def test_positions_of_moved_windows_are_kept_apart_as_by_the_authors(parts):
    found = sorted({key.split("/")[0] for key in parts if re.match(r"mask\d+/", key)})
    assert found
    for case in found:
        windows = layout(parts[f"{case}/size"], parts[f"{case}/window"])
        assert [windows.window, windows.shift] == [tuple(row) for row in parts[f"{case}/used"]]
        assert np.array_equal(windows.apart, parts[f"{case}/mask"])


def test_maps_are_cut_as_by_the_authors(parts):
    x = tensor(parts["partition/in"])
    windows = layout(x.shape[1:4], parts["partition/window"]).cut(x, moved=False)
    assert np.array_equal(windows.flatten(0, 1), parts["partition/out"])


@pytest.fixture
def attention(parts):
    weights = below("attn/w/", parts)
    entries, heads = weights["relative_position_bias_table"].shape
    channels = weights["proj.bias"].shape[0]
    windows = map(window_of, indices(parts))
    window = next(w for w in windows if np.prod([2 * side - 1 for side in w]) == entries)
    module = WindowAttention(channels, heads=heads, window=window, moved=False)
    renamed = video_swin.rename({f"layers.0.blocks.0.attn.{k}": w for k, w in weights.items()})
    stem = "stages.0.blocks.0.attention."
    module.load_state_dict({key.removeprefix(stem): weight for key, weight in renamed.items()})
    full = layout([2 * side for side in window], window)

    def attend(x, mask):
        """Of windows (N, M, T, C), with a mask (M, T, T) added to the logits if there is one."""
        index = full.index[: x.shape[2], : x.shape[2]]
        bias = module.bias_table[index].permute(2, 0, 1)[None]
        bias = bias if mask is None else bias + mask[:, None]
        return module.projection(module.mix(module.qkv(x), bias=bias))

    return module, attend


@pytest.mark.parametrize(("given", "wanted"), [("in", "out_nomask"), ("in_short", "out_short")])
def test_attention_in_resting_windows_is_that_of_the_authors(parts, attention, given, wanted):
    _, attend = attention
    check(attend(tensor(parts[f"attn/{given}"])[None], None)[0], parts[f"attn/{wanted}"])


def test_attention_in_moved_windows_is_that_of_the_authors(parts, attention):
    module, attend = attention
    mask = tensor(parts["attn/mask"])
    x = tensor(parts["attn/in"]).requires_grad_()
    out = attend(x.unflatten(0, (-1, len(mask))), mask).flatten(0, 1)
    check(out, parts["attn/out_mask"])

    out.backward(tensor(parts["attn/gout"]))
    check_gradient(x.grad, parts["attn/grad_in"])
    named = dict(module.named_parameters())
    for key, wanted in below("attn/grad/", parts).items():
        name = ours(f"layers.0.blocks.0.attn.{key}").removeprefix("stages.0.blocks.0.attention.")
        check_gradient(named[name].grad, wanted.numpy())


@pytest.mark.parametrize("size", ["even", "odd"])
def test_positions_are_merged_as_by_the_authors(parts, size):
    x = tensor(parts[f"merge/in_{size}"])
    merge = Merging(x.shape[-1])
    merge.load_state_dict(below("merge/w/", parts))
    check(merge(x), parts[f"merge/out_{size}"])


# swin_full: Swin-T, with weights made from their names


def procedural(key, shape, seed):
    """A weight as the golden README defines it, a function of name, shape and seed alone."""
    mixed = zlib.crc32(key.encode()) ^ ((seed * 2654435761) & 0xFFFFFFFF)
    w = np.random.RandomState(mixed & 0xFFFFFFFF).standard_normal(shape).astype(np.float32)
    leaf = key.split(".")[-1]
    if leaf == "relative_position_bias_table":
        return (0.5 * w).astype(np.float32)
    if len(shape) == 1:
        return (1 + 0.1 * w if leaf == "weight" else 0.1 * w).astype(np.float32)
    return (w / np.sqrt(np.prod(shape[1:]))).astype(np.float32)


def official_keys(depths):
    """Names of the authors' weights."""
    modules = ["patch_embed.proj", "patch_embed.norm", "norm"]
    tables = []
    inside = ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")
    for stage, depth in enumerate(depths):
        blocks = [f"layers.{stage}.blocks.{block}" for block in range(depth)]
        modules += [f"{block}.{module}" for block in blocks for module in inside]
        modules += [f"layers.{stage}.downsample.norm"] * (stage + 1 < len(depths))
        tables += [f"{block}.attn.relative_position_bias_table" for block in blocks]
    reductions = [f"layers.{stage}.downsample.reduction.weight" for stage in range(len(depths) - 1)]
    leaves = [f"{module}.{leaf}" for module in modules for leaf in ("weight", "bias")]
    return leaves + tables + reductions


def test_swin_t_at_112_pixels_is_that_of_the_authors(golden):
    arrays = golden("tallformer/swin_full.npz")
    encoder = video_swin.Config(size="tiny").build().eval()
    weights = encoder.state_dict()
    for key in official_keys((2, 2, 6, 2)):
        weight = procedural(key, tuple(weights[ours(key)].shape), int(arrays["seed"]))
        gain = float(arrays["gain"]) if weight.ndim > 1 else 1.0
        weights[ours(key)] = torch.from_numpy(gain * weight).float()
    encoder.load_state_dict(weights)
    with torch.no_grad():
        maps = encoder.maps(tensor(arrays["in"]))
        check(normed(encoder, maps[-1]), arrays["out"])
    for stage, x in enumerate(maps):
        total, absolute, square = arrays[f"sum{stage}"]
        x = x.double()
        assert float(x.sum()) == pytest.approx(total, abs=1e-4 * absolute)
        assert float(x.abs().sum()) == pytest.approx(absolute, rel=1e-4)
        assert float(x.square().sum()) == pytest.approx(square, rel=1e-4)


# chunk_swin: videos cut into clips, features averaged over space; frozen stages; several outputs


@pytest.fixture
def clips(golden):
    return golden("tallformer/chunk_swin.npz")


def test_clips_cut_out_of_a_video_give_the_features_of_the_authors(clips):
    encoder = encoder_of(below("w/", clips))
    wanted = clips["out5"]
    video = tensor(clips["in5"])
    video = F.pad(video, (0, 0, 0, 0, 0, -video.shape[2] % 8))
    with torch.no_grad():
        cells = [encoder(clip) for clip in video.split(8, dim=2)]
    check(torch.cat(cells, dim=2)[..., : wanted.shape[-1]], wanted)


def test_several_clips_give_the_features_of_the_authors(clips):
    encoder = encoder_of(below("w/", clips))
    with torch.no_grad():
        cells = encoder(tensor(clips["in6"]).flatten(0, 1))
    check(cells.unflatten(0, clips["in6"].shape[:2]), clips["out6"])


def test_earlier_stages_give_the_maps_of_the_authors(clips):
    encoder = encoder_of(below("w/", clips))
    with torch.no_grad():
        maps = encoder.maps(tensor(clips["in5"])[:1, :, :8])
    norms = below("multi/w/norm.", clips)
    for number, stage in enumerate((2, 3, 4)):
        weight, bias = norms[f"{number}.weight"], norms[f"{number}.bias"]
        x = F.layer_norm(maps[stage].movedim(1, -1), weight.shape, weight, bias)
        check(x.movedim(-1, 1), clips[f"multi/out{number}"])


def test_the_same_weights_are_trained_as_with_the_authors_two_frozen_stages(clips):
    encoder = encoder_of(below("w/", clips), frozen_stages=2)
    trained = {name for name, weight in encoder.named_parameters() if weight.requires_grad}
    assert trained == {ours(name) for name in clips["trainable"]}


def test_the_same_modules_stay_in_evaluation_as_with_the_authors_two_frozen_stages(clips):
    encoder = encoder_of(below("w/", clips), frozen_stages=2).train()
    resting = {name for name, module in encoder.named_modules() if not module.training}
    for module in {key.rpartition(".")[0] for key in below("w/", clips)} - {""}:
        if f"w/{module}.weight" in clips:
            name = ours(f"{module}.weight").removesuffix(".weight")
            assert (name in resting) == (module in clips["eval_modules"])


# thumos_detector: the encoder inside of a detector


def test_clips_of_a_detector_give_the_features_that_it_remembers(golden):
    arrays = golden("tallformer/thumos_detector.npz")
    weights = {
        key: weight for key, weight in below("w/", arrays).items() if key.startswith("backbone.")
    }
    bare = {key.removeprefix("backbone."): weight for key, weight in weights.items()}
    encoder = encoder_of(bare, window=(4, 4, 4))
    encoder.load_state_dict(video_swin.rename(weights))
    wanted = arrays["bp_features"]
    video = tensor(arrays["video"]).unflatten(2, (-1, encoder.stride * wanted.shape[-1]))
    with torch.no_grad():
        for place, features in zip(arrays["keep"], wanted, strict=True):
            check(encoder(video[:, :, place]), features)


# state_dict_names.json: the published weights


@pytest.mark.parametrize("size", ["tiny", "small", "base"])
def test_published_weights_fit_by_name_and_shape(golden, size):
    names = golden("tallformer/state_dict_names.json")
    letter = size[0].upper()
    published = names[f"video_swin_{letter}_kinetics400_recognizer"]["entries"]
    extra = names[f"video_swin_{letter}_backbone_tallformer_copy_extra_keys"]
    with torch.device("meta"):
        weights = {key: torch.empty(shape) for key, (shape, _, _) in published.items()}
        weights |= {key: torch.empty(1) for key in extra}
        encoder = video_swin.Config(size=size).build()
    renamed = video_swin.rename(weights)
    wanted = {key: weight.shape for key, weight in encoder.state_dict().items()}
    assert {key: weight.shape for key, weight in renamed.items()} == wanted
