"""Samples and batches of features."""

import numpy as np
import pytest
import torch

from untrimmed.core.actions import Actions
from untrimmed.core.annotations import Video
from untrimmed.core.errors import ConfigError, MediaError
from untrimmed.data.collate import batches
from untrimmed.data.dataset import Failed
from untrimmed.data.feature_dataset import (
    FeatureSample,
    TrainingFeatures,
    collate_features,
    learnt,
    whole_video,
)
from untrimmed.sources.feature_grid import FeatureGrid
from untrimmed.sources.features import FeatureFiles, FeatureStore

C, CELLS = 3, 16
GRID = FeatureGrid(fps=10, clip_frames=8, step_frames=4)  # cells of 0.4 s; the first lies at 0.4 s
ROWS = {"long": 41, "short": 9}


@pytest.fixture
def store(tmp_path):
    """Row t of a video holds t in every channel."""
    for video, rows in ROWS.items():
        np.save(tmp_path / f"{video}.npy", np.tile(np.arange(rows)[:, None], C).astype("float32"))
    return FeatureStore.open([FeatureFiles(path=tmp_path)])


def video(id, *actions, ignored=None):
    segments = [action[:2] for action in actions]
    labels = [action[2] for action in actions]
    return Video(id=id, duration_s=20.0, actions=Actions(segments, labels, ignored))


LONG = video("long", (6.0, 8.0, 2), (8.2, 9.0, 0), (15.0, 15.4, 1))
SHORT = video("short", (0.4, 2.4, 1))


def samples(store, *videos, **settings):
    return TrainingFeatures(videos, store, grid=GRID, cells=CELLS, **settings)


def test_a_crop_has_the_features_of_its_cells_and_its_actions_where_they_are(store):
    for epoch in range(9):
        sample = samples(store, LONG)[epoch, 0]
        assert sample.features.shape == (C, CELLS)
        start = int(sample.features[0, 0])
        assert sample.features[2].tolist() == list(range(start, start + CELLS))
        assert sample.grid == GRID.grid_of(LONG, ROWS["long"]).window(start, CELLS)
        found = {
            label: seconds
            for label, seconds in zip(
                sample.targets.labels.tolist(),
                sample.grid.to_seconds(sample.targets.segments.numpy()).tolist(),
                strict=True,
            )
        }
        assert found
        ends_s = sample.grid.to_seconds([-1, CELLS + 1])  # half a clip is a cell
        for start_s, end_s, label in LONG.actions:
            if label in found:
                wanted = np.clip([start_s, end_s], *ends_s)
                assert np.allclose(found[label], wanted, atol=1e-5)


def test_a_video_that_fits_is_whole_unless_it_is_to_be_cut(store):
    whole = samples(store, SHORT)[0, 0]
    assert whole.features[1].tolist() == list(range(9))
    assert torch.allclose(whole.targets.segments, torch.tensor([[0.0, 5.0]]))
    lengths = {
        samples(store, SHORT, crop=(0.5, 0.9))[epoch, 0].features.shape[1] for epoch in range(40)
    }
    assert lengths == {4, 5, 6, 7, 8}


def test_what_is_drawn_depends_on_seed_epoch_and_index_alone(store):
    def starts(seed, epochs=12):
        dataset = samples(store, SHORT, LONG, seed=seed)
        return [int(dataset[epoch, 1].features[0, 0]) for epoch in range(epochs)]

    assert starts(3) == starts(3)
    assert starts(3) != starts(4)
    assert len(set(starts(3))) > 1


def test_a_video_that_cannot_be_read_is_named_and_the_others_are_read(store):
    dataset = samples(store, video("gone", (1.0, 2.0, 0)), SHORT)
    failed = dataset[0, 0]
    assert isinstance(failed, Failed)
    assert failed.video == "gone"
    assert "no features of the video gone" in failed.message
    batch = collate_features(CELLS)([failed, dataset[0, 1]])
    assert batch.videos == ("short",)
    assert batch.failed == (failed,)


def test_a_video_without_actions_is_background(store):
    sample = samples(store, video("long"))[0, 0]
    assert sample.features.shape == (C, CELLS)
    assert sample.targets.segments.shape == (0, 2)
    assert sample.targets.labels.dtype == torch.int64


