"""The tables of Charades: actions in a cell, and the names of their classes."""

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from untrimmed.core.errors import FormatError
from untrimmed.sources.formats import charades

HEADER = "id,subject,scene,quality,relevance,verified,script,objects,descriptions,actions,length"
CLASSES = "c000 Holding some clothes\nc001 Pouring\nc002 Waving a hand\n"


def line(id="v1", actions="c002 1.20 3.40;c001 5.10 8.00", length="10.00"):
    return f'{id},S1,Kitchen,7,7,Yes,"A person waves, then pours.",cup,text,{actions},{length}'


@pytest.fixture
def folder(tmp_path):
    """A function from the lines of both tables, and the list of classes, to their folder."""

    def write(train=None, classes=CLASSES):
        for name, lines in (("train", train or [line()]), ("test", [line("t1", "")])):
            (tmp_path / f"Charades_v1_{name}.csv").write_text("\n".join([HEADER, *lines]))
        if classes:
            (tmp_path / charades.CLASS_LIST).write_text(classes)
        return tmp_path

    return write


def test_the_actions_of_a_cell_are_read(folder):
    data = charades.read(folder())
    assert data.classes == ("Holding some clothes", "Pouring", "Waving a hand")
    assert list(data.videos["v1"].actions) == [(1.2, 3.4, 2), (5.1, 8.0, 1)]
    assert data.videos["v1"].duration_s == 10.0


def test_both_tables_of_a_folder_are_read_as_splits(folder):
    data = charades.read(folder())
    assert list(data.split("train").videos) == ["v1"]
    assert list(data.split("test").videos) == ["t1"]


def test_an_empty_cell_is_a_video_in_which_nothing_happens(folder):
    assert len(charades.read(folder()).videos["t1"].actions) == 0


def test_a_single_table_is_read(folder):
    data = charades.read(folder() / "Charades_v1_test.csv")
    assert (list(data.videos), data.splits, len(data.classes)) == (["t1"], ("test",), 3)


def test_without_a_list_the_codes_are_the_names(folder):
    data = charades.read(folder(classes=None))
    assert data.classes == ("c001", "c002")
    assert data.videos["v1"].actions.labels.tolist() == [1, 0]


def test_classes_given_by_the_caller_are_the_labels(folder):
    data = charades.read(folder(), classes=["Waving a hand", "Pouring"])
    assert data.videos["v1"].actions.labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (line(actions="c001 1.2"), "wanted a code, a start and an end in seconds, got 'c001 1.2'"),
        (line(actions="c001 1 nan"), "wanted a code"),
        (line(actions=f"c001 1 {'9' * 400}"), "wanted finite times"),
        (line(actions="c007 1 2"), "'c007' is not among the 3 classes of Charades_v1_classes.txt"),
        (line(length="long"), "length should be a number"),
        (line(id=""), "a line without an id"),
    ],
)
def test_a_wrong_line_is_named_with_its_number(folder, wrong, message):
    path = folder(train=(line("v0"), wrong))
    with pytest.raises(FormatError, match=message) as caught:
        charades.read(path)
    assert (caught.value.file, caught.value.place) == (path / "Charades_v1_train.csv", 3)


@pytest.mark.parametrize("wrong", ["c000 Again", "c001 Holding some clothes", "Pouring", "c001"])
def test_a_wrong_line_of_the_list_is_named_with_its_number(folder, wrong):
    path = folder(classes=f"c000 Holding some clothes\n\n{wrong}\n")
    with pytest.raises(FormatError, match="wanted a new code and a new name") as caught:
        charades.read(path)
    assert (caught.value.file, caught.value.place) == (path / charades.CLASS_LIST, 3)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((line(length="0"),), "'v1' has no duration above 0 s"),
        ((line(), line()), "'v1' is annotated twice"),
    ],
)
def test_a_video_twice_or_without_length_is_refused(folder, lines, message):
    with pytest.raises(FormatError, match=message):
        charades.read(folder(train=lines))


def test_a_folder_without_tables_is_refused(tmp_path):
    with pytest.raises(FormatError, match=r"there is no Charades_v1_train\.csv and no"):
        charades.read(tmp_path)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    cut=st.floats(0, 1),
    removed=st.integers(0, 12),
    inserted=st.binary(max_size=4)
    | st.sampled_from([b"nan", b"9" * 5000, b":", b'"', b",", b"\n"]),
)
def test_damaged_files_are_read_or_refused(folder, cut, removed, inserted):
    path = folder() / "Charades_v1_train.csv"
    whole = path.read_bytes()
    place = int(cut * len(whole))
    path.write_bytes(whole[:place] + inserted + whole[place + removed :])
    try:
        data = charades.read(path)
    except FormatError:
        return
    assert len(set(data.classes)) == len(data.classes)
    for video in data.videos.values():
        assert 0 < video.duration_s < math.inf
        assert all(map(math.isfinite, video.actions.segments_s.ravel().tolist()))
