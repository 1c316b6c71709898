"""What formats refuse to hold, and what they leave beside the file; what they keep is a law."""

import importlib

import pytest

from untrimmed.core.actions import EVERY_CLASS, Actions
from untrimmed.core.annotations import Annotations, Video
from untrimmed.core.errors import FormatError
from untrimmed.sources import formats
from untrimmed.sources.formats import (
    boris,
    charades,
    cvat,
    ego4d_mq,
    epic_kitchens,
    fiftyone,
    multithumos,
    thumos14,
)

CVAT = {"size": (240, 320), "fps": 10.0}


def data_set(
    *rows, classes=("wave", "pour"), ignored=None, id="v1", split="", fps=None, duration_s=9.0
):
    """One video; a row is start, end and label."""
    actions = Actions([row[:2] for row in rows], [row[2] for row in rows], ignored)
    video = Video(id=id, duration_s=duration_s, actions=actions, split=split, fps=fps)
    return Annotations(tuple(classes), {id: video})


def writer(name):
    module = importlib.import_module(f"{formats.__name__}.{name}")
    return getattr(module, "write", None) or module.export


@pytest.mark.parametrize(
    "name", ["boris", "charades", "cvat", "ego4d_mq", "epic_kitchens", "fiftyone", "multithumos"]
)
def test_an_ignored_action_is_refused_and_nothing_is_written(name, tmp_path):
    data = data_set((1, 2, EVERY_CLASS), ignored=[True])
    settings = CVAT if name == "cvat" else {}
    with pytest.raises(ValueError, match=r"video v1: .* cannot say that an action is ignored"):
        writer(name)(data, tmp_path / "out.csv", **settings)
    assert list(tmp_path.iterdir()) == []


def test_thumos14_calls_it_ambiguous(tmp_path):
    data = data_set((1, 2, 0), (3, 4, EVERY_CLASS), ignored=[False, True], split="Test")
    thumos14.export(data, tmp_path)
    assert (tmp_path / "Ambiguous_test.txt").read_text() == "v1  3  4\n"
    again = thumos14.read(tmp_path)
    assert again.classes == ("pour", "wave")  # a class without actions has a file
    assert again.videos["v1"].actions.ignored.tolist() == [True, False]


@pytest.mark.parametrize("name", ["", "a/b", "Ambiguous", ".wave"])
def test_a_class_that_is_no_name_of_a_file_is_refused(name, tmp_path):
    with pytest.raises(ValueError, match=r"no name of a file|cannot hold the class name"):
        thumos14.export(data_set((1, 2, 0), classes=[name], split="test"), tmp_path)


@pytest.mark.parametrize(
    ("module", "splits"),
    [
        (thumos14, "validation, test"),
        (charades, "train, test"),
        (epic_kitchens, "train, validation"),
    ],
)
def test_a_split_that_the_data_set_does_not_have_is_refused(module, splits, tmp_path):
    with pytest.raises(ValueError, match=f"has no split 'dev'; there are: {splits}"):
        module.export(data_set((1, 2, 0), split="dev"), tmp_path / "out")


@pytest.mark.parametrize(
    ("module", "settings"), [(charades, {}), (epic_kitchens, {}), (cvat, CVAT)], ids=str
)
def test_an_action_before_the_start_of_its_video_is_refused(module, settings, tmp_path):
    with pytest.raises(ValueError, match=r"-1\.0 s"):
        module.export(data_set((-1, 2, 0)), tmp_path / "out.csv", **settings)


def test_charades_keeps_classes_in_their_order_and_splits_as_tables(tmp_path):
    charades.export(data_set((1, 2.5, 1), split="Train", duration_s=9.25), tmp_path)
    assert (tmp_path / "Charades_v1_train.csv").read_text() == (
        "id,actions,length\nv1,c001 1 2.5,9.25\n"
    )
    assert charades.read(tmp_path).classes == ("wave", "pour")
    assert charades.read(tmp_path).splits == ("train",)


