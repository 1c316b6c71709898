"""RTTM: starts with durations, in cells divided by blanks."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from untrimmed.core.actions import Actions
from untrimmed.core.annotations import Annotations, Video
from untrimmed.core.errors import FormatError
from untrimmed.sources.formats import rttm

EXAMPLE = Path(__file__).parents[4] / "shared/data/formats/rttm.txt"
WAVE = "SPEAKER v1 1 1.200 2.200 <NA> <NA> wave <NA> <NA>\n"
POUR = "SPEAKER v1 1 5.100 2.900 <NA> <NA> pour <NA> <NA>\n"


@pytest.fixture
def saved(tmp_path):
    """A function from a text to the file that holds it."""

    def write(text):
        (tmp_path / "x.rttm").write_text(text)
        return tmp_path / "x.rttm"

    return write


def test_an_action_ends_its_duration_after_its_start(saved):
    data = rttm.read(saved(WAVE + POUR), durations_s={"v1": 10.0})
    assert data.classes == ("pour", "wave")
    assert data.videos["v1"].duration_s == 10.0
    assert list(data.videos["v1"].actions) == [(1.2, 3.4, 1), (5.1, 8.0, 0)]


@pytest.mark.skipif(not EXAMPLE.exists(), reason="the shared examples are not here")
def test_the_shared_example_is_read():
    video = rttm.read(EXAMPLE, classes=["wave", "pour"]).videos["v1"]
    assert list(video.actions) == [(1.2, 3.4, 0), (5.1, 8.0, 1)]


def test_comments_other_types_and_older_lines_are_known(saved):
    other = "SPKR-INFO v1 1 <NA> <NA> <NA> unknown wave <NA> <NA>\n"
    old = WAVE.replace(" <NA>\n", "\n").replace("v1", "v2")
    data = rttm.read(saved(f";; by hand\n\n{other}{WAVE}{old}"))
    assert list(data.videos) == ["v1", "v2"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (WAVE.replace("wave", "wave high"), "wanted 9 or 10 cells, got 11"),
        (WAVE.replace("2.200", "inf"), "wanted start and duration"),
        (WAVE.replace("wave", "<NA>"), "without a name"),
    ],
)
def test_a_line_that_is_none_is_refused(saved, line, message):
    with pytest.raises(FormatError, match=rf"x\.rttm:2: .*{message}"):
        rttm.read(saved(POUR + line))


many = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
times = st.integers(0, 10**11).map(lambda microseconds: microseconds / 1e6)


@many
@given(
    rows=st.lists(st.tuples(times, times, st.integers(0, 1), st.integers(0, 2)), max_size=6),
)
def test_actions_in_whole_microseconds_come_back(tmp_path, rows):
    videos = {}
    for number in range(3):
        own = [row for row in rows if row[3] == number]
        actions = Actions([sorted(row[:2]) for row in own], [row[2] for row in own])
        videos[f"v{number}"] = Video(id=f"v{number}", duration_s=1e6, actions=actions)
    data = Annotations(("wave", "ä"), videos)
    rttm.export(data, tmp_path / "x.rttm")
    again = rttm.read(
        tmp_path / "x.rttm", classes=data.classes, durations_s=dict.fromkeys(videos, 1e6)
    )
    assert {id: list(video.actions) for id, video in again.videos.items()} == {
        id: list(video.actions) for id, video in videos.items() if len(video.actions)
    }


@pytest.mark.parametrize(("id", "name"), [("v 1", "a"), ("v1", "a b"), ("v1", "<NA>"), ("", "a")])
def test_names_with_blanks_are_refused(tmp_path, id, name):
    video = Video(id=id, duration_s=1.0, actions=Actions([(0, 1)], [0]))
    with pytest.raises(ValueError, match="RTTM cannot hold the name"):
        rttm.export(Annotations((name,), {id: video}), tmp_path / "x.rttm")


@many
@given(
    cut=st.floats(0, 1), removed=st.integers(0, 9), added=st.sampled_from(["", "\n", "9" * 5000])
)
def test_damaged_files_are_read_or_refused(saved, cut, removed, added):
    text = WAVE + POUR
    place = int(cut * len(text))
    with suppress(FormatError):
        rttm.read(saved(text[:place] + added + text[place + removed :]))
