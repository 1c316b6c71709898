"""ELAN: tiers, time slots, annotations that refer to others, and files not to be trusted."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from untrimmed.core.actions import Actions
from untrimmed.core.annotations import Annotations, Video
from untrimmed.core.errors import FormatError
from untrimmed.sources.formats import elan

EXAMPLE = Path(__file__).parents[4] / "shared/data/formats/elan.eaf"

HEADER = (
    '<HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">'
    '<MEDIA_DESCRIPTOR MEDIA_URL="file:///d/v1.mp4" MIME_TYPE="video/mp4"'
    ' RELATIVE_MEDIA_URL="./my%20v1.mp4"/></HEADER>'
)
SLOTS = "".join(
    f'<TIME_SLOT TIME_SLOT_ID="ts{n}" TIME_VALUE="{time}"/>'
    for n, time in enumerate((1200, 3400, 5100, 8000), 1)
)


def spanning(id, first, second, value):
    return (
        f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="{id}" TIME_SLOT_REF1="{first}"'
        f' TIME_SLOT_REF2="{second}"><ANNOTATION_VALUE>{value}</ANNOTATION_VALUE>'
        "</ALIGNABLE_ANNOTATION></ANNOTATION>"
    )


def referring(id, to, value):
    return (
        f'<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="{id}" ANNOTATION_REF="{to}">'
        f"<ANNOTATION_VALUE>{value}</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>"
    )


def tier(name, *annotations):
    return f'<TIER TIER_ID="{name}" LINGUISTIC_TYPE_REF="x">{"".join(annotations)}</TIER>'


ACTIONS = tier("action", spanning("a1", "ts1", "ts2", "wave"), spanning("a2", "ts3", "ts4", "pour"))


@pytest.fixture
def document(tmp_path):
    """A function from tiers to the file that holds them."""

    def write(*tiers, header=HEADER, slots=SLOTS, before=""):
        path = tmp_path / "recording.eaf"
        path.write_text(
            f'<?xml version="1.0"?>\n{before}<ANNOTATION_DOCUMENT>\n{header}\n'
            f"<TIME_ORDER>{slots}</TIME_ORDER>\n{''.join(tiers)}\n</ANNOTATION_DOCUMENT>"
        )
        return path

    return write


def test_milliseconds_become_seconds_and_the_media_file_names_the_video(document):
    data = elan.read(document(ACTIONS))
    assert data.classes == ("pour", "wave")
    assert list(data.videos) == ["my v1"]
    assert list(data.videos["my v1"].actions) == [(1.2, 3.4, 1), (5.1, 8.0, 0)]
    assert data.videos["my v1"].duration_s == 8.0


@pytest.mark.skipif(not EXAMPLE.exists(), reason="the shared examples are not here")
def test_the_shared_example_is_read():
    data = elan.read(EXAMPLE, classes=["wave", "pour"], durations_s={"v1": 10.0})
    assert data.videos["v1"].duration_s == 10.0
    assert list(data.videos["v1"].actions) == [(1.2, 3.4, 0), (5.1, 8.0, 1)]


def test_a_file_without_media_is_named_by_itself(document):
    assert list(elan.read(document(ACTIONS, header="")).videos) == ["recording"]


def test_a_folder_is_read_whole(document, tmp_path):
    document(ACTIONS, header="").rename(tmp_path / "v2.eaf")
    document(ACTIONS, header="").rename(tmp_path / "v1.eaf")
    (tmp_path / "v3.pfsx").write_text("settings")
    assert list(elan.read(tmp_path).videos) == ["v1", "v2"]


def test_a_tier_without_annotations_need_not_be_told_apart(document):
    assert elan.read(document(tier("notes"), ACTIONS)).classes == ("pour", "wave")


def test_of_several_tiers_one_must_be_chosen(document):
    path = document(ACTIONS, tier("mood", spanning("b1", "ts1", "ts4", "glad")))
    with pytest.raises(FormatError, match="several tiers have annotations: action, mood"):
        elan.read(path)
    assert elan.read(path, tiers=["mood"]).classes == ("glad",)
    assert elan.read(path, tiers="mood").classes == ("glad",)
    assert elan.read(path, tiers=["mood", "action"]).classes == ("glad", "pour", "wave")


def test_a_tier_that_is_not_there_is_refused(document):
    with pytest.raises(FormatError, match="no tier 'actions'; there are action"):
        elan.read(document(ACTIONS), tiers=["actions"])


def test_an_annotation_lasts_as_long_as_the_one_it_refers_to(document):
    path = document(ACTIONS, tier("kind", referring("c1", "b1", "far"), referring("b1", "a2", "x")))
    data = elan.read(path, tiers=["kind"])
    assert list(data.videos["my v1"].actions) == [(5.1, 8.0, 0), (5.1, 8.0, 1)]


def test_annotations_that_refer_to_one_another_in_a_ring_are_refused(document):
    ring = tier("kind", referring("b1", "b2", "x"), referring("b2", "b1", "y"))
    with pytest.raises(FormatError, match="no annotation 'b1' with times to refer to"):
        elan.read(document(ring))


def test_a_slot_without_a_time_is_refused_where_it_is_used(document):
    slots = SLOTS.replace(' TIME_VALUE="3400"', "")
    with pytest.raises(FormatError, match=r"recording\.eaf:5: its time slot 'ts2' has no time"):
        elan.read(document(ACTIONS, slots=slots))


def test_an_annotation_without_a_value_is_refused(document):
    with pytest.raises(FormatError, match="without a name"):
        elan.read(document(tier("action", spanning("a1", "ts1", "ts2", " "))))


def test_other_units_and_shifted_media_are_refused(document):
    with pytest.raises(FormatError, match="milliseconds, got 'PAL-frames'"):
        elan.read(document(ACTIONS, header=HEADER.replace("milliseconds", "PAL-frames")))
    shifted = HEADER.replace("MIME_TYPE", 'TIME_ORIGIN="40" MIME_TYPE')
    with pytest.raises(FormatError, match="shifted by TIME_ORIGIN='40'"):
        elan.read(document(ACTIONS, header=shifted))


@pytest.mark.parametrize(
    "declared",
    [
        '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>',
        '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>',
        '<!DOCTYPE x SYSTEM "http://localhost/x.dtd">',
    ],
)
def test_a_document_type_is_refused_and_so_is_every_entity(document, declared):
    with pytest.raises(FormatError, match=r"recording\.eaf:2: a document type"):
        elan.read(document(ACTIONS, before=declared))


def test_elements_nested_without_end_are_refused(tmp_path):
    (tmp_path / "x.eaf").write_text("<a>" * 100_000)
    with pytest.raises(FormatError, match="nested more than 100 deep"):
        elan.read(tmp_path / "x.eaf")


def test_an_unknown_encoding_and_another_tool_are_refused(tmp_path):
    (tmp_path / "x.eaf").write_text('<?xml version="1.0" encoding="x-none"?><a/>')
    with pytest.raises(FormatError):
        elan.read(tmp_path / "x.eaf")
    (tmp_path / "x.eaf").write_text("<annotations/>")
    with pytest.raises(FormatError, match="got <annotations>"):
        elan.read(tmp_path / "x.eaf")


def one_video(*rows, classes=("wave", "a & <b>")):
    actions = Actions([row[:2] for row in rows], [row[2] for row in rows])
    return Annotations(classes, {"v 1": Video(id="v 1", duration_s=9.0, actions=actions)})


milliseconds = st.tuples(st.integers(0, 9000), st.integers(1, 900)).map(
    lambda pair: (pair[0] / 1000, (pair[0] + pair[1]) / 1000)
)
rows_of_a_video = st.lists(
    st.tuples(milliseconds, st.integers(0, 1)).map(lambda row: (*row[0], row[1])), max_size=6
)
many = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@many
@given(rows=rows_of_a_video)
def test_actions_in_whole_milliseconds_come_back_from_lanes_without_overlap(tmp_path, rows):
    data = one_video(*rows)
    elan.export(data, tmp_path)
    tiers = ["action", *(f"action {n}" for n in range(2, 7))]
    read = set()
    for number in range(1, 7):
        try:
            again = elan.read(
                tmp_path, tiers=tiers[:number], classes=data.classes, durations_s={"v 1": 9.0}
            )
        except FormatError:
            break
        lane = sorted(list(again.videos["v 1"].actions)[len(read) :])
        assert all(first[1] <= second[0] for first, second in pairwise(lane))
        read = list(again.videos["v 1"].actions)
    assert sorted(read) == sorted(rows)


def test_export_names_the_media_file(tmp_path):
    elan.export(one_video((0, 1, 0)), tmp_path, media={"v 1": "../films/v 1.mkv"})
    content = (tmp_path / "v 1.eaf").read_text()
    assert 'RELATIVE_MEDIA_URL="../films/v%201.mkv"' in content
    assert list(elan.read(tmp_path).videos) == ["v 1"]


def test_what_elan_cannot_hold_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"from -1\.0 s"):
        elan.export(one_video((-1, 1, 0)), tmp_path)
    with pytest.raises(ValueError, match="length of a millisecond"):
        elan.export(one_video((1, 1.0001, 0)), tmp_path)
    with pytest.raises(ValueError, match="cannot hold the class name"):
        elan.export(one_video((0, 1, 0), classes=("a\x00b", "c")), tmp_path)
    ignored = Actions([(0, 1)], [0], [True])
    video = Video(id="v", duration_s=1.0, actions=ignored)
    with pytest.raises(ValueError, match="ignored"):
        elan.export(Annotations(("a",), {"v": video}), tmp_path)
    outside = Video(id="../v", duration_s=1.0)
    with pytest.raises(ValueError, match="no name of a file"):
        elan.export(Annotations((), {"../v": outside}), tmp_path)
    assert not list(tmp_path.iterdir())


@many
@given(
    cut=st.floats(0, 1), removed=st.integers(0, 30), added=st.sampled_from(["", "<", "9" * 5000])
)
def test_damaged_files_are_read_or_refused(document, cut, removed, added):
    path = document(ACTIONS, tier("kind", referring("b1", "a1", "x")))
    text = path.read_text()
    place = int(cut * len(text))
    path.write_text(text[:place] + added + text[place + removed :])
    for tiers in (None, ["kind"], ["action"]):
        try:
            elan.read(path, tiers=tiers)
        except FormatError:
            continue