@pytest.mark.parametrize("module", [charades, epic_kitchens])
def test_a_list_of_other_classes_beside_is_not_overwritten(module, tmp_path):
    module.export(data_set((1, 2, 0)), tmp_path / "a.csv")
    module.export(data_set((1, 2, 1)), tmp_path / "b.csv")
    assert len(list(tmp_path.glob("?.csv"))) == 2
    with pytest.raises(ValueError, match=r"there is another .*; write to another folder"):
        module.export(data_set((1, 2, 0), classes=["jump"]), tmp_path / "c.csv")
    assert not (tmp_path / "c.csv").exists()


def test_epic_kitchens_keeps_rates_durations_and_empty_classes(tmp_path):
    data = data_set((1.2345, 3600, 1), split="validation", fps=59.94, duration_s=3700.5)
    epic_kitchens.export(data, tmp_path, label="noun")
    again = epic_kitchens.read(tmp_path, label="noun")
    assert again.classes == ("wave", "pour")
    video = again.videos["v1"]
    assert (video.duration_s, video.fps, video.split) == (3700.5, 59.94, "validation")
    assert list(video.actions) == [(1.234, 3600.0, 1)]
    with pytest.raises(FormatError, match="wanted a first line with verb_class"):
        epic_kitchens.read(tmp_path)


def test_multithumos_numbers_the_classes_from_1(tmp_path):
    multithumos.export(data_set((1, 2, 1), id="video_test_7"), tmp_path)
    assert (tmp_path / "class_list.txt").read_text() == "1 wave\n2 pour\n"
    assert multithumos.read(tmp_path).splits == ("test",)
    with pytest.raises(ValueError, match="cannot hold the name 'pour a cup'"):
        multithumos.export(data_set(classes=["pour a cup"]), tmp_path)


@pytest.mark.parametrize("id", ["", "a;b", " a"])
def test_boris_refuses_an_id_that_it_would_change(id, tmp_path):
    with pytest.raises(ValueError, match="cannot hold the video id"):
        boris.export(data_set(id=id), tmp_path / "a.csv")


def test_boris_keeps_the_rate(tmp_path):
    boris.export(data_set((1, 2, 0), fps=29.97), tmp_path / "a.csv")
    assert boris.read(tmp_path / "a.csv").videos["v1"].fps == 29.97


def test_fiftyone_keeps_classes_without_actions(tmp_path):
    fiftyone.export(data_set((1, 2, 1)), tmp_path / "labels.json")
    assert fiftyone.read(tmp_path / "labels.json").classes == ("wave", "pour")


def test_ego4d_has_no_video_without_an_id(tmp_path):
    with pytest.raises(ValueError, match="without an id"):
        ego4d_mq.write(data_set(id=""), tmp_path / "a.json")


@pytest.mark.parametrize(
    ("row", "read"),
    [
        ((1.24, 3.48, 0), (1.2, 3.5, 0)),
        ((1.0, 1.01, 0), (1.0, 1.1, 0)),  # one frame at least
        ((8.0, 9.0, 0), (8.0, 9.0, 0)),  # to the last frame, behind which there is none
        ((8.0, 12.0, 0), (8.0, 9.0, 0)),
    ],
)
def test_cvat_rounds_to_frames_within_the_video(row, read, tmp_path):
    cvat.export(data_set(row), tmp_path, **CVAT)
    video = cvat.read(tmp_path, fps=10.0).videos["v1"]
    assert list(video.actions) == [read]
    assert video.duration_s == 9.0


def test_cvat_takes_the_rate_of_the_annotations_or_asks_for_it(tmp_path):
    cvat.export(data_set((1, 2, 0), fps=25.0), tmp_path, size=(240, 320))
    assert '<box frame="25" keyframe="1" outside="0"' in (tmp_path / "v1.xml").read_text()
    with pytest.raises(FormatError, match="give `fps`"):
        cvat.export(data_set((1, 2, 0)), tmp_path, size=(240, 320))
