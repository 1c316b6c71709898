"""What the check of a data set says, and what it does not complain of."""

import math

import pytest

from untrimmed.core.actions import Actions
from untrimmed.core.annotations import Annotations, Fault, Video
from untrimmed.sources.check import VideoFacts, fingerprint, fingerprints, problems


def video(*actions, id="v", duration_s=10.0, split="train", ignored=None):
    """Actions as (start, end, label)."""
    own = Actions([a[:2] for a in actions], [a[2] for a in actions], ignored)
    return Video(id=id, duration_s=duration_s, actions=own, split=split)


def annotations(*videos, classes=("wave",)):
    return Annotations(tuple(classes), {video.id: video for video in videos})


def found(data, media=None, **options):
    return [(p.kind, p.video, p.severity) for p in problems(data, media, **options)]


def file(duration_s=10.0):
    return VideoFacts(duration_s=duration_s, fps=25.0, size=(240, 320))


def test_a_data_set_in_order_has_no_problems():
    data = annotations(video((0, 10, 0), (2, 5, 0)), video((1, 3, 0), id="w", split="test"))
    options = {"training": "Train", "splits": ["TRAIN", "test"]}
    assert found(data, {"v": file(), "w": file()}, **options) == []


def test_an_action_that_the_reader_left_out_is_an_error_of_its_split():
    fault = Fault("v", "a.json:database.v: it ends at 1 s, before it starts at 2 s; it is left out")
    whole = video((1, 3, 0)), video((1, 3, 0), id="w", split="test")
    data = Annotations(("wave",), {one.id: one for one in whole}, (fault,))
    assert found(data) == [("ends before it starts", "v", "error")]
    assert found(data.split("train")) == found(data)
    assert found(data.split("test")) == []


def test_an_action_that_overhangs_the_end_is_an_error_with_numbers():
    (problem,) = problems(annotations(video((8, 11, 0))), None)
    assert (problem.kind, problem.video, problem.severity) == ("past end", "v", "error")
    assert "wave from 8.00 s to 11.00 s, but the video ends at 10.00 s" in problem.message


def test_an_action_behind_the_end_is_an_error():
    assert found(annotations(video((10, 11, 0)))) == [("past end", "v", "error")]


def test_half_a_second_past_the_end_is_rounding():
    assert found(annotations(video((8, 10.5, 0)))) == []
    assert found(annotations(video((8, 10.51, 0)))) == [("past end", "v", "error")]


def test_the_file_says_where_the_video_ends():
    data = annotations(video((8, 9, 0)))
    assert found(data, {"v": file(7.0)}) == [
        ("other duration", "v", "warning"),
        ("past end", "v", "error"),
    ]
    assert found(annotations(video((8, 10.4, 0))), {"v": file(10.05)}) == []


def test_an_action_before_the_start_is_found():
    assert found(annotations(video((-2, 1, 0)))) == [("before start", "v", "warning")]
    assert found(annotations(video((-2, -1, 0)))) == [("before start", "v", "error")]


def test_an_action_without_length_is_an_error():
    assert found(annotations(video((3, 3, 0)))) == [("no length", "v", "error")]


def test_the_same_action_twice_is_found_once():
    data = annotations(video((3, 5, 0), (6, 7, 0), (3.0009, 4.9995, 0)))
    assert found(data) == [("duplicate", "v", "warning")]


def test_the_same_time_of_another_class_or_a_little_later_is_no_duplicate():
    data = annotations(video((3, 5, 0), (3, 5, 1), (3.002, 5, 0)), classes=("wave", "pour"))
    assert found(data) == []


def test_ignored_actions_are_not_complained_of():
    assert found(annotations(video((1, 2, 0), (20, 20, -1), ignored=[False, True]))) == []


def test_a_class_that_never_happens_is_an_error():
    (problem,) = problems(annotations(video((3, 5, 0)), classes=("wave", "pour")), None)
    assert (problem.kind, problem.severity) == ("class without actions", "error")
    assert "pour" in problem.message


