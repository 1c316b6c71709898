"""Published rows on videos as recipes: what they see, encode and start from."""

import math

import pytest
import torch
import yaml

from untrimmed.core.rate import Squeezed
from untrimmed.data.sampling import clips_to_encode, steps_of
from untrimmed.recipes.data import VideoData
from untrimmed.recipes.recipe import presets, read_recipe
from untrimmed.recipes.weights import PUBLIC
from untrimmed.runs.networks import build_detector, window_shape

TRAINING_VIDEOS = 200

SQUEEZED = {
    "tallformer_activitynet13": (9, 24, 6),
    "tallformer_activitynet13_i3d": (8, 24, 6),
    "tallformer_hacs": (9, 24, 6),
    "afsd_activitynet13": (1, 1, 6),
}
"""Clips encoded of so many of a whole video, and levels of the pyramid."""

ON_VIDEOS = [name for name in presets() if isinstance(read_recipe(name).data, VideoData)]

TWO_PER_SECOND = [
    "data.windows={fps: 2, clip_frames: 32, clips: 2}",
    "model.reduce=1",
    "data.prepared=data/thumos14/prepared_2fps",
]


def fresh(recipe):
    return recipe.encoder_weights.fresh


def built(recipe):
    with torch.device("meta"):
        return build_detector(recipe, classes=20)


@pytest.mark.parametrize(
    ("preset", "settings", "seconds", "clips", "of", "cell_s"),
    [
        ("tallformer_thumos14", [], 32, 2, 15, 8 / 15),
        ("tallformer_thumos14_32", [], 32, 6, 15, 8 / 15),
        ("tallformer_thumos14_i3d", [], 32, 6, 15, 8 / 15),
        ("tallformer_thumos14_frozen", [], 32, 0, 15, 8 / 15),
        ("tallformer_thumos14_short", [], 12, 6, 6, 8 / 15),
        ("tallformer_thumos14_short", ["data.windows.clips=2"], 4, 2, 2, 8 / 15),
        ("tallformer_thumos14_sparse", [], 32, 8, 8, 0.5),
        ("tallformer_thumos14_sparse", ["data.windows.clips=2"], 8, 2, 2, 0.5),
        ("tallformer_thumos14_sparse", TWO_PER_SECOND, 32, 2, 2, 1.0),
        ("daotad_thumos14", [], 768 / 25, 1, 1, 8 / 25),
    ],
)
def test_a_row_sees_and_encodes_what_it_says(preset, settings, seconds, clips, of, cell_s):
    recipe = read_recipe(preset, settings=settings)
    data, detector = recipe.data, built(recipe)
    shape = window_shape(data, stride=detector.encoder.stride)
    keep = 1.0 if data.memory is None else data.memory.keep
    assert shape.frames / data.windows.fps == seconds
    assert (clips_to_encode(shape.clips, keep=keep), shape.clips) == (clips, of)
    finest = detector.temporal.strides[0] * detector.encoder.stride / data.windows.fps
    assert finest == pytest.approx(cell_s)
    assert len(detector.temporal.strides) == 5


@pytest.mark.parametrize("preset", SQUEEZED)
def test_a_row_on_whole_videos_sees_768_frames_in_96_cells(preset):
    recipe = read_recipe(preset)
    data, detector = recipe.data, built(recipe)
    shape = window_shape(data, stride=detector.encoder.stride)
    keep = 1.0 if data.memory is None else data.memory.keep
    clips, of, levels = SQUEEZED[preset]
    assert data.windows.fps == Squeezed(768)
    assert shape.frames == 768
    assert (clips_to_encode(shape.clips, keep=keep), shape.clips) == (clips, of)
    assert shape.cells / detector.temporal.strides[0] == 96
    assert len(detector.temporal.strides) == levels


@pytest.mark.parametrize("classes", [200, 5])
def test_the_classifier_of_videos_is_the_codes_or_the_papers(classes):
    paper = "model.video_class={features: consistency, loss: focal}"
    for settings, width in (([], 1024), ([paper], 512)):
        recipe = read_recipe("tallformer_activitynet13", settings=settings)
        with torch.device("meta"):
            head = build_detector(recipe, classes=classes).head
        assert head.classifier.weight.shape == (classes + 1, width)


@pytest.mark.parametrize("preset", ON_VIDEOS)
def test_the_encoder_is_the_one_that_its_weights_are_for(preset):
    recipe = read_recipe(preset)
    wanted = yaml.safe_load(PUBLIC[recipe.encoder_weights.name].encoder)
    assert type(recipe.model.encoder).__module__.endswith(f".{wanted.pop('name')}")
    assert {key: getattr(recipe.model.encoder, key) for key in wanted} == wanted
    assert all(part in dict(built(recipe).encoder.named_children()) for part in fresh(recipe))


def test_copies_in_one_folder_are_of_one_rate_and_size():
    folders = {}
    for recipe in (
        *map(read_recipe, ON_VIDEOS),
        read_recipe("tallformer_thumos14_sparse", settings=TWO_PER_SECOND),
    ):
        data = recipe.data
        folders.setdefault(data.prepared, set()).add((data.windows.fps, data.size))
    assert len(folders) > 1
    assert all(len(copies) == 1 for copies in folders.values())


def test_a_frozen_encoder_is_never_trained():
    memory = read_recipe("tallformer_thumos14_frozen").data.memory
    assert memory is not None
    assert memory.keep == 0


@pytest.mark.parametrize(
    ("preset", "at"),
    [
        ("tallformer_activitynet13", [1] * 8 + [0.1] * 2),
        ("tallformer_hacs", [1] * 8 + [0.1] * 2 + [0.01] * 5),
        ("afsd_activitynet13", [1] * 16),
    ],
)
def test_the_rate_on_whole_videos_falls_after_epochs_8_and_10(preset, at):
    train, videos = read_recipe(preset).train, 10_009
    steps = steps_of(videos, batch=train.batch, epochs=train.epochs)
    middles = [int((epoch + 0.5) * videos / train.batch) for epoch in range(train.epochs)]
    factors = [train.schedule.factor(step, steps=steps) for step in middles]
    assert factors == pytest.approx(at)
    assert train.optimizer.encoder_lr < train.optimizer.lr


@pytest.mark.parametrize("preset", sorted(set(ON_VIDEOS) - set(SQUEEZED)))
def test_the_rate_falls_epoch_by_epoch_in_cycles_of_a_hundred(preset):
    train = read_recipe(preset).train
    steps = steps_of(TRAINING_VIDEOS, batch=train.batch, epochs=train.epochs)

    def within(epoch):
        middle = int((epoch + 0.5) * TRAINING_VIDEOS / train.batch)
        return train.schedule.factor(middle, steps=steps)

    for first in range(100, train.epochs, 100):  # the first cycle warms up
        assert within(first) == 1
        last = 0.01 + 0.99 * (1 + math.cos(math.pi * 99 / 100)) / 2
        assert within(first + 99) == pytest.approx(last)


@pytest.mark.parametrize("preset", ON_VIDEOS)
def test_the_head_of_a_preset_names_its_commands(preset):
    head = presets()[preset].read_text().split("\n\n")[0]
    weights = read_recipe(preset).encoder_weights.name
    assert f"#   untrimmed weights get {weights}\n" in head
    assert f"#   untrimmed train {preset} --run runs/" in head
