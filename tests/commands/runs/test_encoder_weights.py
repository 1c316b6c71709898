"""Weights that an encoder starts from: every name and shape fits, or nothing is changed."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from untrimmed.core.config import Choice
from untrimmed.core.errors import ConfigError, UserError
from untrimmed.nn.encoders import conv3d, i3d, video_swin
from untrimmed.recipes.weights import PUBLIC
from untrimmed.runs.encoder_weights import load_public
from untrimmed.train.state import save_weights

SMALL = video_swin.Config(size=None, embed=8, depths=(1, 2), heads=(1, 2))


def build(seed):
    torch.manual_seed(seed)
    return SMALL.build()


def official(encoder):
    """The encoder's weights as the authors of Video Swin would have them in a file."""
    ours = {key: key for key in encoder.state_dict()}
    for old, new in (
        ("stem.projection", "patch_embed.proj"),
        ("stem.norm", "patch_embed.norm"),
        ("stages.", "layers."),
        ("attention_norm", "norm1"),
        ("mlp_norm", "norm2"),
        ("attention.bias_table", "attn.relative_position_bias_table"),
        ("attention.projection", "attn.proj"),
        ("attention.qkv", "attn.qkv"),
        ("mlp.0", "mlp.fc1"),
        ("mlp.2", "mlp.fc2"),
        ("merge.", "downsample."),
    ):
        ours = {key: name.replace(old, new) for key, name in ours.items()}
    state = {f"backbone.{name}": encoder.state_dict()[key] for key, name in ours.items()}
    return state | {
        "cls_head.fc_cls.weight": torch.zeros(4, 16),
        "cls_head.fc_cls.bias": torch.zeros(4),
    }


def same(first, second):
    return all(
        torch.equal(value, second.state_dict()[name]) for name, value in first.state_dict().items()
    )


@pytest.fixture
def published(tmp_path):
    """The authors' file of an encoder, and the encoder."""
    encoder = build(1)
    meta = {"epoch": 30, "config": "model = dict()", "best": np.float64(0.8), "at": np.int64(7)}
    torch.save({"state_dict": official(encoder), "meta": meta}, tmp_path / "swin.pth")
    return tmp_path / "swin.pth", encoder


def test_a_file_of_the_authors_fills_the_encoder(published):
    file, theirs = published
    ours = build(2)
    assert not same(ours, theirs)
    report = load_public(ours, file)
    assert same(ours, theirs)
    assert set(report.matched) == set(ours.state_dict())


def test_the_report_names_the_classifier_that_was_left_out(published):
    report = load_public(build(2), published[0])
    assert report.left_out == ("cls_head.fc_cls.bias", "cls_head.fc_cls.weight")
    assert "left out: cls_head.fc_cls.bias, cls_head.fc_cls.weight" in str(report)
    assert "with first values" not in str(report)


def test_files_of_old_versions_of_pytorch_are_read(published, tmp_path):
    file, theirs = tmp_path / "old.pth", published[1]
    torch.save(official(theirs), file, _use_new_zipfile_serialization=False)
    ours = build(2)
    load_public(ours, file)
    assert same(ours, theirs)


@pytest.mark.parametrize("ending", ["safetensors", "npz", "pt"])
def test_weights_under_our_names_need_no_authors(tmp_path, ending):
    encoder, file = build(1), tmp_path / f"own.{ending}"
    state = encoder.state_dict()
    match ending:
        case "safetensors":
            save_weights(encoder, file)
        case "npz":
            np.savez(file, **{key: value.numpy() for key, value in state.items()})
        case "pt":
            torch.save(state, file)
    other = build(2)
    assert load_public(other, file).left_out == ()
    assert same(other, encoder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda state: state.pop("backbone.norm.bias"), "1 missing: norm.bias"),
        (lambda state: state.update({"neck.weight": torch.zeros(1)}), "not of a Video Swin.*neck"),
        (
            lambda state: state.update({"backbone.norm.bias": torch.zeros(3)}),
            r"1 of another shape: norm.bias \(3,\), wanted \(16,\)",
        ),
        (
            lambda state: state.update({"backbone.layers.7.blocks.0.norm1.bias": torch.zeros(8)}),
            r"1 unexpected: stages\.7",
        ),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_changed(tmp_path, change, said):
    state = official(build(1))
    change(state)
    torch.save(state, tmp_path / "swin.pth")
    encoder = build(2)
    before = copy.deepcopy(encoder)
    with pytest.raises(UserError, match=said):
        load_public(encoder, tmp_path / "swin.pth")
    assert same(encoder, before)


def test_a_new_part_keeps_its_first_values_if_that_is_said(tmp_path):
    config = i3d.Config(projection=32, map_size=(1, 1))
    whole = config.build()
    bare = {key: value for key, value in whole.state_dict().items() if "projection" not in key}
    save_file(bare, tmp_path / "bare.safetensors")
    encoder = config.build()
    before = copy.deepcopy(encoder.projection)
    with pytest.raises(UserError, match=r"4 missing: projection\.conv\.bias"):
        load_public(encoder, tmp_path / "bare.safetensors")
    report = load_public(encoder, tmp_path / "bare.safetensors", fresh=("projection.",))
    assert report.fresh == tuple(sorted(k for k in whole.state_dict() if "projection" in k))
    assert "with first values: projection.conv.bias" in str(report)
    assert same(encoder.projection, before)
    assert same(encoder.parts, whole.parts)


def test_a_new_part_that_the_encoder_does_not_have_is_refused(published):
    with pytest.raises(ConfigError, match="fresh: nothing in the encoder begins with projection"):
        load_public(build(2), published[0], fresh=("projection",))


def test_an_encoder_without_public_weights_says_so(published):
    with pytest.raises(UserError, match=r"conv3d knows no weights but its own"):
        load_public(conv3d.Config().build(), published[0])


class Harmful:
    """What a pickle could do: here, leave a mark."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (Path.touch, (self.mark,))


def test_nothing_in_a_file_is_executed(tmp_path):
    torch.save({"state_dict": {}, "meta": Harmful(tmp_path / "mark")}, tmp_path / "bad.pth")
    with pytest.raises(UserError, match=r"no file of tensors.*: Unsupported global"):
        load_public(build(2), tmp_path / "bad.pth")
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("name", ["gone.pth", "gone.safetensors", "gone.npz"])
def test_a_file_that_is_not_there_is_named(tmp_path, name):
    with pytest.raises(UserError, match=f"{name}: there is no such file"):
        load_public(build(2), tmp_path / name)


@pytest.mark.parametrize("name", ["broken.pth", "broken.safetensors", "broken.npz"])
def test_a_broken_file_is_named(tmp_path, name):
    (tmp_path / name).write_bytes(b"PK\3\4 no weights")
    with pytest.raises(UserError, match=f"{name}: no file of tensors"):
        load_public(build(2), tmp_path / name)


@pytest.mark.parametrize("name", sorted({each.encoder for each in PUBLIC.values()}))
def test_public_weights_are_for_an_encoder_that_reads_them(name):
    kind = name.strip("{}").split(",")[0].removeprefix("name: ")
    assert hasattr(Choice("untrimmed.nn.encoders").module(kind), "rename")
