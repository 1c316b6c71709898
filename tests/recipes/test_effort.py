"""What a plan gives up where there is less time than the data ask for."""

import pytest
import torch

from tests.recipes.test_planning import (
    CPU,
    DATA,
    FEATURES,
    GPU,
    LARGE,
    MACHINES,
    annotations,
    rows_of,
)
from untrimmed.core.config import load
from untrimmed.recipes.commented import settings
from untrimmed.recipes.effort import Effort, Pace, Work
from untrimmed.recipes.encoder_choice import encoder_for
from untrimmed.recipes.feature_plan import feature_plan, width_for
from untrimmed.recipes.recipe import Recipe
from untrimmed.recipes.survey import Machine, VideoFiles, survey
from untrimmed.recipes.video_plan import video_plan
from untrimmed.runs.networks import build_detector

WORK = Work(forming=60, steps=300, looks=5)
PACE = Pace(forming_s=0.5, step_s=2.0, fill_s=40.0, look_s=7.0)
FILES = VideoFiles(fps=25.0, size=(240, 320))


@pytest.mark.parametrize("seconds", [80.0, 200.0, 700.0])
def test_a_share_of_the_steps_takes_the_time_it_was_reckoned_for(seconds):
    share = PACE.share(WORK, seconds=seconds)
    assert 0 < share < 1
    assert PACE.time_s(WORK, share=share) == pytest.approx(seconds)


def test_more_time_than_is_needed_asks_for_no_more_steps():
    assert PACE.time_s(WORK) == 40 + 5 * 7 + 60 * 0.5 + 300 * 2
    assert PACE.share(WORK, seconds=PACE.time_s(WORK)) == 1
    assert PACE.share(WORK, seconds=1e9) == 1


def test_where_memory_and_scoring_alone_take_too_long_no_step_is_left():
    assert PACE.share(WORK, seconds=74.0) == 0


def video_settings(effort, machine=CPU):
    found = survey(annotations(0.8, 20.0))
    return settings(video_plan(found, FILES, machine, data=DATA, effort=effort))


def feature_settings(effort):
    truth = annotations(0.8, 20.0)
    rows = rows_of(truth, row_s=0.1)
    return settings(feature_plan(survey(truth), rows, GPU, data=FEATURES, effort=effort))


def test_half_the_share_is_half_the_steps_and_the_same_network():
    whole, half = (video_settings(Effort(share=share)) for share in (1.0, 0.5))
    assert half["train"]["epochs"] == whole["train"]["epochs"] // 2
    assert half["pretrain"]["steps"] == whole["pretrain"]["steps"] // 2
    assert half["train"]["head_only_steps"] < whole["train"]["head_only_steps"]
    assert (half["model"], half["data"]) == (whole["model"], whole["data"])
    whole, half = (feature_settings(Effort(share=share)) for share in (1.0, 0.5))
    assert half["train"]["epochs"] == whole["train"]["epochs"] // 2
    assert half["model"] == whole["model"]


def test_no_share_is_less_than_an_epoch():
    tiny = Effort(share=1e-6)
    assert [each(tiny)["train"]["epochs"] for each in (video_settings, feature_settings)] == [1, 1]


def cost(encoder):
    """By pixels; nearly all that a small encoder takes."""
    sizes = {"tiny": 1, "small": 2, "base": 3}
    return sizes.get(encoder.settings.get("size"), 0), encoder.short_side


@pytest.mark.parametrize("machine", [*MACHINES, Machine(weights=("mobilenet_tsm_k400",))])
def test_smaller_encoders_are_smaller_until_there_is_none_and_keep_to_public_weights(machine):
    chain = [encoder_for(machine, smaller=number) for number in range(9)]
    assert chain[0] == encoder_for(machine)
    costs = [cost(each) for each in chain]
    assert costs == sorted(costs, reverse=True)
    assert chain[-1] == chain[-2]
    assert {each.weights is None for each in chain} == {chain[0].weights is None}


def test_a_large_encoder_is_followed_by_the_next_whose_weights_are_here():
    chain = [encoder_for(LARGE, smaller=number).weights for number in range(4)]
    assert chain == ["swin3d_b_1k", "swin3d_t", "swin3d_t", "swin3d_t"]


def test_widths_are_halved_down_to_the_narrowest():
    widths = [width_for(2048, 5000, GPU, smaller=number) for number in range(4)]
    assert widths == [512, 256, 128, 128]


@pytest.mark.parametrize("smaller", [1, 2, 5])
@pytest.mark.parametrize("machine", MACHINES)
def test_every_smaller_plan_is_a_recipe_that_builds(smaller, machine):
    effort = Effort(share=0.1, smaller=smaller)
    with torch.device("meta"):
        build_detector(load(Recipe, video_settings(effort, machine)), classes=3)
        build_detector(load(Recipe, feature_settings(effort)), classes=3, channels=[64])


def test_a_plan_says_what_it_gave_up_and_why():
    effort = Effort(share=0.5, smaller=1, why=" It takes long.")
    found = survey(annotations(0.8, 20.0))
    tree = video_plan(found, FILES, CPU, data=DATA, effort=effort)
    assert tree["train"]["epochs"].why.endswith("It takes long.")
    assert "want of time" in tree["pretrain"]["steps"].why
    assert "want of time" in tree["model"]["encoder"].why
    tree = video_plan(found, FILES, CPU, data=DATA)
    assert "want of time" not in tree["pretrain"]["steps"].why + tree["model"]["encoder"].why
