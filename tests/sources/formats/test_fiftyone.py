"""FiftyOne: supports with the last frame inside, timestamps, and labels by name or number."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from untrimmed.core.errors import FormatError
from untrimmed.sources.formats import fiftyone

EXAMPLE = Path(__file__).parents[4] / "shared/data/formats/fiftyone_labels.json"

WAVE = {"label": 0, "support": [37, 102]}
POUR = {"label": 1, "timestamps": [5.1, 8.0]}


@pytest.fixture
def saved(tmp_path):
    """A function from labels by video to the file that holds them."""

    def write(labels, classes=("wave", "pour")):
        path = tmp_path / "labels.json"
        path.write_text(json.dumps({"classes": classes, "labels": labels}))
        return path

    return write


def test_frames_count_from_1_and_the_last_is_inside(saved):
    data = fiftyone.read(saved({"v1": [WAVE, POUR]}), fps=30, durations_s={"v1": 10.0})
    assert data.classes == ("wave", "pour")
    assert (data.videos["v1"].duration_s, data.videos["v1"].fps) == (10.0, 30)
    assert list(data.videos["v1"].actions) == [(1.2, 3.4, 0), (5.1, 8.0, 1)]


@pytest.mark.skipif(not EXAMPLE.exists(), reason="the shared examples are not here")
def test_the_shared_example_is_read():
    video = fiftyone.read(EXAMPLE, fps=30).videos["v1"]
    assert list(video.actions) == [(1.2, 3.4, 0), (5.1, 8.0, 1)]


def test_timestamps_need_no_rate(saved):
    assert list(fiftyone.read(saved({"v1": [POUR]})).videos["v1"].actions) == [(5.1, 8.0, 1)]


def test_supports_need_a_rate_which_may_differ_by_video(saved):
    path = saved({"v1": [WAVE], "v2": [WAVE]})
    with pytest.raises(FormatError, match="'v1' make a second"):
        fiftyone.read(path)
    data = fiftyone.read(path, fps={"v1": 30, "v2": 15})
    assert list(data.videos["v2"].actions) == [(2.4, 6.8, 0)]


def test_labels_may_be_names_without_a_list_of_classes(saved):
    path = saved({"v1": [{**POUR, "label": "wave"}, {**POUR, "label": "pour"}]}, classes=None)
    assert fiftyone.read(path).classes == ("pour", "wave")


def test_a_label_of_no_class_is_refused(saved):
    with pytest.raises(FormatError, match=r"labels\.v1\[0\]\.label: the label 2 is none of the 2"):
        fiftyone.read(saved({"v1": [{**POUR, "label": 2}]}))
    with pytest.raises(FormatError, match="'jump' is none of the 2 classes"):
        fiftyone.read(saved({"v1": [{**POUR, "label": "jump"}]}))
    with pytest.raises(FormatError, match="a class stands twice"):
        fiftyone.read(saved({}, classes=["a", "a"]))


@pytest.mark.parametrize("support", [[0, 5], [1, -1], [1], [1.0, 2.0]])
def test_a_support_that_is_none_is_refused(saved, support):
    with pytest.raises(FormatError, match=r"labels\.v1\[0\]\.support"):
        fiftyone.read(saved({"v1": [{"label": 0, "support": support}]}), fps=30)


def test_a_video_that_nobody_labelled_has_no_actions(saved):
    data = fiftyone.read(saved({"v1": None}), durations_s={"v1": 4.0})
    assert len(data.videos["v1"].actions) == 0


def places(value):
    """Every object or array inside of a value, with each key or number in it."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(pairs):
        yield value, key
        if isinstance(inner, dict | list):
            yield from places(inner)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    value=st.sampled_from([None, True, 0, -1, 10**400, 1e308, "", "x", [], {}, [[]], [{}], [None]]),
    where=st.floats(0, 1, exclude_max=True),
    fps=st.sampled_from([None, 30]),
)
def test_any_value_in_any_place_is_read_or_refused(tmp_path, value, where, fps):
    root = json.loads(json.dumps({"classes": ["a", "b"], "labels": {"v1": [WAVE, POUR]}}))
    some = list(places(root))
    inside, key = some[int(where * len(some))]
    inside[key] = value
    (tmp_path / "labels.json").write_text(json.dumps(root))
    with suppress(FormatError):
        fiftyone.read(tmp_path / "labels.json", fps=fps)
