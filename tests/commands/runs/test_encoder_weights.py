"""Weights that an encoder starts from: every name and shape fits, or nothing is changed."""

import copy
import re
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file

from untrimmed.core.config import Choice
from untrimmed.core.errors import ConfigError, UserError
from untrimmed.nn.encoders import conv3d, i3d, video_swin
from untrimmed.recipes.weights import PUBLIC, EncoderWeights
from untrimmed.runs.encoder_weights import check_public, load_public, start_from
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


@pytest.mark.parametrize("before", ["module.", "model.", "encoder.", "my_lab.net."])
@pytest.mark.parametrize("names", ["the authors'", "ours"])
def test_what_stands_before_every_name_is_taken_off_and_reported(tmp_path, before, names):
    theirs = build(1)
    state = theirs.state_dict() if names == "ours" else official(theirs)
    torch.save({f"{before}{name}": value for name, value in state.items()}, tmp_path / "swin.pth")
    ours = build(2)
    report = load_public(ours, tmp_path / "swin.pth")
    assert same(ours, theirs)
    assert report.before == before
    assert f"; {before} taken off the front of every name" in str(report)
    assert all(name.startswith(f"{before}cls_head.") for name in report.left_out)


def test_nothing_is_taken_off_names_that_are_known_with_it(published):
    report = load_public(build(2), published[0])  # all of the encoder is below backbone.
    assert report.before == ""
    assert "taken off" not in str(report)


def test_only_what_stands_before_every_name_is_taken_off(tmp_path):
    state = {f"module.{name}": value for name, value in official(build(1)).items()}
    torch.save(state | {"step": torch.zeros(1)}, tmp_path / "swin.pth")
    with pytest.raises(
        UserError, match=r"not of a Video Swin Transformer: .* and \d+ more"
    ) as caught:
        load_public(build(2), tmp_path / "swin.pth")
    assert str(caught.value).count("module.") == 8


def test_what_is_unknown_is_named_alone_whatever_stands_before_every_name(tmp_path):
    state = official(build(1)) | {"neck.weight": torch.zeros(1)}
    torch.save({f"module.{name}": value for name, value in state.items()}, tmp_path / "swin.pth")
    with pytest.raises(UserError, match=r": not of a Video Swin Transformer: neck\.weight$"):
        load_public(build(2), tmp_path / "swin.pth")


def test_an_entry_too_many_among_our_names_is_named_alone(tmp_path):
    save_file(build(1).state_dict() | {"neck.weight": torch.zeros(1)}, tmp_path / "own.safetensors")
    with pytest.raises(UserError, match=r"another model\s+1 unexpected: neck\.weight$"):
        load_public(build(2), tmp_path / "own.safetensors")


@pytest.mark.parametrize("before", ["", "module."])
def test_weights_of_another_encoder_are_recognised(tmp_path, before):
    state = {f"{before}{name}": value for name, value in official(build(1)).items()}
    torch.save(state, tmp_path / "swin.pth")
    said = r"not of an Inception I3D: .* and \d+ more; it looks like weights of {name: video_swin}$"
    with pytest.raises(UserError, match=said):
        load_public(i3d.Config().build(), tmp_path / "swin.pth")


