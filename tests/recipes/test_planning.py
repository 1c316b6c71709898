"""What a plan promises, whatever the data: nothing too short to be seen, nothing out of reach."""

import itertools

import numpy as np
import pytest
import torch
import yaml

from untrimmed.core.actions import Actions
from untrimmed.core.annotations import Annotations, Video
from untrimmed.core.config import load
from untrimmed.recipes.commented import Chosen, settings, to_commented_yaml
from untrimmed.recipes.encoder_choice import encoder_for
from untrimmed.recipes.feature_plan import REACH, SHORT_CELLS, cells_for, feature_plan
from untrimmed.recipes.recipe import Recipe
from untrimmed.recipes.splitting import group_by_name, parted, shared_groups
from untrimmed.recipes.survey import FeatureRows, Machine, VideoFiles, survey
from untrimmed.recipes.video_plan import REACH as ANCHOR_REACH
from untrimmed.recipes.video_plan import SHORT_CELLS as ANCHOR_CELLS
from untrimmed.recipes.video_plan import timing_for, video_plan
from untrimmed.runs.networks import build_detector
from untrimmed.sources.feature_files import FeatureFiles
from untrimmed.sources.feature_grid import FeatureGrid

CPU, GPU = Machine(cores=2), Machine(cores=16, gpu_gib=40.0)
WITH_WEIGHTS = Machine(cores=4, weights=("mobilenet_v2_imagenet",))
LARGE = Machine(cores=16, gpu_gib=80.0, weights=("swin3d_t", "swin3d_b_1k"))
MACHINES = (CPU, GPU, WITH_WEIGHTS, LARGE)
LENGTHS_S = ((0.3, 2.0), (0.8, 118.0), (1.5, 10.0), (5.0, 60.0), (30.0, 300.0))


def annotations(short_s, long_s, *, videos=24, classes=3, names=("wave", "pour", "cut")):
    """Videos with actions of all lengths between two, the last one for the longest."""
    lengths = np.geomspace(short_s, long_s, 5)
    made = {}
    for number in range(videos):
        starts = np.arange(5) * (long_s + 1)
        segments = np.stack([starts, starts + lengths], axis=1)
        actions = Actions(segments, [(number + at) % classes for at in range(5)])
        made[f"v{number:02}"] = Video(
            id=f"v{number:02}", duration_s=5 * long_s + 9, actions=actions
        )
    return Annotations(names[:classes], made)


def rows_of(truth, *, row_s, columns=64):
    longest = max(video.duration_s for video in truth.videos.values())
    return FeatureRows(
        files=(FeatureFiles(path="features"),),
        columns=(columns,),
        grid=FeatureGrid(fps=10.0, clip_frames=10 * row_s, step_frames=10 * row_s),
        row_s=row_s,
        longest=int(longest / row_s),
    )


DATA = {"annotations": "a.json", "media": "videos"}
FEATURES = {"annotations": "a.json"}


@pytest.mark.parametrize(("short_s", "long_s"), LENGTHS_S)
@pytest.mark.parametrize("row_s", [0.02, 0.1])
def test_short_actions_cover_as_many_cells_as_rows_allow(short_s, long_s, row_s):
    found = survey(annotations(short_s, long_s))
    cells = cells_for(found, rows_of(annotations(short_s, long_s), row_s=row_s), CPU)
    assert found.short_s / cells.cell_s >= min(SHORT_CELLS, found.short_s / row_s) - 1e-6


@pytest.mark.parametrize(("short_s", "long_s"), LENGTHS_S)
@pytest.mark.parametrize("row_s", [0.02, 0.1, 2.0])
def test_long_actions_are_within_reach_of_the_coarsest_level(short_s, long_s, row_s):
    found = survey(annotations(short_s, long_s))
    cells = cells_for(found, rows_of(annotations(short_s, long_s), row_s=row_s), CPU)
    assert found.long_s / cells.coarsest_s <= REACH or cells.levels == 8
    assert cells.window * cells.cell_s >= min(2 * found.long_s, cells.longest * cells.cell_s)


