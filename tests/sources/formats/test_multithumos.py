"""The text files of MultiTHUMOS: where they differ from those of THUMOS14."""

import pytest

from untrimmed.core.errors import FormatError
from untrimmed.sources.formats import multithumos

VAL, TEST = "video_validation_0000266", "video_test_0000004"


@pytest.fixture
def folder(tmp_path):
    """A function from the names of files and their text to the folder of them."""

    def write(files):
        for name, text in files.items():
            path = tmp_path / "multithumos" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path / "multithumos"

    return write


SMALL = {
    "README": "",
    "annotations/Walk.txt": f"{VAL} 72.80 76.40\n{TEST} 0.5 1\n",
    "annotations/BodyRoll.txt": f"{VAL} 35.47 36.83\n",
}
LIST = {"class_list.txt": "1 Walk\n2 Sit\n3 BodyRoll\n"}


def test_one_file_holds_the_actions_of_all_splits(folder):
    data = multithumos.read(folder(SMALL))
    assert data.classes == ("BodyRoll", "Walk")
    assert list(data.split("validation").videos) == [VAL]
    assert list(data.split("test").videos) == [TEST]
    assert list(data.videos[VAL].actions) == [(35.47, 36.83, 0), (72.8, 76.4, 1)]


def test_the_list_of_classes_gives_the_labels(folder):
    data = multithumos.read(folder(SMALL | LIST))
    assert data.classes == ("Walk", "Sit", "BodyRoll")
    assert data.videos[VAL].actions.labels.tolist() == [2, 0]


def test_classes_given_by_the_caller_stand_over_the_list(folder):
    data = multithumos.read(folder(SMALL | LIST), classes=["BodyRoll", "Walk"])
    assert data.videos[TEST].actions.labels.tolist() == [1]


def test_a_file_of_a_class_that_is_not_listed_is_named(folder):
    path = folder(SMALL | {"class_list.txt": "1 Walk\n"})
    with pytest.raises(FormatError, match="'BodyRoll' is none of the 1 classes") as caught:
        multithumos.read(path)
    assert caught.value.file.name == "BodyRoll.txt"


@pytest.mark.parametrize("line", ["3 Sit", "2 Walk", "2", "2 Sit down", "Sit 2"])
def test_a_list_out_of_order_is_named_with_its_line(folder, line):
    path = folder(SMALL | {"class_list.txt": f"1 Walk\n{line}\n"})
    with pytest.raises(FormatError, match="wanted the number 2 and a new class") as caught:
        multithumos.read(path)
    assert (caught.value.file, caught.value.place) == (path / "class_list.txt", 2)


def test_a_video_of_another_name_is_of_no_split(folder):
    assert multithumos.read(folder({"Walk.txt": "video 1 2\nmine_test_1 1 2\n"})).splits == ("",)


def test_durations_come_from_the_caller_or_the_last_end(folder):
    videos = multithumos.read(folder(SMALL), durations_s={VAL: 171.57}).videos
    assert [video.duration_s for video in videos.values()] == [1.0, 171.57]


def test_two_files_of_one_class_are_refused(folder):
    with pytest.raises(FormatError, match="two files of this class"):
        multithumos.read(folder(SMALL | {"other/Walk.txt": ""}))


def test_a_single_file_is_read_as_its_class(folder):
    assert multithumos.read(folder(SMALL) / "annotations" / "Walk.txt").classes == ("Walk",)
