"""ActivityNet's JSON: what is read, what is refused and where."""

import json

import numpy as np
import pytest

from untrimmed.core.actions import Actions
from untrimmed.core.annotations import Annotations, Video
from untrimmed.core.detections import Detections
from untrimmed.core.errors import FormatError
from untrimmed.sources.formats import activitynet


@pytest.fixture
def written(tmp_path):
    """A function from anything to the file that holds it as JSON, or as the text it is."""

    def write(content):
        path = tmp_path / "file.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


def database(*annotations, **fields):
    return {"database": {"v1": {"duration": 10.0, "annotations": list(annotations)} | fields}}


def wave(start=1.2, end=3.4, **fields):
    return {"label": "wave", "segment": [start, end]} | fields


def test_the_smallest_file_is_read(written):
    path = written(database(wave(), {"label": "pour", "segment": [5, 8]}, subset="Test", fps=25))
    data = activitynet.read(path)
    video = data.videos["v1"]
    assert data.classes == ("pour", "wave")
    assert list(video.actions) == [(1.2, 3.4, 1), (5.0, 8.0, 0)]
    assert (video.duration_s, video.split, video.fps) == (10.0, "Test", 25.0)


def test_split_rate_and_annotations_may_be_missing(written):
    video = activitynet.read(written({"database": {"v1": {"duration": 3}}})).videos["v1"]
    assert (video.split, video.fps, len(video.actions)) == ("", None, 0)


def test_other_fields_are_passed_by(written):
    path = written({"version": 3, **database(wave(label_id=7), url="", resolution=None)})
    assert len(activitynet.read(path).videos["v1"].actions) == 1


def test_a_list_of_classes_in_the_file_gives_the_labels(written):
    path = written({"classes": ["wave", "run", "pour"], **database(wave())})
    assert activitynet.read(path).classes == ("wave", "run", "pour")


def test_classes_given_by_the_caller_stand_over_those_of_the_file(written):
    path = written({"classes": ["wave"], **database(wave())})
    data = activitynet.read(path, classes=["run", "wave"])
    assert data.videos["v1"].actions.labels.tolist() == [1]


def test_the_leaves_of_a_taxonomy_are_the_classes(written):
    taxonomy = [
        {"nodeName": "Root", "parentName": None},
        {"nodeName": "Arms", "parentName": "Root"},
        {"nodeName": "wave", "parentName": "Arms"},
        {"nodeName": "pour", "parentName": "Arms"},
    ]
    data = activitynet.read(written({"taxonomy": taxonomy, **database(wave())}))
    assert data.classes == ("pour", "wave")


def test_times_outside_of_the_video_are_read_as_they_stand(written):
    data = activitynet.read(written(database(wave(-1, 12), wave(4, 4))))
    assert data.videos["v1"].actions.segments_s.tolist() == [[-1, 12], [4, 4]]


def test_all_that_annotations_hold_survives(tmp_path):
    videos = {
        "b": Video(
            id="b",
            duration_s=1 / 3,
            actions=Actions([[0.1, 0.2], [0, 1], [0.3, 9]], [2, 0, -1], [False, True, True]),
            split="Validation",
            fps=30000 / 1001,
        ),
        "a": Video(id="a", duration_s=5.0),
    }
    before = Annotations(("z", "unused", "a"), videos)
    activitynet.write(before, tmp_path / "file.json")
    after = activitynet.read(tmp_path / "file.json")
    assert after.classes == before.classes
    assert list(after.videos) == ["b", "a"]
    for id, video in videos.items():
        again = after.videos[id]
        assert (again.duration_s, again.split, again.fps) == (
            video.duration_s,
            video.split,
            video.fps,
        )
        assert again.actions.segments_s.tolist() == video.actions.segments_s.tolist()
        assert again.actions.labels.tolist() == video.actions.labels.tolist()
        assert again.actions.ignored.tolist() == video.actions.ignored.tolist()


def test_what_is_written_has_the_fields_that_the_official_tool_asks_for(tmp_path):
    activitynet.write(Annotations((), {}), tmp_path / "truth.json")
    activitynet.write_detections({}, (), tmp_path / "found.json")
    truth, found = (json.loads((tmp_path / f"{n}.json").read_text()) for n in ("truth", "found"))
    assert {"database", "taxonomy", "version"} <= truth.keys()
    assert found.keys() == {"version", "results", "external_data"}


