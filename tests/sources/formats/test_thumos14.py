"""The text files of THUMOS14: what a folder of them says."""

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from untrimmed.core.errors import FormatError
from untrimmed.sources.formats import thumos14


@pytest.fixture
def folder(tmp_path):
    """A function from the names of files and their text to the folder of them."""

    def write(files):
        for name, text in files.items():
            path = tmp_path / "thumos" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path / "thumos"

    return write


SMALL = {
    "wave_val.txt": "v2  1.2  3.4\nv1  5  6.25\n",
    "pour_val.txt": "v1  0.5  1.0\n",
    "pour_test.txt": "t1  5.1  8.0\n",
}


def test_classes_are_the_names_of_the_files_in_alphabetical_order(folder):
    assert thumos14.read(folder(SMALL)).classes == ("pour", "wave")


def test_the_lines_of_all_files_are_joined_by_video(folder):
    videos = thumos14.read(folder(SMALL)).videos
    assert list(videos) == ["t1", "v1", "v2"]
    assert list(videos["v1"].actions) == [(0.5, 1.0, 0), (5.0, 6.25, 1)]


def test_the_endings_of_the_names_are_the_splits(folder):
    data = thumos14.read(folder(SMALL))
    assert list(data.split("validation").videos) == ["v1", "v2"]
    assert list(data.split("test").videos) == ["t1"]


def test_both_published_archives_may_lie_in_folders_of_one(folder):
    nested = {f"{name[-8:-4]}/annotation/{name}": text for name, text in SMALL.items()}
    assert list(thumos14.read(folder(nested)).videos) == ["t1", "v1", "v2"]


def test_ambiguous_is_no_class_and_its_actions_are_ignored(folder):
    data = thumos14.read(folder(SMALL | {"Ambiguous_val.txt": "v1 2 3\nv9 1 2\n"}))
    assert data.classes == ("pour", "wave")
    assert data.videos["v1"].actions.ignored.tolist() == [True, False, False]
    assert data.videos["v1"].actions.labels.tolist() == [-1, 0, 1]
    assert list(data.videos["v9"].actions) == []


def test_classes_given_by_the_caller_are_the_labels(folder):
    data = thumos14.read(folder(SMALL), classes=["wave", "run", "pour"])
    assert data.classes == ("wave", "run", "pour")
    assert data.videos["t1"].actions.labels.tolist() == [2]


def test_a_class_without_actions_is_one(folder):
    assert thumos14.read(folder(SMALL | {"run_val.txt": "\n"})).classes == ("pour", "run", "wave")


def test_durations_come_from_the_caller_or_the_last_end(folder):
    videos = thumos14.read(folder(SMALL), durations_s={"v1": 9.0}).videos
    assert [video.duration_s for video in videos.values()] == [8.0, 9.0, 3.4]


def test_other_files_of_the_folder_are_passed_by(folder):
    others = {"readme.txt": "one two", "._wave_val.txt": b"\xff", "wave_val.csv": "a"}
    assert thumos14.read(folder(SMALL | others)).classes == ("pour", "wave")


def test_a_single_file_is_read_as_its_class(folder):
    data = thumos14.read(folder(SMALL) / "pour_test.txt")
    assert (data.classes, data.splits) == (("pour",), ("test",))
    assert list(data.videos["t1"].actions) == [(5.1, 8.0, 0)]


def test_tabs_carriage_returns_and_a_byte_order_mark_do_not_matter(folder):
    data = thumos14.read(folder({"wave_val.txt": "\ufeffv1\t1.2\t3.4 \r\n\r\n"}))
    assert list(data.videos) == ["v1"]
    assert list(data.videos["v1"].actions) == [(1.2, 3.4, 0)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("v1 2", "wanted a video, a start and an end in seconds, got 'v1 2'"),
        ("v1 2 3 wave", "wanted a video"),
        ("v1 2 nan", "wanted a video"),
        ("v1 2 1_0", "wanted a video"),
        (f"v1 2 {'9' * 400}", "wanted a video"),
    ],
)
def test_a_wrong_line_is_named_with_its_number(folder, line, message):
    path = folder({"wave_val.txt": f"v1 1 2\n\n{line}\n"})
    with pytest.raises(FormatError, match=message) as caught:
        thumos14.read(path)
    assert (caught.value.file, caught.value.place) == (path / "wave_val.txt", 3)


def test_a_class_that_the_caller_does_not_know_is_named(folder):
    with pytest.raises(FormatError, match="'wave' is none of the 1 classes") as caught:
        thumos14.read(folder(SMALL), classes=["pour"])
    assert caught.value.place == 1


def test_a_video_of_two_splits_is_named(folder):
    path = folder(SMALL | {"wave_test.txt": "v1 1 2\n"})
    with pytest.raises(FormatError, match=r"v1 is in the split validation in pour_val\.txt"):
        thumos14.read(path)


def test_two_files_of_one_class_and_split_are_refused(folder):
    with pytest.raises(FormatError, match="two files of this class and split"):
        thumos14.read(folder(SMALL | {"again/wave_val.txt": "v1 1 2\n"}))


def test_a_video_without_length_is_named(folder):
    with pytest.raises(FormatError, match="v1 has no duration above 0 s") as caught:
        thumos14.read(folder({"wave_val.txt": "v1 -1 0\n"}))
    assert caught.value.place == 1


def test_a_folder_without_such_files_is_refused(folder):
    with pytest.raises(FormatError, match=r"no file called \*_val\.txt or \*_test\.txt"):
        thumos14.read(folder({"readme.txt": ""}))


def test_a_missing_folder_is_a_format_error(tmp_path):
    with pytest.raises(FormatError, match="nothing: cannot be read"):
        thumos14.read(tmp_path / "nothing")


quick = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
cents = st.integers(0, 99_999).map(lambda number: number / 100)
lines = st.tuples(
    st.sampled_from(["wave", "pour", "run"]), st.sampled_from(["v1", "v2"]), cents, cents
)


@quick
@given(actions=st.lists(lines, max_size=6))
def test_all_that_lines_say_is_read(folder, actions):
    texts = {"wave_val.txt": "", "pour_val.txt": "", "run_val.txt": ""}
    for name, video, start, length in actions:
        texts[f"{name}_val.txt"] += f"{video}  {start}  {start + length + 0.1}\n"
    data = thumos14.read(folder(texts))
    read = [
        (data.classes[label], id, start, end)
        for id, video in data.videos.items()
        for start, end, label in video.actions
    ]
    assert sorted(read) == sorted((n, v, s, s + length + 0.1) for n, v, s, length in actions)


@settings(quick, max_examples=200)
@given(
    text=st.lists(st.sampled_from(["v", " ", "1", ".5", "-", "\n", "nan", "9" * 400, "é"]))
    .map("".join)
    .map(str.encode)
    | st.binary(max_size=20)
)
def test_any_folder_is_read_or_refused(folder, text):
    path = folder({"wave_val.txt": text, "Ambiguous_test.txt": "t 1 2"})
    try:
        data = thumos14.read(path)
    except FormatError:
        return
    for video in data.videos.values():
        assert 0 < video.duration_s < math.inf
