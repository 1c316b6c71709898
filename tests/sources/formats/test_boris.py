"""BORIS: columns by name, states among points, and videos observed twice."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from untrimmed.core.errors import FormatError
from untrimmed.sources.formats import boris

EXAMPLE = Path(__file__).parents[4] / "shared/data/formats/boris.csv"

OLDER = "Observation id,Media file,Total length,FPS,Behavior,Behavior type,Start (s),Stop (s)"
NEWER = (
    "Behavior,Behavior type,Observation id,Media file name,Media duration (s),Start (s),Stop (s)"
)
WAVE = "o1,/d/v1.mp4,10.000,30.00,wave,STATE,1.200,3.400"
POUR = "o1,/d/v1.mp4,10.000,30.00,pour,STATE,5.100,8.000"


@pytest.fixture
def saved(tmp_path):
    """A function from lines to the file that holds them."""

    def write(*lines):
        path = tmp_path / "events.csv"
        path.write_text("\n".join(lines))
        return path

    return write


def test_states_are_actions(saved):
    data = boris.read(saved(OLDER, WAVE, POUR))
    assert data.classes == ("pour", "wave")
    video = data.videos["v1"]
    assert (video.duration_s, video.fps) == (10.0, 30.0)
    assert list(video.actions) == [(1.2, 3.4, 1), (5.1, 8.0, 0)]


@pytest.mark.skipif(not EXAMPLE.exists(), reason="the shared examples are not here")
def test_the_shared_example_is_read():
    video = boris.read(EXAMPLE, classes=["wave", "pour"]).videos["v1"]
    assert (video.duration_s, video.fps) == (10.0, 30.0)
    assert list(video.actions) == [(1.2, 3.4, 0), (5.1, 8.0, 1)]


def test_newer_columns_in_another_order_and_between_tabs_are_known(saved):
    path = saved(NEWER.replace(",", "\t"), "wave\tSTATE\to1\td\\v1.mp4\tNA\t1.2\t3.4")
    video = boris.read(path).videos["v1"]
    assert (video.duration_s, video.fps) == (3.4, None)
    assert list(video.actions) == [(1.2, 3.4, 0)]


def test_points_are_no_actions_but_show_that_the_video_is_there(saved):
    data = boris.read(saved(OLDER, "o1,v1.mp4,10.0,30.0,blink,POINT,2.0,2.0"))
    assert data.classes == ()
    assert data.videos["v1"].duration_s == 10.0


def test_of_several_observations_of_a_video_one_must_be_chosen(saved):
    path = saved(OLDER, WAVE, POUR.replace("o1", "o2"))
    with pytest.raises(FormatError, match=r"events\.csv:3: .*'o1' and 'o2'; give `observation`"):
        boris.read(path)
    assert boris.read(path, observation="o2").classes == ("pour",)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (WAVE.replace("3.400", "NA"), r"stop \(s\) should be a number, got 'NA'"),
        (WAVE.replace(",wave", ","), "without a name"),
        (WAVE.replace("/d/v1.mp4", "a.mp4;b.mp4"), "wanted one media file"),
        (WAVE.replace("30.00", "0"), "should be above 0"),
        ("o1,/d/v1.mp4", "wanted 8 cells as in the first line, got 2"),
    ],
)
def test_a_line_that_is_none_is_refused(saved, line, message):
    with pytest.raises(FormatError, match=rf"events\.csv:2: .*{message}"):
        boris.read(saved(OLDER, line))


def test_a_table_of_another_kind_is_refused(saved):
    with pytest.raises(FormatError, match="lacks observation id, media file name, behavior,"):
        boris.read(saved("video,label,start,end"))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cut=st.floats(0, 1), removed=st.integers(0, 9), added=st.sampled_from(["", '"', "9" * 5000]))
def test_damaged_files_are_read_or_refused(saved, cut, removed, added):
    text = "\n".join([OLDER, WAVE, POUR])
    place = int(cut * len(text))
    with suppress(FormatError):
        boris.read(saved(text[:place] + added + text[place + removed :]))
