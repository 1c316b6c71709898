"""The first steps of a training, timed on a few of its videos."""

from dataclasses import replace

import pytest

from untrimmed.recipes.recipe import read_recipe
from untrimmed.runs.dataset import read_annotations
from untrimmed.runs.progress import finish
from untrimmed.runs.trial import STEPS, timed


@pytest.fixture
def recipe(data):
    return read_recipe(data / "recipe.yaml", settings=["data.prepared=null", "pretrain.steps=9999"])


def test_each_part_of_a_training_is_timed_and_nothing_of_it_is_kept(recipe, data):
    before = {path: path.stat().st_mtime_ns for path in data.rglob("*")}
    annotations = read_annotations(recipe.data)
    held_out = annotations.split("validation").videos
    pace = finish(timed(recipe, annotations.split("training"), held_out))
    assert min(pace.forming_s, pace.step_s, pace.fill_s, pace.look_s) > 0
    assert {path: path.stat().st_mtime_ns for path in data.rglob("*")} == before


def test_parts_that_a_training_does_not_have_take_no_time(recipe):
    plain = replace(recipe, pretrain=None, data=replace(recipe.data, memory=None))
    training = read_annotations(recipe.data).split("training")
    pace = finish(timed(plain, training, {}))
    assert (pace.forming_s, pace.fill_s, pace.look_s) == (0, 0, 0)
    assert pace.step_s > 0


def test_a_long_training_is_tried_for_a_few_steps_alone(recipe):
    training = read_annotations(recipe.data).split("training")
    news = [each.facts[""] for each in timed(recipe, training, {})]
    assert STEPS <= news.count("train") < 2 * STEPS
    assert STEPS <= news.count("form the encoder") < 2 * STEPS
