"""Tables of actions: times, columns, and lines that contradict each other."""

import pytest

from untrimmed.core.actions import Actions
from untrimmed.core.annotations import Annotations, Video
from untrimmed.core.detections import Detections
from untrimmed.core.errors import FormatError
from untrimmed.sources.formats import csv

HEADER = "video,label,start,end"


@pytest.fixture
def written(tmp_path):
    """A function from lines to the file that holds them."""

    def write(*lines):
        path = tmp_path / "file.csv"
        path.write_bytes("\n".join(lines).encode())
        return path

    return write


def test_the_smallest_file_is_read(written):
    data = csv.read(written(HEADER, "v1,wave,1.2,3.4", "v2,pour,5,8.5", "v1,pour,0,1"))
    assert data.classes == ("pour", "wave")
    assert list(data.videos) == ["v1", "v2"]
    assert list(data.videos["v1"].actions) == [(1.2, 3.4, 1), (0.0, 1.0, 0)]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90.", 90),
        (".5", 0.5),
        ("-2", -2),
        ("1e-05", 1e-05),
        ("1:30", 90),
        ("1:30.25", 90.25),
        ("75:05", 4505),
        ("1:02:03.5", 3723.5),
        ("00:00:01.10", 1.1),
    ],
)
def test_times_are_seconds_or_clocks(written, text, seconds):
    data = csv.read(written(HEADER, f"v,wave,{text},5000"))
    assert data.videos["v"].actions.segments_s[0, 0] == pytest.approx(seconds, abs=1e-12)


@pytest.mark.parametrize(
    "text", ["", "one", "1:60", "1:75:00", "nan", "inf", "1_0", "1:2:3:4", "٣"]
)
def test_other_times_are_refused_with_their_line(written, text):
    with pytest.raises(FormatError) as caught:
        csv.read(written(HEADER, "v,wave,1,2", f"v,wave,{text},5000"))
    assert caught.value.place == 3


def test_the_name_of_a_video_file_stands_for_its_id(written):
    data = csv.read(written(HEADER, "day 1/v.1.MP4,wave,1,2", "v.2,wave,1,2"))
    assert list(data.videos) == ["v.1", "v.2"]


def test_columns_come_in_any_order_and_others_are_passed_by(written):
    path = written("End,who,Video,START,label", "3,me,v,1,wave")
    assert list(csv.read(path).videos["v"].actions) == [(1.0, 3.0, 0)]


def test_blank_lines_outer_blanks_and_a_byte_order_mark_do_not_matter(written):
    path = written("\ufeff" + HEADER, "", 'v , "wave, twice", 1, 2 ', ",,,", "")
    data = csv.read(path)
    assert data.classes == ("wave, twice",)
    assert list(data.videos) == ["v"]


def test_a_line_without_a_label_is_a_video_in_which_nothing_happens(written):
    data = csv.read(written(HEADER + ",duration", "v,,,,12"))
    assert (len(data.videos["v"].actions), data.videos["v"].duration_s) == (0, 12.0)


def test_a_duration_comes_from_the_file_or_the_caller_or_the_last_end(written):
    path = written(
        HEADER + ",duration",
        "a,wave,1,2,0:10",
        "b,wave,1,2,",
        "c,wave,5,7,",
        "c,wave,1,2,",
    )
    videos = csv.read(path, durations_s={"a": 8.0, "b": 9.0}).videos
    assert [video.duration_s for video in videos.values()] == [10.0, 9.0, 7.0]


def test_splits_may_be_given(written):
    data = csv.read(written(HEADER + ",split", "a,wave,1,2,train", "b,wave,1,2,test"))
    assert data.splits == ("train", "test")


def test_classes_given_by_the_caller_set_the_labels(written):
    data = csv.read(written(HEADER, "v,wave,1,2"), classes=["run", "wave"])
    assert data.classes == ("run", "wave")
    assert data.videos["v"].actions.labels.tolist() == [1]


@pytest.mark.parametrize(
    ("lines", "place", "message"),
    [
        ([], 1, "wanted a first line with video, label, start, end, got none"),
        (["video,label,start", "v,wave,1"], 1, "wanted a first line with end"),
        (["video,label,start,end,Label"], 1, "two columns have the same name"),
        ([HEADER, "v,wave,1"], 2, "wanted 4 cells as in the first line, got 3"),
        ([HEADER, "v,wave,1,5,2"], 2, "got 5"),
        ([HEADER, ",wave,1,2"], 2, "a line without a video"),
        ([HEADER, "v,,1,2"], 2, "a line with times and without a label"),
        ([HEADER, 'v,"wave,1,2'], 2, "no CSV"),
        ([HEADER, "v,wave,0,0"], 2, "the video v has no duration above 0 s"),
        (
            [HEADER + ",split", "v,wave,1,2,train", "w,wave,1,2,", "v,wave,3,4,test"],
            4,
            "split 'test', but line 2 says 'train' of the same video",
        ),
        ([HEADER + ",duration", "v,wave,1,2,8", "v,wave,3,4,9"], 3, "duration '9', but line 2"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(written, lines, place, message):
    path = written(*lines)
    with pytest.raises(FormatError, match=message) as caught:
        csv.read(path)
    assert (caught.value.file, caught.value.place) == (path, place)


def test_a_label_that_is_no_class_is_refused(written):
    with pytest.raises(FormatError, match="'wave' is none of the 1 classes"):
        csv.read(written(HEADER, "v,wave,1,2"), classes=["run"])


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "file.csv").write_bytes(b"video,label\nv\n\xff\xfe\x00v\n")
    with pytest.raises(FormatError, match=r"file\.csv:3: cannot be read as text: the byte 0xff"):
        csv.read(tmp_path / "file.csv")


def test_detections_survive_in_their_order(tmp_path):
    found = {
        "w": Detections.none(),
        "v": Detections([[0.1, 1 / 3], [5, 6]], [1, 0], [-0.25, 1e-9]),
    }
    csv.write_detections(found, ("pour", "wave"), tmp_path / "found.csv")
    again = csv.read_detections(tmp_path / "found.csv", ("pour", "wave"))
    assert list(again) == ["w", "v"]
    assert again["v"].segments_s.tolist() == [[0.1, 1 / 3], [5, 6]]
    assert (again["v"].labels.tolist(), again["v"].scores.tolist()) == ([1, 0], [-0.25, 1e-9])


def test_detections_need_a_score(written):
    with pytest.raises(FormatError, match="wanted a first line with score"):
        csv.read_detections(written(HEADER, "v,wave,1,2"), ("wave",))


def one_video(*, id="v", name="wave", ignored=False):
    video = Video(id=id, duration_s=9.0, actions=Actions([[1, 2]], [0], [ignored]))
    return Annotations((name,), {id: video})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"ignored": True}, "video v: a CSV file cannot say that an action is ignored"),
        ({"id": "v.mp4"}, "cannot hold the video id 'v.mp4'"),
        ({"id": " v"}, "cannot hold the video id ' v'"),
        ({"name": "wave "}, "cannot hold the class name 'wave '"),
        ({"name": ""}, "cannot hold the class name ''"),
    ],
)
def test_what_could_not_be_read_back_is_not_written(tmp_path, given, message):
    with pytest.raises(ValueError, match=message):
        csv.write(one_video(**given), tmp_path / "file.csv")
    assert not list(tmp_path.iterdir())


def test_a_label_without_a_name_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="the label -1 is none of 1 classes"):
        csv.write_detections(
            {"v": Detections([[0, 1]], [-1], [0.5])}, ("a",), tmp_path / "found.csv"
        )
