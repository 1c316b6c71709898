import pytest
import torch

from untrimmed.core.config import dump, load
from untrimmed.core.errors import ConfigError
from untrimmed.recipes.recipe import Recipe, presets, read_recipe
from untrimmed.runs.dataset import read_annotations
from untrimmed.runs.networks import build_detector, window_shape
from untrimmed.runs.scoring import protocol_of

MINIMAL = "data: {annotations: a.json, media: videos}\nmodel: {name: tallformer}\n"


@pytest.mark.parametrize("name", presets())
def test_every_preset_builds_a_detector_and_states_its_score(name):
    recipe = read_recipe(name)
    with torch.device("meta"):
        detector = build_detector(recipe, classes=20)
    assert sum(p.numel() for p in detector.parameters()) > 1_000_000
    head = presets()[name].read_text().split("\n\n")[0]
    assert "not measured" in head or "measured" in head


def test_the_thumos14_preset_is_the_authors_network():
    recipe = read_recipe("tallformer_thumos14")
    with torch.device("meta"):
        detector = build_detector(recipe, classes=20)
    shape = window_shape(recipe.data, stride=detector.encoder.stride)
    assert sum(p.numel() for p in detector.parameters()) == 117_478_022
    assert (shape.frames, shape.cells) == (480, 240)


@pytest.mark.parametrize("name", presets())
def test_every_preset_is_scored_by_rules_that_exist(name):
    recipe = read_recipe(name)
    assert protocol_of(recipe.protocol, tious=recipe.tious).tious


@pytest.mark.parametrize(
    ("preset", "classes", "parameters"),
    [
        ("thumos14_i3d", 20, 29_251_612),
        ("activitynet13_tsp", 200, 6_943_497),
        ("activitynet13_i3d", 200, 8_123_145),
        ("epic_kitchens_verb", 97, 29_763_177),
        ("epic_kitchens_noun", 300, 30_075_188),
        ("ego4d_slowfast", 110, 32_945_271),
        ("ego4d_omnivore", 110, 34_927_736),
        ("ego4d_egovlp", 110, 18_675_576),
        ("ego4d_slowfast_egovlp", 110, 78_933_624),
        ("ego4d_omnivore_egovlp", 110, 77_164_152),
        ("ego4d_slowfast_omnivore_egovlp", 110, 134_048_888),
    ],
)
def test_the_actionformer_presets_are_the_authors_networks(preset, classes, parameters):
    with torch.device("meta"):
        detector = build_detector(read_recipe(f"actionformer_{preset}"), classes=classes)
    assert sum(p.numel() for p in detector.parameters()) == parameters


def test_paths_are_relative_to_the_file(tmp_path):
    (tmp_path / "recipe.yaml").write_text(MINIMAL)
    data = read_recipe(tmp_path / "recipe.yaml").data
    assert data.annotations == tmp_path / "a.json"
    assert data.media == tmp_path / "videos"
    assert data.prepared is None


def test_settings_are_changed_in_order(tmp_path):
    (tmp_path / "r.yaml").write_text(MINIMAL)
    settings = ["train.epochs=3", "train.epochs=5", "model.encoder={name: conv3d, blocks: 2}"]
    recipe = read_recipe(tmp_path / "r.yaml", settings=settings)
    assert recipe.train.epochs == 5
    assert recipe.model.encoder.blocks == 2


def test_a_resolved_recipe_reads_back_as_itself(tmp_path):
    (tmp_path / "r.yaml").write_text(MINIMAL)
    recipe = read_recipe(tmp_path / "r.yaml")
    assert load(Recipe, dump(recipe)) == recipe


def test_a_rate_below_0_is_refused(tmp_path):
    (tmp_path / "r.yaml").write_text(MINIMAL)
    with pytest.raises(ConfigError, match=r"data\.memory\.keep: wanted a number in \[0, 1\]"):
        read_recipe(tmp_path / "r.yaml", settings=["data.memory.keep=-0.1"])


def test_clips_that_the_encoder_cannot_divide_are_refused(tmp_path):
    (tmp_path / "r.yaml").write_text(MINIMAL)
    recipe = read_recipe(tmp_path / "r.yaml", settings=["data.windows.clip_frames=31"])
    with pytest.raises(ConfigError, match=r"clip_frames: 31 frames are not a whole number"):
        build_detector(recipe, classes=3)


def test_an_unknown_recipe_lists_the_presets():
    with pytest.raises(ConfigError, match=r"neither a file nor a preset; presets: .*tallformer"):
        read_recipe("tallformer_thumos")


def test_a_format_is_told_what_the_recipe_says(tmp_path):
    (tmp_path / "a.csv").write_text("video,label,start,end,split\nv,wave,1,2,training\n")
    text = MINIMAL.replace("a.json", "a.csv, format: csv, format_settings: {durations_s: {v: 9}}")
    (tmp_path / "r.yaml").write_text(text)
    annotations = read_annotations(read_recipe(tmp_path / "r.yaml").data)
    assert annotations.videos["v"].duration_s == 9


def test_a_setting_that_the_format_does_not_have_lists_those_that_it_has(tmp_path):
    (tmp_path / "a.csv").write_text("video,label,start,end\nv,wave,1,2\n")
    text = MINIMAL.replace("a.json", "a.csv, format: csv, format_settings: {fps: 9}")
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"data\.format_settings: csv has no setting fps; there"):
        read_annotations(read_recipe(tmp_path / "r.yaml").data)
