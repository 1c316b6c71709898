"""Label Studio: frames from 1 with the last inside, several annotators, and predictions."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from untrimmed.core.actions import Actions
from untrimmed.core.annotations import Annotations, Video
from untrimmed.core.detections import Detections
from untrimmed.core.errors import FormatError
from untrimmed.sources.formats import label_studio

EXAMPLES = Path(__file__).parents[4] / "shared/data/formats"


def timeline(name, *ranges):
    return {
        "type": "timelinelabels",
        "from_name": "tl",
        "to_name": "video",
        "value": {
            "ranges": [{"start": first, "end": last} for first, last in ranges],
            "timelinelabels": [name],
        },
    }


def annotated(*result, by=1, cancelled=False):
    return {"completed_by": by, "was_cancelled": cancelled, "result": list(result)}


def task(*annotations, video="/data/upload/1/ab12cd34-v1.mp4"):
    return {"id": 7, "data": {"video": video}, "annotations": list(annotations)}


WAVE, POUR = timeline("wave", (37, 102)), timeline("pour", (154, 240))


@pytest.fixture
def export(tmp_path):
    """A function from tasks to the file that holds them."""

    def write(*tasks):
        path = tmp_path / "export.json"
        path.write_text(json.dumps(tasks))
        return path

    return write


def test_frames_count_from_1_and_the_last_is_inside(export):
    data = label_studio.read(export(task(annotated(WAVE, POUR))), fps=30)
    assert data.classes == ("pour", "wave")
    assert list(data.videos) == ["v1"]
    assert list(data.videos["v1"].actions) == [(1.2, 3.4, 1), (5.1, 8.0, 0)]


def test_the_rate_of_the_labelling_is_not_stated_as_that_of_the_video(export):
    data = label_studio.read(export(task(annotated(WAVE))), fps=15)
    assert list(data.videos["v1"].actions) == [(2.4, 6.8, 0)]
    assert data.videos["v1"].fps is None


@pytest.mark.parametrize("name", ["labelstudio.json", "labelstudio_min.json"])
@pytest.mark.skipif(not EXAMPLES.exists(), reason="the shared examples are not here")
def test_the_shared_examples_are_read(name):
    data = label_studio.read(EXAMPLES / name, fps=30, durations_s={"v1": 10.0})
    assert data.videos["v1"].duration_s == 10.0
    assert list(data.videos["v1"].actions) == [(1.2, 3.4, 1), (5.1, 8.0, 0)]


def test_json_min_says_the_same(export):
    short = {"id": 7, "video": "v1.mp4", "tl": [WAVE["value"], POUR["value"]], "annotator": 1}
    data = label_studio.read(export(short), fps=30)
    assert list(data.videos["v1"].actions) == [(1.2, 3.4, 1), (5.1, 8.0, 0)]


def test_frames_without_a_rate_are_refused(export):
    with pytest.raises(FormatError, match=r"export\.json: .*'v1' make a second; give `fps`"):
        label_studio.read(export(task(annotated(WAVE))))


def test_the_rate_may_differ_by_video(export):
    path = export(task(annotated(WAVE)), task(annotated(WAVE), video="v2.mp4"))
    data = label_studio.read(path, fps={"v1": 30, "v2": 15})
    assert list(data.videos["v2"].actions) == [(2.4, 6.8, 0)]
    with pytest.raises(FormatError, match="'v2'"):
        label_studio.read(path, fps={"v1": 30})


def test_one_region_may_have_several_ranges(export):
    path = export(task(annotated(timeline("wave", (1, 30), (61, 90)))))
    assert list(label_studio.read(path, fps=30).videos["v1"].actions) == [(0, 1, 0), (2, 3, 0)]


@pytest.mark.parametrize("kind", ["labels", "timeserieslabels"])
def test_older_regions_state_seconds_and_need_no_rate(export, kind):
    region = {"type": kind, "value": {"start": 1.2, "end": 3.4, kind: ["wave"]}}
    data = label_studio.read(export(task(annotated(region))))
    assert list(data.videos["v1"].actions) == [(1.2, 3.4, 0)]


def test_other_regions_are_no_actions(export):
    box = {"type": "videorectangle", "value": {"sequence": [], "labels": ["ball"]}}
    choice = {"type": "choices", "value": {"choices": ["good"]}}
    data = label_studio.read(export(task(annotated(box, choice, WAVE))), fps=30)
    assert data.classes == ("wave",)


def test_cancelled_annotations_and_tasks_without_any_are_left_out(export):
    path = export(
        task(annotated(POUR, cancelled=True), annotated(WAVE)), task(video="/data/v2.mp4")
    )
    data = label_studio.read(path, fps=30)
    assert list(data.videos) == ["v1"]
    assert data.classes == ("wave",)


def test_of_several_annotators_one_must_be_chosen(export):
    path = export(task(annotated(WAVE, by=4), annotated(POUR, by={"id": 9, "email": "x"})))
    with pytest.raises(FormatError, match=r"\[0\]\.annotations: 2 annotations.* by 4, 9"):
        label_studio.read(path, fps=30)
    assert label_studio.read(path, fps=30, annotator=9).classes == ("pour",)


@pytest.mark.parametrize(
    ("address", "id"),
    [
        ("/data/upload/1/ab12cd34-my-film.mp4", "my-film"),
        ("/data/local-files/?d=films/my%20film.mp4", "my film"),
        ("https://host/films/ab12cd34-film.mp4?token=a/b", "ab12cd34-film"),
        ("s3://bucket/a.b.mkv", "a.b"),
    ],
)
def test_an_address_names_the_video(export, address, id):
    assert list(label_studio.read(export(task(annotated(WAVE), video=address)), fps=30).videos) == [
        id
    ]


@pytest.mark.parametrize("stretch", [(0, 5), (1, -1), (1.5, 5), ("1", 5)])
def test_a_range_that_is_none_is_refused(export, stretch):
    with pytest.raises(FormatError, match=r"result\[0\]\.value\.ranges\[0\]"):
        label_studio.read(export(task(annotated(timeline("wave", stretch)))), fps=30)


def test_one_video_in_two_tasks_is_refused(export):
    with pytest.raises(FormatError, match="'v1' is annotated twice"):
        label_studio.read(export(task(annotated(WAVE)), task(annotated(POUR))), fps=30)


many = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@many
@given(
    fps=st.sampled_from([24, 25, 30, 30000 / 1001, 59.94]),
    spans=st.lists(
        st.tuples(st.integers(0, 200_000), st.integers(1, 5000), st.integers(0, 1)), max_size=5
    ),
)
def test_actions_of_whole_frames_come_back(tmp_path, fps, spans):
    segments = [(first / fps, (first + frames) / fps) for first, frames, _ in spans]
    actions = Actions(segments, [label for *_, label in spans])
    data = Annotations(("ä", "b"), {"v1": Video(id="v1", duration_s=1e4, actions=actions)})
    label_studio.export(data, tmp_path / "t.json", fps=fps, media={"v1": "/data/v1.mp4"})
    again = label_studio.read(
        tmp_path / "t.json", fps=fps, classes=data.classes, durations_s={"v1": 1e4}
    )
    assert list(again.videos["v1"].actions) == list(actions)


def test_detections_become_predictions_with_their_scores(tmp_path):
    found = Detections([(1.2, 3.4), (5.1, 8.0)], [1, 0], [0.75, 0.25])
    path = tmp_path / "pre.json"
    label_studio.export_detections(
        {"v1": found, "v2": Detections.none()},
        ["pour", "wave"],
        path,
        fps=30,
        media={"v1": "/data/v1.mp4", "v2": "/data/v2.mp4"},
        control=("actions", "film"),
    )
    first, second = json.loads(path.read_text())
    assert first["data"] == {"film": "/data/v1.mp4"}
    (prediction,) = first["predictions"]
    assert (prediction["model_version"], prediction["score"]) == ("untrimmed", 0.5)
    wave, pour = prediction["result"]
    assert (wave["from_name"], wave["to_name"], wave["score"]) == ("actions", "film", 0.75)
    assert wave["value"] == WAVE["value"]
    assert pour["value"] == POUR["value"]
    assert wave["id"] != pour["id"]
    assert second["predictions"][0]["result"] == []


def test_a_video_without_an_address_is_refused(tmp_path):
    data = Annotations((), {"v1": Video(id="v1", duration_s=1.0)})
    with pytest.raises(ValueError, match="v1: no address"):
        label_studio.export(data, tmp_path / "t.json", fps=30, media={})


def test_an_action_before_the_video_is_refused(tmp_path):
    video = Video(id="v1", duration_s=1.0, actions=Actions([(-1, 1)], [0]))
    with pytest.raises(ValueError, match=r"no frame at -1\.0 s"):
        label_studio.export(
            Annotations(("a",), {"v1": video}), tmp_path / "t", fps=30, media={"v1": "v1.mp4"}
        )


def places(value):
    """Every object or array inside of a value, with each key or number in it."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(pairs):
        yield value, key
        if isinstance(inner, dict | list):
            yield from places(inner)


@many
@given(
    value=st.sampled_from(
        [None, True, 0, -1, 10**400, 1e308, "", "x", [], {}, [[]], [{}], [None], [""]]
    ),
    where=st.floats(0, 1, exclude_max=True),
)
def test_any_value_in_any_place_is_read_or_refused(export, value, where):
    root = json.loads(json.dumps([task(annotated(WAVE, POUR))]))
    some = list(places(root))
    inside, key = some[int(where * len(some))]
    inside[key] = value
    with suppress(FormatError):
        label_studio.read(export(*root), fps=30)
