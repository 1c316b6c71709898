"""Encoders of `transformers`, tiny and with random weights; without the extra, what it says."""

import copy
import sys

import pytest
import torch

from tests.nn.tiny_transformers import JEPA, KINDS, SIZE, SMALL, STRIDES, L, every_kind, installed
from untrimmed.core.errors import ConfigError
from untrimmed.nn.encoders import transformers_video
from untrimmed.nn.encoders.transformers_video import Config
from untrimmed.nn.protocols import Encoder

N = 3


def build(kind, **changes):
    torch.manual_seed(0)
    return Config(kind=kind, settings={**KINDS[kind], **changes}).build().eval()


@pytest.fixture
def clips():
    torch.manual_seed(1)
    return torch.randint(0, 256, (N, 3, L, SIZE, SIZE), dtype=torch.uint8)


@installed
@every_kind
def test_every_kind_is_an_encoder(kind, clips):
    encoder = build(kind)
    assert isinstance(encoder, Encoder)
    assert encoder.stride == STRIDES[kind]
    assert encoder(clips).shape == (N, encoder.channels, L // encoder.stride)


@installed
@every_kind
def test_a_batch_equals_its_clips_one_by_one(kind, clips):
    encoder = build(kind)
    together = encoder(clips)
    for n in range(N):
        torch.testing.assert_close(together[n : n + 1], encoder(clips[n : n + 1]))


@installed
@every_kind
def test_without_attention_a_cell_sees_its_own_frames_alone(kind, clips):
    encoder = build(kind, num_hidden_layers=0)
    changed = clips.clone()
    cell = L // encoder.stride - 1
    changed[:, :, cell * encoder.stride :] = 255 - changed[:, :, cell * encoder.stride :]
    difference = (encoder(changed) - encoder(clips)).abs().amax((0, 1))
    assert difference[cell] > 1e-3
    assert difference[:cell].max() == 0


@installed
@every_kind
def test_every_parameter_gets_a_gradient(kind, clips):
    encoder = build(kind).train()
    encoder(clips).square().sum().backward()
    without = [
        name
        for name, p in encoder.named_parameters()
        if p.requires_grad and (p.grad is None or not p.grad.any())
    ]
    assert not without


@installed
@every_kind
def test_a_copy_gives_the_same(kind, clips):
    encoder = build(kind)
    assert torch.equal(copy.deepcopy(encoder)(clips), encoder(clips))


@installed
@pytest.mark.parametrize("head", ["VideoMAEForVideoClassification", "VideoMAEForPreTraining"])
def test_weights_with_a_head_are_those_of_the_encoder(head):
    import transformers

    torch.manual_seed(2)
    whole = getattr(transformers, head)(transformers.VideoMAEConfig(**SMALL))
    encoder = build("videomae")
    encoder.load_state_dict(transformers_video.rename(whole.state_dict()))
    for name, value in whole.videomae.state_dict().items():
        assert torch.equal(encoder.model.state_dict()[name], value)


@installed
def test_weights_of_a_pretrained_predictor_are_left_out():
    import transformers

    torch.manual_seed(2)
    whole = transformers.VJEPA2Model(transformers.VJEPA2Config(**JEPA))
    build("vjepa2").load_state_dict(transformers_video.rename(whole.state_dict()))


@installed
def test_names_that_vivit_has_in_memory_are_kept():
    import transformers

    torch.manual_seed(2)
    whole = transformers.VivitModel(transformers.VivitConfig(**KINDS["vivit"]))
    encoder = build("vivit")
    encoder.load_state_dict(transformers_video.rename(whole.state_dict()))
    for name, value in encoder.model.state_dict().items():
        assert torch.equal(whole.state_dict()[name], value)


def test_biases_that_had_other_names_are_found():
    old = "videomae.encoder.layer.0.attention.attention.q_bias"
    assert transformers_video.rename({old: torch.zeros(1)}).keys() == {
        "model.encoder.layer.0.attention.attention.query.bias"
    }


@installed
def test_a_clip_of_another_length_is_refused(clips):
    with pytest.raises(ValueError, match="a clip of 6 frames, the model is for 8"):
        build("videomae")(clips[:, :, :6])


@installed
def test_half_a_cell_is_refused(clips):
    with pytest.raises(ValueError, match="5 frames is not a whole number of cells of 2"):
        build("vjepa2")(clips[:, :, :5])


@installed
def test_a_setting_that_the_model_does_not_have_is_refused():
    with pytest.raises(ConfigError, match="settings: videomae has no layers"):
        Config(settings={"layers": 2}).build()


@installed
def test_a_setting_by_its_former_name_is_understood():
    block = build("videomae", qkv_bias=False).model.encoder.layer[0]
    assert block.attention.attention.query.bias is None


@installed
@every_kind
def test_a_whole_config_json_is_settings(kind, clips):
    whole = build(kind).model.config.to_dict() | {"dtype": "bfloat16"}
    torch.manual_seed(0)
    encoder = Config(kind=kind, settings=whole).build().eval()
    assert {each.dtype for each in encoder.parameters()} == {torch.float32}
    assert torch.equal(encoder(clips), build(kind)(clips))


@installed
def test_a_config_json_of_another_kind_is_refused():
    with pytest.raises(ConfigError, match="settings: these are settings of swin, not of vivit"):
        Config(kind="vivit", settings={"model_type": "swin", "depths": [2, 2]}).build()


@installed
def test_a_setting_of_a_wrong_type_is_refused():
    with pytest.raises(ConfigError, match=r"settings: .*hidden_size"):
        Config(settings={"hidden_size": "wide"}).build()


def test_the_extra_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ConfigError, match=r"pip install 'untrimmed\[transformers\]'"):
        Config().build()
