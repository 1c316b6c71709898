"""The tables of EPIC-Kitchens-100: verbs, nouns, actions, and what lies beside."""

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from untrimmed.core.errors import FormatError
from untrimmed.sources.formats import epic_kitchens

HEADER = (
    "narration_id,participant_id,video_id,narration_timestamp,start_timestamp,stop_timestamp,"
    "start_frame,stop_frame,narration,verb,verb_class,noun,noun_class,all_nouns,all_noun_classes"
)
WAVE = (
    "P01_1_0,P01,P01_1,00:00:01.100,00:00:01.20,00:01:03.40,1,9,wave hand,wave-at,2,hand,1,"
    "\"['hand', 'pot']\",\"[1, 0]\""
)
POUR = "P01_1_1,P01,P01_1,00:00:05.000,01:00:05.10,01:00:08.00,1,9,pour,pour,0,milk,2,['milk'],[2]"
WIPE = "P02_1_0,P02,P02_1,00:00:00.000,00:00:00.00,00:00:02.00,1,9,wipe,wipe,0,pot,0,['pot'],[0]"

VERBS = "id,key,instances,category\n0,pour,\"['pour', 'add']\",fill\n1,cut,[],cut\n2,wave,[],move\n"
NOUNS = '"id","key"\n0,"pot"\n1,"hand:left"\n2,"milk"\n3,"tap"\n'
INFO = "video_id,duration,fps,resolution\nP01_1,4000.5,59.94,1920x1080\n"


@pytest.fixture
def folder(tmp_path):
    """A function from the lines of both tables and from other files to their folder."""

    def write(train=(WAVE, POUR), validation=(WIPE,), **others):
        tables = {"EPIC_100_train.csv": train, "EPIC_100_validation.csv": validation}
        for name, lines in tables.items():
            (tmp_path / name).write_text("\n".join([HEADER, *lines]))
        for name, text in others.items():
            (tmp_path / f"EPIC_100_{name}.csv").write_text(text)
        return tmp_path

    return write


def test_both_tables_of_a_folder_are_read_as_splits(folder):
    data = epic_kitchens.read(folder())
    assert list(data.split("train").videos) == ["P01_1"]
    assert list(data.split("validation").videos) == ["P02_1"]


def test_times_are_those_of_the_timestamps(folder):
    data = epic_kitchens.read(folder())
    assert data.videos["P01_1"].actions.segments_s.tolist() == [[1.2, 63.4], [3605.1, 3608.0]]


@pytest.mark.parametrize(
    ("label", "classes", "labels"),
    [
        ("verb", ("pour", "cut", "wave"), [2, 0]),
        ("noun", ("pot", "hand:left", "milk", "tap"), [1, 2]),
        ("action", ("pour pot", "pour milk", "wave hand:left"), [2, 1]),
    ],
)
def test_an_action_is_of_its_verb_its_noun_or_both(folder, label, classes, labels):
    path = folder(verb_classes=VERBS, noun_classes=NOUNS)
    data = epic_kitchens.read(path, label=label)
    assert data.classes == classes
    assert data.videos["P01_1"].actions.labels.tolist() == labels


def test_the_second_list_of_nouns_serves_if_the_first_is_not_there(folder):
    path = folder(noun_classes_v2=NOUNS)
    assert epic_kitchens.read(path, label="noun").classes == ("pot", "hand:left", "milk", "tap")


@pytest.mark.parametrize(
    ("label", "classes"), [("verb", ("0", "1", "2")), ("action", ("0 0", "0 2", "2 1"))]
)
def test_without_lists_the_numbers_are_the_names(folder, label, classes):
    assert epic_kitchens.read(folder(), label=label).classes == classes


def test_names_given_by_the_caller_are_by_number(folder):
    data = epic_kitchens.read(folder(verb_classes=VERBS), classes=["a", "b", "c", "d"])
    assert data.classes == ("a", "b", "c", "d")
    assert data.videos["P01_1"].actions.labels.tolist() == [2, 0]


