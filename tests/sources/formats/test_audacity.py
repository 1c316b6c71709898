"""Label tracks: seconds between tabs, and lines that are no labels."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from untrimmed.core.actions import Actions
from untrimmed.core.annotations import Annotations, Video
from untrimmed.core.errors import FormatError
from untrimmed.sources.formats import audacity

EXAMPLE = Path(__file__).parents[4] / "shared/data/formats/audacity.txt"
LABELS = "1.200000\t3.400000\twave\n5.100000\t8.000000\tpour\n"


@pytest.fixture
def saved(tmp_path):
    """A function from a text to the file that holds it."""

    def write(text, name="v1.txt"):
        (tmp_path / name).write_text(text, newline="")
        return tmp_path / name

    return write


def test_the_file_names_the_video(saved):
    data = audacity.read(saved(LABELS), durations_s={"v1": 10.0})
    assert data.classes == ("pour", "wave")
    assert data.videos["v1"].duration_s == 10.0
    assert list(data.videos["v1"].actions) == [(1.2, 3.4, 1), (5.1, 8.0, 0)]


@pytest.mark.skipif(not EXAMPLE.exists(), reason="the shared examples are not here")
def test_the_shared_example_is_read():
    video = audacity.read(EXAMPLE, classes=["wave", "pour"]).videos["audacity"]
    assert list(video.actions) == [(1.2, 3.4, 0), (5.1, 8.0, 1)]


def test_frequencies_and_blank_lines_are_passed_by(saved):
    path = saved("1\t2\twave high\r\n\\\t100.0\t900.0\r\n\r\n")
    assert audacity.read(path).classes == ("wave high",)


def test_a_folder_is_read_whole(saved, tmp_path):
    saved(LABELS, "b.txt"), saved(LABELS, "a.txt"), saved("", "a.csv")
    assert list(audacity.read(tmp_path).videos) == ["a", "b"]


def test_a_folder_without_label_tracks_is_refused(tmp_path):
    with pytest.raises(FormatError, match=r"holds no file \*\.txt"):
        audacity.read(tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1,2\t3,4\twave", "wanted start, end and label"),
        ("1.2 3.4 wave", "wanted start, end and label"),
        ("1.2\t3.4", "wanted start, end and label"),
        ("1.2\tnan\twave", "wanted start, end and label"),
        ("1.2\t3.4\t", "without a name"),
    ],
)
def test_a_line_that_is_no_label_is_refused(saved, line, message):
    with pytest.raises(FormatError, match=rf"v1\.txt:3: .*{message}"):
        audacity.read(saved(LABELS + line))


def test_a_video_without_labels_needs_a_duration(saved):
    with pytest.raises(FormatError, match="give it in `durations_s`"):
        audacity.read(saved(""))
    assert len(audacity.read(saved(""), durations_s={"v1": 2.0}).videos["v1"].actions) == 0


times = st.integers(-(10**12), 10**12).map(lambda microseconds: microseconds / 1e6)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=st.lists(st.tuples(times, times, st.integers(0, 1)), max_size=4))
def test_actions_in_whole_microseconds_come_back(tmp_path, rows):
    actions = Actions([sorted(row[:2]) for row in rows], [row[2] for row in rows])
    data = Annotations(("wave high", "ä"), {"v": Video(id="v", duration_s=9.0, actions=actions)})
    audacity.export(data, tmp_path)
    again = audacity.read(tmp_path / "v.txt", classes=data.classes, durations_s={"v": 9.0})
    assert list(again.videos["v"].actions) == list(actions)


def test_what_a_label_track_cannot_hold_is_refused(tmp_path):
    actions = Actions([(0, 1)], [0], [True])
    data = Annotations(("a",), {"v": Video(id="v", duration_s=1.0, actions=actions)})
    with pytest.raises(ValueError, match="ignored"):
        audacity.export(data, tmp_path)