@pytest.mark.parametrize(("short_s", "long_s"), LENGTHS_S)
@pytest.mark.parametrize("machine", MACHINES)
def test_short_and_long_actions_fit_the_anchors_and_the_window_of_videos(short_s, long_s, machine):
    found = survey(annotations(short_s, long_s))
    encoder = encoder_for(machine)
    timing = timing_for(found, VideoFiles(fps=25.0, size=(240, 320)), encoder)
    assert found.short_s / timing.cell_s >= ANCHOR_CELLS or (timing.fps, timing.reduce) == (25.0, 1)
    coarsest_s = timing.cell_s * 2 ** (timing.levels - 1)
    assert found.long_s / coarsest_s <= ANCHOR_REACH
    assert timing.window_s >= found.long_s


def test_videos_are_never_read_faster_than_they_were_filmed():
    found = survey(annotations(0.05, 2.0))
    timing = timing_for(found, VideoFiles(fps=12.5, size=(240, 320)), encoder_for(CPU))
    assert timing.fps == 12.5


@pytest.mark.parametrize(("short_s", "long_s"), LENGTHS_S)
@pytest.mark.parametrize("machine", MACHINES)
def test_every_plan_for_videos_is_a_recipe_that_builds(short_s, long_s, machine):
    found = survey(annotations(short_s, long_s))
    files = VideoFiles(fps=25.0, size=(240, 320))
    recipe = load(Recipe, settings(video_plan(found, files, machine, data=DATA)))
    with torch.device("meta"):
        build_detector(recipe, classes=3)


@pytest.mark.parametrize(("short_s", "long_s"), LENGTHS_S)
@pytest.mark.parametrize("row_s", [0.02, 0.5])
@pytest.mark.parametrize("columns", [6, 64, 2048])
def test_every_plan_for_features_is_a_recipe_that_builds(short_s, long_s, row_s, columns):
    truth = annotations(short_s, long_s)
    rows = rows_of(truth, row_s=row_s, columns=columns)
    recipe = load(Recipe, settings(feature_plan(survey(truth), rows, GPU, data=FEATURES)))
    with torch.device("meta"):
        detector = build_detector(
            recipe, classes=3, channels=[recipe.data.features[0].width(columns)]
        )
    assert len(detector.head.config.ranges) == 1 + recipe.model.branch_layers


def test_rows_of_few_numbers_are_put_side_by_side_and_keep_their_place_in_time():
    truth = annotations(5.0, 60.0)
    rows = rows_of(truth, row_s=0.02, columns=6)
    cells = cells_for(survey(truth), rows, CPU)
    stack = cells.files[0].stack
    assert stack.step == cells.every > 1
    video = next(iter(truth.videos.values()))
    first_row = rows.grid.grid_of(video, rows.longest).first_s
    first_cell = cells.grid.grid_of(video, 5).first_s
    assert first_cell == pytest.approx(first_row + (stack.rows - 1) / 2 * rows.row_s)


def test_a_class_called_left_or_right_is_not_mirrored():
    names = ("wave", "left turn", "TurnRight")
    for some, flip in ((names[:1], 0.5), (names[:2], 0), (names[::2], 0), (("clap",), 0.5)):
        found = survey(annotations(1.0, 5.0, classes=len(some), names=some))
        tree = settings(video_plan(found, VideoFiles(fps=25, size=(9, 16)), CPU, data=DATA))
        assert tree["data"]["augment"]["flip"] == flip


def test_the_largest_encoder_whose_weights_are_here_and_fit_is_taken():
    both = ("swin3d_b_1k", "swin3d_t", "mobilenet_tsm_k400")
    chosen = [
        encoder_for(Machine(gpu_gib=gib, weights=weights)).weights
        for gib, weights in ((80, both), (6, both), (None, both), (80, ()), (None, ()))
    ]
    assert chosen == ["swin3d_b_1k", "swin3d_t", "mobilenet_tsm_k400", None, None]


def test_only_a_survey_without_any_length_is_refused():
    video = Video(id="v", duration_s=9.0, actions=Actions([[2.0, 2.0]], [0]))
    with pytest.raises(ValueError, match="no action of the training videos has a length"):
        survey(Annotations(("wave",), {"v": video}))


# Parts of a data set.


def grouped(groups=30, members=3):
    """Videos of recordings; class 2 happens in every tenth recording only."""
    made = {}
    for group, member in itertools.product(range(groups), range(members)):
        labels = [0, 1, 2] if group % 10 == 0 else [0, 1]
        segments = [[2.0 * at, 2.0 * at + 1] for at in range(len(labels))]
        id = f"g{group:02}_c{member}"
        made[id] = Video(id=id, duration_s=9.0, actions=Actions(segments, labels))
    return Annotations(("a", "b", "rare"), made)