def test_actions_given_by_the_caller_are_by_label(folder):
    path = folder(verb_classes=VERBS, noun_classes=NOUNS)
    classes = ["wave hand:left", "pour milk", "pour pot"]
    data = epic_kitchens.read(path, label="action", classes=classes)
    assert data.videos["P01_1"].actions.labels.tolist() == [0, 1]


def test_durations_and_rates_come_from_the_table_beside(folder):
    video = epic_kitchens.read(folder(video_info=INFO) / "EPIC_100_train.csv").videos["P01_1"]
    assert (video.duration_s, video.fps, video.split) == (4000.5, 59.94, "train")


def test_other_durations_come_from_the_caller_or_the_last_end(folder):
    path = folder(video_info=INFO)
    videos = epic_kitchens.read(path, durations_s={"P01_1": 9.0, "P02_1": 7.0}).videos
    assert [video.duration_s for video in videos.values()] == [4000.5, 7.0]
    assert epic_kitchens.read(path).videos["P02_1"].duration_s == 2.0


def test_a_table_of_another_name_is_of_no_split(folder):
    table = (folder() / "EPIC_100_train.csv").rename(folder() / "mine.csv")
    assert epic_kitchens.read(table).splits == ("",)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (WAVE.replace("00:01:03.40", "soon"), "stop_timestamp should be seconds"),
        (WAVE.replace(",2,hand", ",wave,hand"), "verb_class should be the number of a class"),
        (WAVE.replace(",2,hand", ",20000000,hand"), "verb_class should be the number of a class"),
        (WAVE.replace(",2,hand", ",3,hand"), "the verb 3 is none of the 3 that have a name"),
        (WAVE.replace("P01,P01_1", "P01,"), "a line without a video_id"),
        ("P01,P01_1", "wanted 15 cells"),
    ],
)
def test_a_wrong_line_is_named_with_its_number(folder, wrong, message):
    path = folder(train=(POUR, wrong), verb_classes=VERBS)
    with pytest.raises(FormatError, match=message) as caught:
        epic_kitchens.read(path)
    assert (caught.value.file.name, caught.value.place) == ("EPIC_100_train.csv", 3)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("verb_classes", "id,key\n1,pour\n", "wanted the id 0 with a key of its own"),
        ("verb_classes", "id,key\n0,\n", "wanted the id 0 with a key of its own"),
        ("verb_classes", "id,name\n", "wanted a first line with key"),
        ("video_info", "video_id,duration,fps\nP01_1,0,25\n", "a duration and a frame rate above"),
        ("video_info", "video_id,duration,fps\nP01_1,9,nan\n", "fps should be a number"),
    ],
)
def test_a_wrong_table_beside_is_named(folder, name, text, message):
    with pytest.raises(FormatError, match=message) as caught:
        epic_kitchens.read(folder(**{name: text}))
    assert caught.value.file.name == f"EPIC_100_{name}.csv"


def test_a_video_of_both_tables_is_refused(folder):
    with pytest.raises(FormatError, match="'P01_1' is annotated twice"):
        epic_kitchens.read(folder(validation=(POUR,)))


def test_the_times_of_the_test_split_are_no_annotations(folder):
    path = folder() / "EPIC_100_test_timestamps.csv"
    path.write_text("narration_id,participant_id,video_id,start_timestamp,stop_timestamp\n")
    with pytest.raises(FormatError, match="wanted a first line with verb_class"):
        epic_kitchens.read(path)


def test_a_folder_without_tables_is_refused(tmp_path):
    with pytest.raises(FormatError, match=r"there is no EPIC_100_train\.csv and no"):
        epic_kitchens.read(tmp_path)


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
    path = folder(verb_classes=VERBS, video_info=INFO) / "EPIC_100_train.csv"
    whole = path.read_bytes()
    place = int(cut * len(whole))
    path.write_bytes(whole[:place] + inserted + whole[place + removed :])
    try:
        data = epic_kitchens.read(path)
    except FormatError:
        return
    assert len(set(data.classes)) == len(data.classes)
    for video in data.videos.values():
        assert 0 < video.duration_s < math.inf
        assert all(map(math.isfinite, video.actions.segments_s.ravel().tolist()))