def test_a_class_that_only_happens_outside_of_training_is_an_error():
    data = annotations(
        video((3, 5, 0)), video((3, 5, 1), id="w", split="test"), classes=("wave", "pour")
    )
    assert found(data) == []
    assert found(data, training="TRAIN") == [("class without training", "", "error")]


def test_a_class_of_a_video_that_is_not_used_does_happen():
    data = annotations(
        video((3, 5, 0)), video((3, 5, 1), id="w", split="test"), classes=("wave", "pour")
    )
    assert found(data, {"v": file()}, videos=["v"]) == []
    (problem,) = problems(data, None, training="train", videos=["v"])
    assert problem.message == "pour happens, but in no video of the split train; add some there"


def test_a_class_of_training_videos_that_are_not_used_alone_is_not_learnt():
    data = annotations(video((3, 5, 0)), video((3, 5, 1), id="w"), classes=("wave", "pour"))
    (problem,) = problems(data, None, training="train", videos=["v"])
    assert problem.kind == "class without training"
    assert problem.message == "pour happens in train only in videos that cannot be read"


def test_only_the_videos_that_are_used_are_looked_at():
    data = annotations(video((3, 5, 0)), video((3, 50, 0), id="w"))
    assert found(data, {"v": file()}) == [("no file", "w", "error"), ("past end", "w", "error")]
    assert found(data, {"v": file()}, videos=["v"]) == []


def test_an_ignored_action_makes_no_class_happen():
    other = video((1, 2, -1), (3, 5, 1), id="w", split="test", ignored=[True, True])
    data = annotations(video((3, 5, 0)), other, classes=("wave", "pour"))
    assert found(data, training="train") == [("class without actions", "", "error")]


def test_a_missing_and_a_broken_file_are_errors_with_the_reason():
    data = annotations(video((3, 5, 0)), video(id="w"), video(id="x"))
    result = problems(data, {"v": file(), "w": "w.mp4: moov atom not found"})
    assert [(p.kind, p.video) for p in result] == [("broken file", "w"), ("no file", "x")]
    assert result[0].message == "w.mp4: moov atom not found"


def test_no_readable_file_at_all_is_said_first():
    assert found(annotations(video((3, 5, 0))), {}) == [
        ("no readable file", "", "error"),
        ("no file", "v", "error"),
    ]


@pytest.mark.parametrize(
    ("stated_s", "file_s", "differs"),
    [(10, 10.5, False), (10, 10.6, True), (10, 9.4, True), (200, 202, False), (200, 202.1, True)],
)
def test_a_duration_differs_beyond_half_a_second_and_one_percent(stated_s, file_s, differs):
    data = annotations(video((3, 5, 0), duration_s=stated_s))
    wanted = [("other duration", "v", "warning")] if differs else []
    assert found(data, {"v": file(file_s)}) == wanted


@pytest.mark.parametrize("twin", ["V", "v_v"])
def test_one_video_under_two_ids_in_two_splits_is_an_error(twin):
    other = video((1, 2, 0), id=twin, split="test")
    assert found(annotations(video((3, 5, 0)), other)) == [("in two splits", "v", "error")]
    same = video((1, 2, 0), id=twin, split="Train")
    assert found(annotations(video((3, 5, 0)), same)) == []


NEEDED = {"training": "TRAIN", "splits": ["TRAIN", "Val", "test"]}
REST = [video((1, 2, 0), id=split, split=split) for split in ("train", "val", "test")]
"""A video of each split that is needed, of which none is another."""


def test_a_video_that_is_trained_on_and_scored_is_named_once_with_all_its_splits():
    twins = [
        video((1, 2, 0), id="V_x", split="test"),
        video((1, 2, 0), id="X", split="val"),
        video((1, 2, 0), id="x", split="Train"),
    ]
    (problem,) = problems(annotations(*twins, *REST), None, **NEEDED)
    assert (problem.kind, problem.video, problem.severity) == ("in two splits", "x", "error")
    assert problem.message == (
        "it is in the split Train, and as V_x in test and as X in val: what is trained on must not"
        " be scored; take it out of all splits but one"
    )