def test_no_group_is_in_two_parts_and_every_video_is_in_one():
    truth = grouped()
    groups = group_by_name(list(truth.videos))
    parts = parted(truth, groups)
    assert sorted(id for ids in parts.values() for id in ids) == sorted(truth.videos)
    for one, other in itertools.combinations(parts.values(), 2):
        assert {groups[id] for id in one}.isdisjoint(groups[id] for id in other)


def test_every_part_gets_its_share_of_videos_and_of_rare_classes():
    truth = grouped()
    parts = parted(truth, group_by_name(list(truth.videos)))
    shares = {part: len(ids) / 90 for part, ids in parts.items()}
    assert shares == pytest.approx({"train": 0.7, "validation": 0.15, "test": 0.15}, abs=0.05)
    rare = {
        part: sum(2 in truth.videos[id].actions.labels for id in ids) for part, ids in parts.items()
    }
    assert rare["train"] >= 3
    assert rare["test"] >= 3


def test_few_groups_leave_none_to_choose_weights_by():
    truth = grouped(groups=8)
    groups = group_by_name(list(truth.videos), pattern=r"^g\d+")
    assert parted(truth, groups).keys() == {"train", "test"}


def test_the_order_of_videos_does_not_change_their_parts():
    truth = grouped()
    turned = Annotations(truth.classes, dict(reversed(truth.videos.items())))
    groups = group_by_name(list(truth.videos))
    assert parted(truth, groups) == parted(turned, groups)


def test_two_groups_are_one_to_train_on_and_one_to_score():
    truth = grouped(groups=2)
    parts = parted(truth, group_by_name(list(truth.videos), pattern=r"^g\d+"))
    assert {part: {id[:3] for id in ids} for part, ids in parts.items()} in (
        {"train": {"g00"}, "test": {"g01"}},
        {"train": {"g01"}, "test": {"g00"}},
    )


def test_a_single_group_cannot_be_parted():
    with pytest.raises(ValueError, match="one group of videos cannot be parted"):
        parted(grouped(groups=1), {f"g00_c{member}": "g" for member in range(3)})


def test_numbered_videos_are_groups_of_their_own():
    ids = [f"video_{number}" for number in range(30)]
    assert len(set(group_by_name(ids).values())) == 30


def test_a_pattern_names_groups_and_a_wrong_one_is_refused():
    assert group_by_name(["p1_a", "p1_b", "x"], pattern=r"^p(\d)") == {
        "p1_a": "1",
        "p1_b": "1",
        "x": "x",
    }
    with pytest.raises(ValueError, match="no regular expression"):
        group_by_name(["a"], pattern="(")


def test_groups_in_two_splits_are_found():
    first = Video(id="a_1", duration_s=1.0, split="train")
    second = Video(id="a_2", duration_s=1.0, split="test")
    truth = Annotations((), {"a_1": first, "a_2": second})
    assert shared_groups(truth, {"a_1": "a", "a_2": "a"}) == {"a": {"train", "test"}}
    assert shared_groups(truth, {"a_1": "a", "a_2": "b"}) == {}


# Text.


def test_a_commented_recipe_reads_back_as_its_settings():
    tree = {
        "data": {"paths": Chosen(["a: b", "#c"], "Why # this."), "n": None, "empty": {}},
        "rate": Chosen(3.0e-4, "Because. " * 40),
        "map": Chosen({"x": [1, 2.5], "long": list(range(60))}, "It is long."),
    }
    text = to_commented_yaml(tree, head="First\nsecond")
    assert yaml.safe_load(text) == settings(tree)
    assert all(len(line) <= 100 for line in text.splitlines())
    assert text.startswith("# First\n# second\n")


def test_every_size_that_follows_from_the_data_says_why():
    truth = annotations(1.0, 20.0)
    text = to_commented_yaml(
        feature_plan(survey(truth), rows_of(truth, row_s=0.1), CPU, data=FEATURES)
    )
    lines = text.splitlines()
    for setting in ("features", "grid", "cells", "width", "branch_layers", "epochs", "batch"):
        place = next(n for n, line in enumerate(lines) if line.strip().startswith(f"{setting}:"))
        assert lines[place - 1].strip().startswith("#"), setting
