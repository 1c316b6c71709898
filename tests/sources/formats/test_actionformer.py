"""ActionFormer's JSON: what `label_id` adds to that of ActivityNet."""

import json

import pytest

from untrimmed.core.actions import Actions
from untrimmed.core.annotations import Annotations, Video
from untrimmed.core.errors import FormatError
from untrimmed.sources.formats import actionformer


@pytest.fixture
def written(tmp_path):
    """A function from anything to the file that holds it as JSON."""

    def write(content):
        path = tmp_path / "file.json"
        path.write_text(json.dumps(content))
        return path

    return write


def action(label="wave", number=1, start=1.2, end=3.4):
    return {
        "label": label,
        "label_id": number,
        "segment": [start, end],
        "segment(frames)": [30 * start, 30 * end],
    }


def database(*annotations, **fields):
    return {
        "version": "Thumos14-30fps",
        "database": {
            "v1": {"subset": "Test", "duration": 10.0, "fps": 30.0, "annotations": annotations}
        },
        **fields,
    }


def test_label_id_numbers_the_classes(written):
    data = actionformer.read(written(database(action("wave", 0), action("pour", 1, 5.0, 8.0))))
    assert data.classes == ("wave", "pour")
    assert list(data.videos["v1"].actions) == [(1.2, 3.4, 0), (5.0, 8.0, 1)]
    assert data.videos["v1"].fps == 30.0


def test_a_number_without_actions_keeps_its_place(written):
    data = actionformer.read(written(database(action("wave", 2), action("pour", 0))))
    assert data.classes == ("pour", "<1>", "wave")
    assert data.videos["v1"].actions.labels.tolist() == [2, 0]


def test_classes_given_by_the_caller_stand_over_label_id(written):
    data = actionformer.read(written(database(action("wave", 7))), classes=["run", "wave"])
    assert data.videos["v1"].actions.labels.tolist() == [1]


def test_annotations_may_be_missing(written):
    data = actionformer.read(written({"database": {"v1": {"duration": 3}}}))
    assert (data.classes, len(data.videos["v1"].actions)) == ((), 0)


def test_all_that_annotations_hold_survives(tmp_path):
    actions = Actions([[0.1, 1 / 3], [0, 1]], [2, 0])
    video = Video(id="b", duration_s=1 / 3, actions=actions, split="Test", fps=30000 / 1001)
    before = Annotations(
        ("z", "unused", "a", "last"), {"b": video, "a": Video(id="a", duration_s=5)}
    )
    actionformer.write(before, tmp_path / "file.json")
    after = actionformer.read(tmp_path / "file.json")
    assert after.classes == before.classes
    assert list(after.videos) == ["b", "a"]
    again = after.videos["b"]
    assert list(again.actions) == list(actions)
    assert (again.duration_s, again.split, again.fps) == (1 / 3, "Test", 30000 / 1001)


def test_what_is_written_has_the_fields_that_the_loaders_of_actionformer_ask_for(tmp_path):
    video = Video(id="v", duration_s=9.0, actions=Actions([[1, 2]], [1]), split="val", fps=25.0)
    actionformer.write(Annotations(("a", "b"), {"v": video}), tmp_path / "file.json")
    assert json.loads((tmp_path / "file.json").read_text())["database"]["v"] == {
        "subset": "val",
        "duration": 9.0,
        "fps": 25.0,
        "annotations": [{"label": "b", "label_id": 1, "segment": [1.0, 2.0]}],
    }


def test_there_may_be_more_classes_than_the_file_names(written):
    file = written(database(action("wave", 1)))
    assert actionformer.read(file, least_classes=4).classes == ("<0>", "wave", "<2>", "<3>")
    assert actionformer.read(file, least_classes=1).classes == ("<0>", "wave")


def test_ignored_actions_are_left_out(tmp_path):
    actions = Actions([[0, 1], [2, 3], [4, 5]], [0, 1, -1], [True, False, True])
    video = Video(id="v", duration_s=9.0, actions=actions)
    actionformer.write(Annotations(("a", "b"), {"v": video}), tmp_path / "file.json")
    again = actionformer.read(tmp_path / "file.json").videos["v"].actions
    assert list(again) == [(2.0, 3.0, 1)]
    assert len(again) == 1


def test_an_action_of_no_class_is_not_written(tmp_path):
    video = Video(id="v", duration_s=9.0, actions=Actions([[0, 1]], [2]))
    with pytest.raises(ValueError, match="the label 2 is none of 2 classes"):
        actionformer.write(Annotations(("a", "b"), {"v": video}), tmp_path / "file.json")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "place", "message"),
    [
        ({"results": {}}, "", "there is no 'database'"),
        (database({"label": "a", "segment": [0, 1]}), "[0]", "there is no 'label_id'"),
        (database(action("a", 1.0)), "[0].label_id", "wanted a whole number, got 1.0"),
        (database(action("a", -1)), "[0].label_id", r"a class in \[0, 100000\), got -1"),
        (database(action("a", 10**9)), "[0].label_id", r"a class in \[0, 100000\)"),
        (
            database(action("a", 1), action("b", 1)),
            "[1].label_id",
            "1 is 'b' here and 'a' before",
        ),
        (
            database(action("a", 1), action("a", 2)),
            "[1].label_id",
            "'a' is 2 here and 1 before",
        ),
        (
            database(action("wave", 1), classes=["wave"]),
            "[0].label_id",
            "'wave' is 1 here and 0 before",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_place(written, content, place, message):
    path = written(content)
    with pytest.raises(FormatError, match=message) as caught:
        actionformer.read(path)
    assert caught.value.file == path
    assert caught.value.place == (f"database.v1.annotations{place}" if place else "top level")
