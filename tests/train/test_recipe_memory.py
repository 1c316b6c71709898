"""What the training step of a recipe takes, followed on meta tensors."""

from functools import cache

import pytest
import torch

from benchmarks.recipe_memory import peak_of
from untrimmed.core.errors import ConfigError
from untrimmed.recipes.recipe import read_recipe

META = torch.device("meta")
SMALL = (
    "data.size=[20, 20]",
    "data.windows={clips: 4, clip_frames: 16}",
    "data.augment={crop: [16, 16], photometric: 0}",
    "model.encoder={name: conv3d, channels: [8, 16]}",
    "model.head={name: anchor, width: 16, stacked: 1}",
    "model.consistency_layers=1",
    "model.pyramid_kernels=[3]",
    "model.width=32",
    "model.fpn_width=24",
    "model.clips_at_once=1",
    "train.batch=1",
    "train.optimizer.kind=adam",
)


@cache
def peak(*settings):
    recipe = read_recipe("tallformer_thumos14", settings=[*SMALL, *settings])
    return peak_of(recipe, classes=5, device=META)


def test_a_larger_batch_changes_nothing_but_the_rest():
    small, large = peak(), peak("train.batch=3")
    assert (small.clips, large.clips) == (1, 3)
    assert large.rest > small.rest
    assert large.whole - large.rest == small.whole - small.rest


def test_adam_remembers_two_numbers_of_every_parameter_that_has_a_gradient():
    found = peak()
    assert found.gradients <= found.weights
    assert 2 <= found.optimizer / found.gradients < 2.02


def test_averaged_weights_take_what_the_weights_do():
    plain, averaged = peak(), peak("train.ema=0.9")
    assert (plain.averaged, averaged.averaged) == (0, plain.weights)
    assert averaged.whole == plain.whole + plain.weights


def test_more_clips_take_no_more_where_they_come_one_by_one():
    few, many = peak(), peak("data.memory.keep=1")
    assert (few.clips, many.clips) == (1, 4)
    at_once = peak("data.memory.keep=1", "model.clips_at_once=null")
    assert many.rest - few.rest < 0.1 * (at_once.rest - few.rest)


def test_a_step_from_memory_alone_has_no_clips():
    assert peak("data.memory.keep=0").clips == 0


def test_a_recipe_of_features_is_refused():
    recipe = read_recipe("actionformer_thumos14_i3d")
    with pytest.raises(ConfigError, match="the recipe is of features"):
        peak_of(recipe, classes=5, device=META)
