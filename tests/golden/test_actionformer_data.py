"""What ActionFormer's four readers give for small data sets, and how they crop."""

import numpy as np
import pytest

from untrimmed.core.actions import Actions, without_repeats, without_short
from untrimmed.data.feature_dataset import TrainingFeatures, learnt, whole_video
from untrimmed.data.feature_windows import random_crop
from untrimmed.sources.feature_grid import FeatureGrid
from untrimmed.sources.features import FeatureFiles, FeatureStore
from untrimmed.sources.formats import actionformer

CASES = (
    "thumos_eval",
    "thumos_train_nocrop",
    "thumos_downsample2",
    "thumos_default_fps",
    "epic_eval",
    "ego4d_eval",
    "anet_upsample_eval",
    "anet_upsample_train",
    "anet_variable_eval",
    "anet_variable_train_filter",
    "anet_hdf5_eval",
    "anet_fixed_eval",
    "anet_fixed_upsample_eval",
)

# The authors hold segments in float32 throughout, we until the end in float64.
CELLS = {"rtol": 1e-6, "atol": 1e-5}


@pytest.fixture
def folder(golden_file):
    return golden_file("actionformer/data")


@pytest.fixture
def items(golden):
    """A function from a case to its reader, settings, videos, and arrays by video and name."""
    said = golden("actionformer/data/dataset_items.json")
    arrays = golden("actionformer/data/dataset_items.npz")
    assert set(said) == set(CASES)

    def of(case):
        names = [key.split("/")[1:] for key in arrays if key.startswith(f"{case}/")]
        by_video = {video: {} for video, _ in names}
        for video, name in names:
            by_video[video][name] = arrays[f"{case}/{video}/{name}"]
        return said[case], by_video

    return of


def opened(case, folder):
    """Our annotations, store and grid for the arguments of a reader."""
    how = case["kwargs"]
    folders = how["feat_folder"] if isinstance(how["feat_folder"], list) else [how["feat_folder"]]
    sets = [
        FeatureFiles(
            path=folder / each,
            prefix=how["file_prefix"] or "",
            suffix=None if each.endswith(".hdf5") else how["file_ext"],
            array="feats" if case["dataset"] == "epic" else None,
            every=how["downsample_rate"],
        )
        for each in folders
    ]
    fixed = how["feat_stride"] <= 0
    grid = FeatureGrid(
        fps=how["default_fps"],
        clip_frames=None if fixed else how["num_frames"],
        step_frames=None if fixed else how["feat_stride"] * how["downsample_rate"],
        resize=how["max_seq_len"] if how["force_upsampling"] else None,
    )
    videos = actionformer.read(folder / how["json_file"]).videos
    return videos, FeatureStore.open(sets), grid


@pytest.mark.parametrize("case", CASES)
def test_features_actions_and_times_are_those_of_the_authors_readers(case, items, folder):
    said, wanted = items(case)
    videos, store, grid = opened(said, folder)
    how, anet = said["kwargs"], said["dataset"] == "anet"
    assert wanted
    settings = {"clean": anet, "one_class": how["num_classes"] == 1}
    for facts in said["videos"]:
        video = videos[facts["video_id"]]
        if said["is_training"]:
            samples = TrainingFeatures(
                [video],
                store,
                grid=grid,
                cells=how["max_seq_len"],
                share=how["trunc_thresh"],
                crop=how["crop_ratio"],
                cut_off=anet,
                **settings,
            )
            sample = samples[0, 0]
        else:
            sample = whole_video(store, learnt(video, **settings), grid)
        item = wanted[video.id]
        np.testing.assert_allclose(sample.features, item["feats"], rtol=1e-6, atol=1e-6)
        np.testing.assert_array_equal(sample.targets.labels, item.get("labels", []))
        segments = item.get("segments", np.zeros((0, 2)))
        np.testing.assert_allclose(sample.targets.segments, segments, **CELLS)
        step, clip = facts["feat_stride"], facts["feat_num_frames"]
        assert sample.grid.step_s == pytest.approx(step / facts["fps"], rel=1e-12)
        assert sample.grid.first_s == pytest.approx(0.5 * clip / facts["fps"], rel=1e-12)


@pytest.mark.parametrize(
    "case", [name for name in CASES if "upsample" not in name and "hdf5" not in name]
)
def test_features_that_are_not_resized_are_the_very_numbers(case, items, folder):
    said, wanted = items(case)
    _, store, grid = opened(said, folder)
    assert grid.resize is None
    for video, item in wanted.items():
        np.testing.assert_array_equal(store.read(video).T, item["feats"])


def test_some_case_leaves_out_each_kind_of_action(items):
    cleaned, cut = items("anet_variable_eval")[1], items("anet_variable_train_filter")[1]
    assert len(cleaned["AAAAAAAAAAA"]["labels"]) == 3
    assert len(cut["CCCCCCCCCCC"]["labels"]) < len(cleaned["CCCCCCCCCCC"]["labels"])


class Replayed:
    """A source of whole numbers that gives what was drawn, if it is asked for the same."""

    def __init__(self, calls):
        self.calls = [tuple(map(int, call)) for call in calls]

    def integers(self, low, high):
        wanted_low, wanted_last, drawn = self.calls.pop(0)
        assert (low, high - 1) == (wanted_low, wanted_last)
        return drawn


@pytest.mark.parametrize("case", [str(number) for number in range(16)])
def test_crops_are_drawn_and_cut_as_the_authors_draw_and_cut(case, golden):
    how = golden("actionformer/data/truncation.json")[case]
    arrays = golden("actionformer/data/truncation.npz")
    random = Replayed(arrays[f"{case}/randint_calls"])
    crop = random_crop(
        arrays[f"{case}/segments_in"].astype(np.float64),
        length=how["feat_len"],
        cells=how["max_seq_len"],
        share=how["trunc_thresh"],
        offset=how["offset"],
        shorten=how["crop_ratio"],
        random=random,
    )
    assert random.calls == []
    assert (crop.start, crop.stop) == (how["start"], how["end"])
    np.testing.assert_array_equal(
        np.arange(crop.start, crop.stop), arrays[f"{case}/feat_index_out"]
    )
    np.testing.assert_allclose(crop.segments, arrays[f"{case}/segments_out"], **CELLS)
    labels = arrays[f"{case}/labels_in"][crop.chosen]
    np.testing.assert_array_equal(labels, arrays[f"{case}/labels_out"])


def test_one_case_finds_no_action_in_200_draws(golden):
    trials = [case["n_trials"] for case in golden("actionformer/data/truncation.json").values()]
    assert max(trials) == 200
    assert len(trials) == 16


def test_short_and_repeated_actions_are_left_out_as_the_authors_do(golden):
    case = golden("actionformer/data/remove_duplicates.json")

    def rows(annotations):
        return [(*one["segment"], one["label_id"]) for one in annotations]

    given = np.array(rows(case["input"]))
    kept = without_repeats(without_short(Actions(given[:, :2], given[:, 2])))
    assert list(kept) == rows(case["output"])
    assert len(kept) < len(given)