def test_actions_that_are_ignored_repeated_or_without_length_are_not_learnt():
    given = video(
        "v", (1, 2, 0), (3, 3.0005, 0), (1.0005, 2, 0), (1, 2, 1), (5, 6, -1),
        ignored=[False] * 4 + [True],
    )  # fmt: skip
    assert learnt(given).actions.labels.tolist() == [0, 0, 0, 1]
    assert learnt(given, clean=True).actions.labels.tolist() == [0, 1]


def test_all_classes_may_be_one_and_then_no_action_is_a_repetition():
    given = video("v", (1, 2, 3), (1, 2, 5))
    assert learnt(given, clean=True, one_class=True).actions.labels.tolist() == [0, 0]


@pytest.mark.parametrize("label", [-1, 3, 7])
def test_a_label_of_no_class_is_refused_with_its_video(store, label):
    with pytest.raises(ConfigError, match=f"video bad: the label {label} is of no class; there"):
        samples(store, SHORT, video("bad", (1, 2, 0), (1, 2, label)), classes=3)
    assert len(samples(store, LONG, classes=3)) == 1


def test_actions_beyond_the_features_are_cut_off_if_asked_for(store):
    # the features of "short" end at 4 s
    given = video("short", (1.0, 2.0, 0), (3.0, 4.8, 1), (3.6, 9.0, 2), (8.0, 9.0, 0))
    kept = samples(store, given)[0, 0]
    assert kept.targets.labels.tolist() == [0, 1, 2, 0]
    cut = samples(store, given, cut_off=True)[0, 0]
    assert cut.targets.labels.tolist() == [0, 1]
    seconds = cut.grid.to_seconds(cut.targets.segments.numpy())
    assert np.allclose(seconds, [[1.0, 2.0], [3.0, 4.4]])


def test_resized_features_are_cut_after_resizing(store):
    grid = FeatureGrid(fps=10, clip_frames=8, step_frames=4, resize=12)
    dataset = TrainingFeatures([LONG], store, grid=grid, cells=8)
    sample = dataset[0, 0]
    assert sample.features.shape == (C, 8)
    whole = whole_video(store, LONG, grid)
    assert whole.features.shape == (C, 12)
    steps = (whole.features[0].diff() - 41 / 12).abs()
    assert steps.max() < 1e-4
    start = round((sample.grid.first_s - whole.grid.first_s) / whole.grid.step_s)
    assert torch.equal(sample.features, whole.features[:, start : start + 8])


def test_a_whole_video_has_all_its_cells_and_actions_in_seconds(store):
    sample = whole_video(store, LONG, GRID)
    assert sample.features.shape == (C, 41)
    assert sample.targets.labels.tolist() == [2, 0, 1]
    seconds = sample.grid.to_seconds(sample.targets.segments.numpy())
    assert np.allclose(seconds, LONG.actions.segments_s, atol=1e-5)
    with pytest.raises(MediaError, match="gone"):
        whole_video(store, video("gone"), GRID)


def test_rows_of_a_batch_have_the_cells_asked_for_and_zeros_behind(store):
    dataset = samples(store, SHORT, LONG)
    batch = collate_features(CELLS + 4)([dataset[0, 0], dataset[0, 1]])
    assert batch.videos == ("short", "long")
    assert batch.features.values.shape == (2, C, CELLS + 4)
    assert batch.features.valid.sum(1).tolist() == [9, CELLS]
    assert batch.features.values[0, :, 9:].abs().max() == 0
    assert torch.equal(batch.features.values[1, :, :CELLS], dataset[0, 1].features)
    assert batch.targets[0].labels.tolist() == [1]


def test_a_batch_of_failures_has_no_row():
    failed = Failed("v", "gone")
    batch = collate_features(CELLS)([failed, failed])
    assert batch.videos == ()
    assert batch.features.valid.shape == (0, CELLS)
    assert batch.failed == (failed, failed)


@pytest.mark.parametrize("workers", [0, 1])
def test_batches_are_the_samples_of_their_keys_wherever_they_are_read(store, workers):
    dataset = samples(store, SHORT, LONG)
    keys = [[(0, 1), (0, 0)], [(1, 1), (1, 0)]]
    read = list(batches(dataset, keys, collate=collate_features(CELLS), workers=workers))
    assert [batch.videos for batch in read] == [("long", "short")] * 2
    for batch, (first, _) in zip(read, keys, strict=True):
        sample = dataset[first]
        assert isinstance(sample, FeatureSample)
        assert torch.equal(batch.features.values[0], sample.features)