def test_detections_survive_in_their_order(tmp_path):
    found = {
        "w": Detections.none(),
        "v": Detections([[0.1, 1 / 3], [5, 6]], [1, 0], [0.25, 0.75]),
    }
    activitynet.write_detections(found, ("pour", "wave"), tmp_path / "found.json")
    again = activitynet.read_detections(tmp_path / "found.json", ("pour", "wave"))
    assert list(again) == ["w", "v"]
    assert again["v"].segments_s.tolist() == [[0.1, 1 / 3], [5, 6]]
    assert (again["v"].labels.tolist(), again["v"].scores.tolist()) == ([1, 0], [0.25, 0.75])


def test_a_label_without_a_name_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="the label 2 is none of 2 classes"):
        activitynet.write_detections(
            {"v": Detections([[0, 1]], [2], [0.5])}, ("a", "b"), tmp_path / "found.json"
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "place", "message"),
    [
        ("{", 1, "no JSON"),
        ('{"database":\n{"v1" 3}}', 2, "no JSON"),
        ("[" * 100_000, 1, "no usable JSON"),
        ('{"database": {"v1": {}, "v1": {}}}', "database", "'v1' stands twice"),
        ([], "top level", "wanted an object in braces"),
        ({"results": {}}, "top level", "there is no 'database'"),
        ({"database": {"v1": {"annotations": []}}}, "database.v1", "there is no 'duration'"),
        (database(duration=0), "database.v1.duration", "a duration above 0 s, got 0"),
        (database(duration="9"), "database.v1.duration", "a finite number, got '9'"),
        (database(duration=True), "database.v1.duration", "a finite number, got True"),
        (database(fps=-1), "database.v1.fps", "a rate above 0"),
        (database(subset=3), "database.v1.subset", "a text in quotes, got 3"),
        (database(wave(), {"label": "wave"}), "database.v1.annotations[1]", "no 'segment'"),
        (
            database(wave(segment=[1])),
            "database.v1.annotations[0].segment",
            r"a start and an end in seconds, got \[1\]",
        ),
        (
            database(wave(1, float("nan"))),
            "database.v1.annotations[0].segment[1]",
            "a finite number, got nan",
        ),
        (database(wave(-(10**400), 0)), "database.v1.annotations[0].segment[0]", "finite"),
        (database(wave(label="")), "database.v1.annotations[0].label", "a name, got ''"),
        (database({"segment": [1, 2]}), "database.v1.annotations[0]", "no 'label'"),
        (database(wave(ignored="yes")), "database.v1.annotations[0].ignored", "true or false"),
        ({"classes": ["a", "a"], "database": {}}, "classes", "a class stands twice"),
        (
            {"classes": ["run"], **database(wave())},
            "database.v1.annotations[0].label",
            "'wave' is none of the 1 classes",
        ),
        ({"taxonomy": [{}], **database()}, "taxonomy[0]", "no 'nodeName'"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(written, content, place, message):
    path = written(content)
    with pytest.raises(FormatError, match=message) as caught:
        activitynet.read(path)
    assert (caught.value.file, caught.value.place) == (path, place)


@pytest.mark.parametrize(
    ("row", "place"),
    [
        ({"label": "wave", "segment": [0, 1]}, "results.v[0]"),
        ({"label": "wave", "segment": [0, 1], "score": np.inf}, "results.v[0].score"),
        ({"label": "run", "segment": [0, 1], "score": 1}, "results.v[0].label"),
        ({"label": "wave", "segment": [2, 1], "score": 1}, "results.v[0].segment"),
    ],
)
def test_a_wrong_detection_is_named_with_its_place(written, row, place):
    with pytest.raises(FormatError) as caught:
        activitynet.read_detections(written({"results": {"v": [row]}}), ("wave",))
    assert caught.value.place == place


def test_a_missing_file_is_a_format_error(tmp_path):
    with pytest.raises(FormatError, match=r"nothing\.json: cannot be read"):
        activitynet.read(tmp_path / "nothing.json")
