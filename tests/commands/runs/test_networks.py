"""Networks of a recipe: what they refuse, and what a detector finds by itself."""

import pytest

from untrimmed.core.errors import ConfigError
from untrimmed.recipes.recipe import read_recipe
from untrimmed.runs.evaluation import told_apart
from untrimmed.runs.networks import build_detector, own_classes

CLASSES = ("jump", "run")


def recipe(*settings):
    return read_recipe("tallformer_thumos14", settings=settings)


def test_a_detector_that_tells_classes_apart_names_them():
    assert own_classes(recipe(), CLASSES) == told_apart(recipe(), CLASSES) == CLASSES


def test_a_detector_of_whatever_class_has_one_of_its_own():
    blind = recipe("data.one_class=true")
    assert own_classes(blind, CLASSES) == told_apart(blind, CLASSES) == ("action",)


def test_classes_of_others_name_its_detections_but_not_what_it_finds_itself():
    named = recipe("data.one_class=true", "class_scores={file: scores.json}")
    assert own_classes(named, CLASSES) == ("action",)
    assert told_apart(named, CLASSES) == CLASSES


ENCODER = """
from dataclasses import dataclass

from torch import nn

from untrimmed.core.errors import ConfigError


@dataclass(frozen=True)
class Config:
    fault: str = ""

    def build(self):
        match self.fault:
            case "setting":
                raise ConfigError("wanted another", path="fault")
            case "value":
                raise ValueError("no such encoder")
            case "defect":
                raise TypeError("a defect")
        return Encoder(self.fault)


class Encoder(nn.Module):
    channels, stride = 16, 8

    def __init__(self, fault):
        super().__init__()
        self.fault = fault

    def forward(self, clips):
        match self.fault:
            case "size":
                raise ValueError("pictures must be square")
            case "numbers":
                float(clips.sum())
        return clips.float().mean((1, 3, 4))[:, None, ::8].expand(-1, 16, -1)
"""


@pytest.fixture
def faulty(tmp_path, monkeypatch):
    """A recipe whose encoder has one fault."""
    (tmp_path / "my_lab").mkdir()
    (tmp_path / "my_lab" / "faulty.py").write_text(ENCODER)
    monkeypatch.syspath_prepend(tmp_path)
    return lambda fault: recipe(f"model.encoder={{name: my_lab.faulty, fault: '{fault}'}}")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("setting", r"^model\.encoder\.fault: wanted another$"),
        ("value", r"^model\.encoder: no such encoder$"),
        (
            "size",
            r"^model\.encoder: clips of \d+ frames of 224 x 224 pixels do not suit it:"
            r" pictures must be square$",
        ),
    ],
)
def test_what_an_encoder_refuses_is_a_setting_of_the_encoder(faulty, fault, said):
    with pytest.raises(ConfigError, match=said):
        build_detector(faulty(fault), classes=3)


def test_a_defect_of_an_encoder_is_no_fault_of_the_settings(faulty):
    with pytest.raises(TypeError, match="a defect"):
        build_detector(faulty("defect"), classes=3)


def test_an_encoder_that_must_see_numbers_is_built(faulty):
    assert build_detector(faulty("numbers"), classes=3).encoder.channels == 16


def test_clips_are_refused_before_any_is_read():
    with pytest.raises(
        ConfigError, match=r"^model\.encoder: clips of 768 frames of 32 x 32 pixels"
    ):
        build_detector(
            read_recipe("afsd_activitynet13", settings=["data.augment.crop=[32, 32]"]), classes=3
        )


def test_a_window_that_a_model_refuses_is_a_setting_of_the_model():
    short = ["data.windows.squeeze=128", "data.windows.clip_frames=128"]
    with pytest.raises(
        ConfigError, match=r"^model: a window of 16 cells cannot be halved 5 times$"
    ):
        build_detector(read_recipe("afsd_activitynet13", settings=short), classes=3)


def test_a_network_on_features_names_the_setting_too():
    wrong = read_recipe("actionformer_thumos14_i3d", settings=["model.heads=5"])
    with pytest.raises(ConfigError, match=r"^model: 512 channels do not divide into 5 heads$"):
        build_detector(wrong, classes=3, channels=[2048])