def test_weights_of_nothing_that_is_known_look_like_nothing(tmp_path):
    torch.save({"fc.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(UserError, match=r": not of a Video Swin Transformer: fc\.weight$"):
        load_public(build(2), tmp_path / "other.pth")


@pytest.mark.parametrize(
    ("settings", "name", "said"),
    [
        ({"size": "base"}, "swin3d_t", "size: tiny}, but the encoder is another in 327 entries"),
        ({"size": "small"}, "swin3d_t", "156 entries, such as stages.2.blocks.10.attention.bias"),
        ({}, "i3d_k400", "{name: i3d}, but the encoder is video_swin"),
    ],
)
def test_public_weights_of_another_encoder_are_refused_without_a_file(settings, name, said):
    with pytest.raises(ConfigError, match=re.escape(said)) as caught:
        start_from(video_swin.Config(**settings).build(), EncoderWeights(name=name))
    assert caught.value.path == "encoder_weights.name"


@pytest.mark.parametrize("name", PUBLIC)
def test_public_weights_suit_the_encoder_that_they_are_for(name):
    settings = yaml.safe_load(PUBLIC[name].encoder)
    config = Choice("untrimmed.nn.encoders").config(settings.pop("name"))
    with torch.device("meta"):
        encoder = config(**settings).build()
    check_public(encoder, EncoderWeights(name=name))


def test_a_new_part_is_no_reason_to_refuse_public_weights():
    encoder = i3d.Config(projection=32, map_size=(1, 1)).build()
    check_public(encoder, EncoderWeights(name="i3d_k400", fresh=("projection",)))
    with pytest.raises(ConfigError, match="another in 4 entries, such as projection"):
        check_public(encoder, EncoderWeights(name="i3d_k400"))


def test_nothing_is_drawn_to_tell_whether_public_weights_suit():
    encoder = video_swin.Config().build()
    torch.manual_seed(5)
    check_public(encoder, EncoderWeights(name="swin3d_t"))
    torch.testing.assert_close(torch.rand(3), torch.rand(3, generator=torch.manual_seed(5)))


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


@pytest.mark.parametrize("name", ["page.pth", "page.safetensors", "page.npz"])
def test_text_is_recognised_by_how_it_begins(tmp_path, name):
    (tmp_path / name).write_text("<!DOCTYPE html>\n<title>Seite nicht gefunden: ü</title>" * 9)
    said = r"no file of weights but text, which begins: <!DOCTYPE html> <title>Seite"
    with pytest.raises(UserError, match=said):
        load_public(build(2), tmp_path / name)


@pytest.mark.parametrize(
    "content", [b"", b"1", b"\x80\x02garbage", bytes(range(256)), b"PK\3\4 no weights", b"0\0"]
)
def test_a_broken_file_is_never_recommended_for_execution(tmp_path, content):
    (tmp_path / "broken.pth").write_bytes(content)
    with pytest.raises(UserError, match=r"broken\.pth: no file of \w+") as caught:
        load_public(build(2), tmp_path / "broken.pth")
    assert "weights_only" not in str(caught.value)


def test_a_program_is_refused_without_advice_to_execute_it(tmp_path):
    with ZipFile(tmp_path / "program.pt", "w") as file:  # what tells TorchScript from weights
        for name in ("constants.pkl", "data.pkl", "version"):
            file.writestr(f"program/{name}", "3")
    with pytest.raises(UserError, match=r"alone: a program and not only weights$"):
        load_public(build(2), tmp_path / "program.pt")


@pytest.mark.parametrize("place", ["state_dict_ema", "state_dict", "model"])
def test_weights_are_found_where_training_codes_keep_them(tmp_path, place):
    theirs, ours = build(1), build(2)
    torch.save({place: official(theirs), "epoch": 3}, tmp_path / "swin.pth")
    load_public(ours, tmp_path / "swin.pth")
    assert same(ours, theirs)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"net": {}, "epoch": 3}, "or a mapping with .* or model; it has net, epoch$"),
        ({}, "it has nothing$"),
        ([1, 2], "wanted weights by name, .*; it is of type list$"),
        ({"model": {}}, "there are no weights in its model$"),
        ({"model": {"x": 1}}, r"model\.x is no tensor but of type int$"),
    ],
)
def test_a_file_without_weights_by_name_says_what_it_has(tmp_path, content, said):
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(UserError, match=said):
        load_public(build(2), tmp_path / "other.pth")


@pytest.mark.parametrize("name", sorted({each.encoder for each in PUBLIC.values()}))
def test_public_weights_are_for_an_encoder_that_reads_them(name):
    kind = name.strip("{}").split(",")[0].removeprefix("name: ")
    assert hasattr(Choice("untrimmed.nn.encoders").module(kind), "rename")
