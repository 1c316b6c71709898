"""The JSON of Ego4D's Moment Queries: clips, annotators, primary actions."""

import json
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from untrimmed.core.errors import FormatError
from untrimmed.sources.formats import ego4d_mq


def action(label="use_phone", start=1.2, end=3.4, *, primary=True):
    times = {"start_time": start, "end_time": end}
    return {"label": label, "primary": primary, "video_start_time": 30 + start} | times


def clip(*annotators, uid="c1", start=30.0, end=379.5):
    annotations = [{"annotator_uid": "18", "labels": list(labels)} for labels in annotators]
    span = {"video_start_sec": start, "video_end_sec": end}
    return {"clip_uid": uid, "clip_start_sec": 0, "annotations": annotations} | span


def videos(*clips, split="train"):
    return {"version": "1", "videos": [{"video_uid": "v1", "split": split, "clips": list(clips)}]}


@pytest.fixture
def written(tmp_path):
    """A function from anything to the file that holds it as JSON."""

    def write(content, name="moments_train.json"):
        (tmp_path / name).write_text(json.dumps(content))
        return tmp_path / name

    return write


def test_each_clip_is_a_video_with_times_of_its_own(written):
    path = written(videos(clip([action()]), clip([action("walk", 0, 5)], uid="c2", end=42.0)))
    data = ego4d_mq.read(path)
    assert data.classes == ("use_phone", "walk")
    assert list(data.videos["c1"].actions) == [(1.2, 3.4, 0)]
    assert [video.duration_s for video in data.videos.values()] == [349.5, 12.0]
    assert data.splits == ("train",)


def test_the_actions_of_all_annotators_are_pooled(written):
    data = ego4d_mq.read(written(videos(clip([action()], [action("walk", 5, 6), action()]))))
    assert data.videos["c1"].actions.labels.tolist() == [0, 1, 0]


def test_only_primary_actions_are_read(written):
    data = ego4d_mq.read(written(videos(clip([action("walk", primary=False), action()]))))
    assert data.classes == ("use_phone",)
    assert len(data.videos["c1"].actions) == 1


def test_clips_without_annotations_are_videos_in_which_nothing_happens(written):
    bare = {"clip_uid": "t1", "video_start_sec": 0, "video_end_sec": 480.5}
    data = ego4d_mq.read(written(videos(bare, split="test")))
    assert len(data.videos["t1"].actions) == 0
    assert data.splits == ("test",)


def test_the_files_of_a_folder_are_read_together(written):
    written(videos(clip([action("walk")], uid="b"), split="val"), "moments_val.json")
    path = written(videos(clip([action()], uid="a")))
    data = ego4d_mq.read(path.parent)
    assert [(video.id, video.split) for video in data.videos.values()] == [
        ("a", "train"),
        ("b", "val"),
    ]
    assert data.classes == ("use_phone", "walk")


def test_classes_given_by_the_caller_are_the_labels(written):
    data = ego4d_mq.read(written(videos(clip([action()]))), classes=["walk", "use_phone"])
    assert data.videos["c1"].actions.labels.tolist() == [1]


FIRST = "videos[0].clips[0]"


@pytest.mark.parametrize(
    ("content", "place", "message"),
    [
        ({}, "top level", "there is no 'videos'"),
        ({"videos": [{}]}, "videos[0]", "there is no 'clips'"),
        (videos(clip(uid="")), f"{FIRST}.clip_uid", "wanted a name"),
        (videos(clip(end=30)), f"{FIRST}.video_end_sec", "after its start, 30.0 s, got 30"),
        (
            videos(clip([], [action(primary=1)])),
            f"{FIRST}.annotations[1].labels[0].primary",
            "wanted true or false",
        ),
        (
            videos(clip([{"label": "walk", "primary": True}])),
            f"{FIRST}.annotations[0].labels[0]",
            "there is no 'start_time'",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_place(written, content, place, message):
    path = written(content)
    with pytest.raises(FormatError, match=message) as caught:
        ego4d_mq.read(path)
    assert (caught.value.file, caught.value.place) == (path, place)


def test_a_clip_twice_is_refused(written):
    with pytest.raises(FormatError, match="'c1' is annotated twice"):
        ego4d_mq.read(written(videos(clip(), clip())))


def test_a_folder_without_files_is_refused(tmp_path):
    with pytest.raises(FormatError, match=r"there is no moments_train\.json and no"):
        ego4d_mq.read(tmp_path)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    cut=st.floats(0, 1),
    removed=st.integers(0, 12),
    inserted=st.binary(max_size=4)
    | st.sampled_from([b"nan", b"9" * 5000, b":", b'"', b",", b"\n"]),
)
def test_damaged_files_are_read_or_refused(written, cut, removed, inserted):
    path = written(videos(clip([action()], [action("walk", 5, 6)])))
    whole = path.read_bytes()
    place = int(cut * len(whole))
    path.write_bytes(whole[:place] + inserted + whole[place + removed :])
    try:
        data = ego4d_mq.read(path)
    except FormatError:
        return
    assert len(set(data.classes)) == len(data.classes)
    for video in data.videos.values():
        assert 0 < video.duration_s < math.inf
        assert all(map(math.isfinite, video.actions.segments_s.ravel().tolist()))
