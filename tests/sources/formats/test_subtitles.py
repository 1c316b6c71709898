"""Subtitles: both kinds there and back, cues as players and people write them."""

from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from untrimmed.core.actions import Actions
from untrimmed.core.annotations import Annotations, Video
from untrimmed.core.detections import Detections
from untrimmed.core.errors import FormatError
from untrimmed.sources.formats import subtitles

SRT = "1\n00:00:01,200 --> 00:00:03,400\nwave\n\n2\n00:00:05,100 --> 00:00:08,000\npour\n"
VTT = """WEBVTT - actions

STYLE
::cue { color: red }

NOTE
what 00:01 --> 00:02 means

00:01.200 --> 00:03.400 align:start line:0
wave

a name
00:00:05.100 --> 00:00:08.000
pour &lt;a&amp;b&gt;
"""


@pytest.fixture
def saved(tmp_path):
    """A function from a text to the file that holds it."""

    def write(text, name="v1.srt"):
        (tmp_path / name).write_text(text, newline="")
        return tmp_path / name

    return write


def of(classes, *rows):
    actions = Actions([row[:2] for row in rows], [row[2] for row in rows])
    return Annotations(classes, {"v1": Video(id="v1", duration_s=1e5, actions=actions)})


def test_srt_is_read(saved):
    data = subtitles.read(saved(SRT))
    assert data.classes == ("pour", "wave")
    assert list(data.videos["v1"].actions) == [(1.2, 3.4, 1), (5.1, 8.0, 0)]
    assert data.videos["v1"].duration_s == 8.0


def test_webvtt_is_read_without_its_notes_and_styles(saved):
    data = subtitles.read(saved(VTT))
    assert data.classes == ("pour <a&b>", "wave")
    assert list(data.videos["v1"].actions) == [(1.2, 3.4, 1), (5.1, 8.0, 0)]


def test_lines_may_end_as_on_windows(saved):
    assert len(subtitles.read(saved(SRT.replace("\n", "\r\n"))).videos["v1"].actions) == 2


def test_each_line_of_a_cue_is_an_action(saved):
    data = subtitles.read(saved("1\n01:00:00,000 --> 01:00:02,500\nwave\npour\n"))
    assert list(data.videos["v1"].actions) == [(3600.0, 3602.5, 1), (3600.0, 3602.5, 0)]


def test_a_folder_is_read_whole(saved, tmp_path):
    saved(SRT, "b.srt"), saved(VTT, "a.vtt"), saved("x", "notes.txt")
    assert list(subtitles.read(tmp_path).videos) == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SRT + "\n3\nwave\n", r"v1\.srt:9: wanted the times"),
        (SRT + "\n3\n00:00:61,000 --> 00:02:00,000\nwave\n", "wanted the times"),
        (SRT + "\n3\n00:00:01,000 --> 00:02:00,000\n", r"v1\.srt:10: a cue without text"),
    ],
)
def test_a_cue_that_is_none_is_refused_by_its_line(saved, text, message):
    with pytest.raises(FormatError, match=message):
        subtitles.read(saved(text))


def test_srt_is_written_by_start(tmp_path):
    subtitles.export(of(("wave", "pour"), (5.1, 8.0, 1), (1.2, 3.4, 0)), tmp_path)
    assert (tmp_path / "v1.srt").read_text() == SRT


many = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
spans = st.tuples(st.integers(0, 40_000_000), st.integers(1, 90_000), st.integers(0, 2))


@many
@given(rows=st.lists(spans, min_size=1, max_size=5), kind=st.sampled_from(["srt", "vtt"]))
def test_actions_in_whole_milliseconds_come_back(tmp_path, rows, kind):
    data = of(
        ("12", "NOTE", "a <b> & &amp;"),
        *((a / 1000, (a + n) / 1000, label) for a, n, label in rows),
    )
    subtitles.export(data, tmp_path, kind=kind)
    again = subtitles.read(tmp_path / f"v1.{kind}", classes=data.classes)
    assert sorted(again.videos["v1"].actions) == sorted(data.videos["v1"].actions)


def test_detections_are_shown_with_their_scores(tmp_path):
    found = {"v1": Detections([(1.2, 3.4), (0, 0)], [0, 1], [0.914, 0.5])}
    subtitles.export_detections(found, ["wave", "pour"], tmp_path, kind="vtt")
    assert (tmp_path / "v1.vtt").read_text() == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:00.001\npour 0.50\n"
        "\n00:00:01.200 --> 00:00:03.400\nwave 0.91\n"
    )


def test_what_is_ignored_is_not_shown(tmp_path):
    actions = Actions([(0, 1)], [0], [True])
    data = Annotations(("a",), {"v": Video(id="v", duration_s=1.0, actions=actions)})
    subtitles.export(data, tmp_path)
    assert (tmp_path / "v.srt").read_text() == ""


def test_what_subtitles_cannot_hold_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"cannot start at -1\.0 s"):
        subtitles.export(of(("a",), (-1, 1, 0)), tmp_path)
    with pytest.raises(ValueError, match="cannot hold the text"):
        subtitles.export(of(("a-->b",), (0, 1, 0)), tmp_path)
    assert not list(tmp_path.iterdir())


@many
@given(
    text=st.sampled_from([SRT, VTT]),
    cut=st.floats(0, 1),
    removed=st.integers(0, 20),
    added=st.sampled_from(["", "\n", "9" * 5000, "-->", "&#99999999999;"]),
)
def test_damaged_files_are_read_or_refused(saved, text, cut, removed, added):
    place = int(cut * len(text))
    with suppress(FormatError):
        subtitles.read(saved(text[:place] + added + text[place + removed :]))
