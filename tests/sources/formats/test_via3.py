"""VIA 3: attributes and their options, spans among stills and boxes, projects and tables."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from untrimmed.core.actions import Actions
from untrimmed.core.annotations import Annotations, Video
from untrimmed.core.errors import FormatError
from untrimmed.sources.formats import via3

EXAMPLES = Path(__file__).parents[4] / "shared/data/formats"

ACTION = {
    "aname": "action",
    "anchor_id": "FILE1_Z2_XY0",
    "type": 4,
    "options": {"0": "wave", "1": "pour"},
}
MOOD = {"aname": "mood", "anchor_id": "FILE1_Z2_XY0", "type": 1, "options": {}}
BOX = {"aname": "thing", "anchor_id": "FILE1_Z1_XY1", "type": 1, "options": {}}


def span(start, end, xy=(), view="1", **values):
    av = {name.removeprefix("a"): value for name, value in values.items()}
    return {"vid": view, "flg": 0, "z": [start, end], "xy": list(xy), "av": av}


def project(*spans, attributes=(ACTION,), files=("v1.mp4",)):
    numbers = [str(n) for n in range(1, len(files) + 1)]
    return {
        "attribute": {str(n): one for n, one in enumerate(attributes, 1)},
        "file": {n: {"fid": n, "fname": f, "type": 4} for n, f in zip(numbers, files, strict=True)},
        "view": {n: {"fid_list": [n]} for n in numbers},
        "metadata": {f"1_{n:08}": one for n, one in enumerate(spans)},
    }


@pytest.fixture
def saved(tmp_path):
    """A function from a project to the file that holds it."""

    def write(content):
        path = tmp_path / "via.json"
        path.write_text(json.dumps(content))
        return path

    return write


@pytest.fixture
def table(tmp_path):
    """A function from lines to the CSV export that holds them."""

    def write(*lines, attributes=(ACTION,)):
        stated = json.dumps({str(n): one for n, one in enumerate(attributes, 1)})
        path = tmp_path / "via.csv"
        path.write_text("\n".join(["# Exported, by VIA", f"# ATTRIBUTE = {stated}", *lines]))
        return path

    return write


WAVE, POUR = span(1.2, 3.4, a1="0"), span(5.1, 8.0, a1="1")


def test_options_are_the_classes_in_their_order(saved):
    data = via3.read(saved(project(POUR, WAVE)))
    assert data.classes == ("wave", "pour")
    assert list(data.videos["v1"].actions) == [(5.1, 8.0, 1), (1.2, 3.4, 0)]
    assert data.videos["v1"].duration_s == 8.0


@pytest.mark.parametrize("name", ["via3.json", "via3.csv"])
@pytest.mark.skipif(not EXAMPLES.exists(), reason="the shared examples are not here")
def test_the_shared_examples_are_read(name):
    data = via3.read(EXAMPLES / name, durations_s={"v1": 10.0})
    assert data.classes == ("wave", "pour")
    assert data.videos["v1"].duration_s == 10.0
    assert list(data.videos["v1"].actions) == [(1.2, 3.4, 0), (5.1, 8.0, 1)]


def test_a_table_says_the_same_as_its_project(table):
    path = table(
        '"1_a","[""v1.mp4""]",0,"[1.2,3.4]","[]","{""1"":""0""}"',
        '"2_b","[""v2.mp4""]",0,"[5.1,8.0]","[]","{""1"":""1""}"',
        '"1_c","[""v1.mp4""]",0,"[2.5]","[2,1,1,5,5]","{}"',
    )
    data = via3.read(path)
    assert list(data.videos["v1"].actions) == [(1.2, 3.4, 0)]
    assert list(data.videos["v2"].actions) == [(5.1, 8.0, 1)]


def test_a_line_of_a_table_is_named(table):
    path = table('"1_a","[""v1.mp4""]",0,"[1.2,3.4]","[]","{""1"":""7""}"')
    with pytest.raises(FormatError, match=r"via\.csv:line 3\.values\.1: '7' is none of the opt"):
        via3.read(path)
    with pytest.raises(FormatError, match=r"via\.csv:3: wanted 6 cells, got 2"):
        via3.read(table("a,b"))


def test_stills_and_boxes_are_no_actions(saved):
    still = {"vid": "1", "z": [2.0], "xy": [], "av": {}}
    box = span(1.0, 2.0, xy=[2, 10, 10, 50, 50])
    data = via3.read(saved(project(still, box, WAVE, attributes=(ACTION, BOX))))
    assert len(data.videos["v1"].actions) == 1


def test_of_several_attributes_one_must_be_chosen(saved):
    both = span(1.2, 3.4, a1="0", a2="glad")
    path = saved(project(both, attributes=(ACTION, MOOD)))
    with pytest.raises(FormatError, match="got 2 among action, mood"):
        via3.read(path)
    assert via3.read(path, attribute="mood").classes == ("glad",)
    assert via3.read(path, attribute="action").classes == ("wave", "pour")
    with pytest.raises(FormatError, match="called 'place'"):
        via3.read(path, attribute="place")


def test_a_checkbox_gives_an_action_for_each_tick(saved):
    several = {**ACTION, "type": 2}
    data = via3.read(saved(project(span(1, 2, a1="1,0"), attributes=(several,))))
    assert list(data.videos["v1"].actions) == [(1, 2, 1), (1, 2, 0)]


def test_a_span_without_a_value_is_refused(saved):
    with pytest.raises(FormatError, match=r"metadata\.1_00000000\.av: there is no '1'"):
        via3.read(saved(project(span(1, 2))))
    with pytest.raises(FormatError, match="wanted a name, got ''"):
        via3.read(saved(project(span(1, 2, a1=""))))


def test_each_view_shows_one_video(saved):
    content = project(WAVE, span(0, 1, view="2", a1="1"), files=("v1.mp4", "w/v2.webm"))
    data = via3.read(saved(content))
    assert list(data.videos) == ["v1", "v2"]
    assert list(data.videos["v2"].actions) == [(0, 1, 1)]
    content["view"]["1"]["fid_list"] = ["1", "2"]
    with pytest.raises(FormatError, match="wanted one file in a view, got 2"):
        via3.read(saved(content))


def test_what_is_written_keeps_rates_splits_and_unused_classes(tmp_path):
    video = Video(id="v", duration_s=9.5, split="test", fps=25.0, actions=Actions([(1, 2)], [1]))
    via3.write(Annotations(("b", "a"), {"v": video}), tmp_path / "p.json", media={"v": "d/v.mkv"})
    data = via3.read(tmp_path / "p.json")
    assert data.classes == ("b", "a")
    again = data.videos["v"]
    assert (again.duration_s, again.split, again.fps) == (9.5, "test", 25.0)
    content = json.loads((tmp_path / "p.json").read_text())
    assert content["file"]["1"]["fname"] == "v.mkv"
    assert content["file"]["1"]["src"] == "d/v.mkv"


def test_what_via_cannot_hold_is_refused(tmp_path):
    video = Video(id="v", duration_s=1.0, actions=Actions([(0, 1)], [0], [True]))
    with pytest.raises(ValueError, match="ignored"):
        via3.write(Annotations(("a",), {"v": video}), tmp_path / "p")
    with pytest.raises(ValueError, match="another video than 'v'"):
        via3.write(
            Annotations((), {"v": Video(id="v", duration_s=1)}),
            tmp_path / "p",
            media={"v": "w.mp4"},
        )


def places(value):
    """Every object or array inside of a value, with each key or number in it."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(pairs):
        yield value, key
        if isinstance(inner, dict | list):
            yield from places(inner)


many = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@many
@given(
    value=st.sampled_from([None, True, 0, -1, 10**400, 1e308, "", "x", [], {}, [[]], [{}], [None]]),
    where=st.floats(0, 1, exclude_max=True),
)
def test_any_value_in_any_place_is_read_or_refused(saved, value, where):
    root = json.loads(json.dumps(project(WAVE, POUR)))
    some = list(places(root))
    inside, key = some[int(where * len(some))]
    inside[key] = value
    with suppress(FormatError):
        via3.read(saved(root))


@many
@given(
    cut=st.floats(0, 1), removed=st.integers(0, 20), added=st.sampled_from(["", '"', "9" * 5000])
)
def test_damaged_tables_are_read_or_refused(table, cut, removed, added):
    path = table('"1_a","[""v1.mp4""]",0,"[1.2,3.4]","[]","{""1"":""0""}"')
    text = path.read_text()
    place = int(cut * len(text))
    path.write_text(text[:place] + added + text[place + removed :])
    with suppress(FormatError):
        via3.read(path)