@pytest.mark.parametrize("split", ["", "extra"])
def test_a_split_that_is_not_used_may_hold_any_video(split):
    twins = [video((1, 2, 0), id="x", split=split), video((1, 2, 0), id="X", split="test")]
    assert found(annotations(*twins, *REST), **NEEDED) == []


def test_a_video_that_cannot_be_trained_on_may_be_scored():
    twins = [video((1, 2, 0), id="x"), video((1, 2, 0), id="X", split="test")]
    data = annotations(*twins, *REST)
    assert found(data, videos={"train", "X"}, **NEEDED) == []
    assert found(data, videos={"train", "x"}, **NEEDED) == [("in two splits", "x", "error")]


def test_a_video_that_is_scored_twice_is_a_warning():
    twins = [video((1, 2, 0), id="x", split="val"), video((1, 2, 0), id="X", split="test")]
    assert found(annotations(*twins, *REST), **NEEDED) == [("in two splits", "x", "warning")]


def test_a_split_without_videos_is_an_error_that_names_those_there_are():
    (problem,) = problems(annotations(video((3, 5, 0))), None, splits=["val", "train"])
    assert (problem.kind, problem.severity) == ("empty split", "error")
    assert problem.message == "the split val has no videos; there are the splits: train"


def test_a_fingerprint_counts_videos_hours_and_actions():
    data = annotations(
        video((0, 2, 1), (4, 10, 1)),
        video((0, 1, 0), id="w", duration_s=26.0),
        classes=("wave", "pour", "run"),
    )
    whole = fingerprint(data)
    assert (whole.videos, whole.hours, whole.actions) == (2, 36 / 3600, 3)
    assert [(facts.name, facts.actions) for facts in whole.classes] == [
        ("wave", 1),
        ("pour", 2),
        ("run", 0),
    ]
    pour = whole.classes[1].lengths_s
    assert (pour.least, pour.median, pour.most) == (2.0, 4.0, 6.0)
    assert math.isnan(whole.classes[2].lengths_s.median)
    assert (whole.lengths_s.p25, whole.durations_s.most) == (1.5, 26.0)


def test_covered_time_counts_once_and_ends_with_the_video():
    data = annotations(video((0, 3, 0), (2, 4, 0), (9, 12, 0)))
    assert fingerprint(data).covered == pytest.approx(5 / 10)


def test_overlap_is_the_share_of_covered_time_with_more_than_one_action():
    data = annotations(video((0, 4, 0), (2, 4, 0), (3, 5, 0)))
    assert fingerprint(data).overlap == pytest.approx(2 / 5)


def test_actions_that_touch_do_not_overlap():
    assert fingerprint(annotations(video((0, 3, 0), (3, 5, 0)))).overlap == 0.0


def test_ignored_actions_are_not_in_the_fingerprint():
    whole = fingerprint(annotations(video((0, 3, 0), (5, 9, 0), ignored=[False, True])))
    assert (whole.actions, whole.classes[0].actions, whole.covered) == (1, 1, 0.3)


def test_each_split_has_a_fingerprint_with_the_classes_of_all():
    data = annotations(
        video((0, 3, 0)), video((0, 1, 1), id="w", split="test"), classes=("wave", "pour")
    )
    by_split = fingerprints(data)
    assert list(by_split) == ["train", "test"]
    assert [facts.actions for facts in by_split["test"].classes] == [0, 1]


def test_a_data_set_without_videos_has_an_empty_fingerprint():
    whole = fingerprint(annotations())
    assert (whole.videos, whole.covered, whole.overlap) == (0, 0.0, 0.0)
    assert problems(annotations(classes=()), {}) == []
