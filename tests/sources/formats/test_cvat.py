"""CVAT: runs of tags, lives of tracks, attributes, skipped frames and archives."""

import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from untrimmed.core.errors import FormatError
from untrimmed.sources.formats import cvat

EXAMPLES = Path(__file__).parents[4] / "shared/data/formats"


def images(**names):
    """Tagged images; `f7="wave"` or `f7="wave pour"` tags frame 7."""
    return "\n".join(
        f'<image id="{frame[1:]}" name="x">'
        + "".join(f'<tag label="{name}"/>' for name in some.split())
        + "</image>"
        for frame, some in names.items()
    )


def box(frame, outside=0, inner=""):
    return f'<box frame="{frame}" outside="{outside}" keyframe="1" xtl="0.0">{inner}</box>'


def track(label, *boxes):
    return f'<track id="0" label="{label}">\n{"".join(boxes)}</track>'


@pytest.fixture
def export(tmp_path):
    """A function from tags and tracks to the file that holds them."""

    def write(*parts, source="v1.mp4", filter="", stop=299, kind="task"):
        path = tmp_path / "annotations.xml"
        meta = (
            f"<name>a task</name><stop_frame>{stop}</stop_frame><source>{source}</source>"
            f"<frame_filter>{filter}</frame_filter>"
        )
        path.write_text(
            f"<annotations><meta><{kind}>{meta}</{kind}></meta>\n{''.join(parts)}</annotations>"
        )
        return path

    return write


def actions(path, id="v1", **options):
    data = cvat.read(path, **options)
    return [(start, end, data.classes[label]) for start, end, label in data.videos[id].actions]


@pytest.mark.parametrize("name", ["cvat_images_tags.xml", "cvat_video_tracks.xml"])
@pytest.mark.skipif(not EXAMPLES.exists(), reason="the shared examples are not here")
def test_the_shared_examples_are_read(name):
    assert actions(EXAMPLES / name, fps=30) == [(1.2, 3.4, "wave"), (5.1, 8.0, "pour")]
    video = cvat.read(EXAMPLES / name, fps=30).videos["v1"]
    assert (video.duration_s, video.fps) == (10.0, 30)


def test_a_run_of_tags_ends_after_its_last_frame(export):
    path = export(images(f3="wave", f4="wave pour", f5="wave", f9="wave"))
    assert actions(path, fps=10) == [(0.3, 0.6, "wave"), (0.4, 0.5, "pour"), (0.9, 1.0, "wave")]


def test_a_track_ends_where_it_is_outside(export):
    path = export(track("wave", box(36), box(60), box(102, 1), box(150), box(153, 1)))
    assert actions(path, fps=30) == [(1.2, 3.4, "wave"), (5.0, 5.1, "wave")]


def test_a_track_that_is_never_outside_lives_to_the_end_of_its_task(export):
    assert actions(export(track("wave", box(36)), stop=59), fps=30) == [(1.2, 2.0, "wave")]


def test_frames_of_a_task_that_skips_some_are_those_of_the_video(export):
    path = export(images(f10="wave", f15="wave", f25="wave"), filter="step=5")
    assert actions(path, fps=10) == [(1.0, 2.0, "wave"), (2.5, 3.0, "wave")]
    with pytest.raises(FormatError, match="such as step=5, got 'every 5'"):
        cvat.read(export(filter="every 5"), fps=10)


def test_an_attribute_may_hold_the_action_and_change(export):
    def stated(value):
        return f'<attribute name="action">{value}</attribute>'

    path = export(
        track(
            "person",
            box(0, inner=stated("wave")),
            box(5, inner=stated("wave")),
            box(10, inner=stated("__undefined__")),
            box(20, inner=stated("pour")),
            box(30, 1, inner=stated("pour")),
        )
    )
    assert actions(path, fps=10, attribute="action") == [(0, 1, "wave"), (2, 3, "pour")]
    assert actions(path, fps=10) == [(0, 3, "person")]


def test_the_rate_must_be_given_and_may_differ_by_video(export):
    path = export(track("wave", box(36), box(102, 1)))
    with pytest.raises(FormatError, match=r"annotations\.xml: .*'v1' make a second"):
        cvat.read(path)
    assert actions(path, fps={"v1": 15, "v2": 30}) == [(2.4, 6.8, "wave")]
    with pytest.raises(ValueError, match="not above 0"):
        cvat.read(path, fps=0)


def test_a_task_without_a_source_names_the_video(export):
    path = export(track("wave", box(36), box(102, 1)), source="")
    assert list(cvat.read(path, fps=30).videos) == ["a task"]


def test_durations_that_are_given_prevail(export):
    path = export(track("wave", box(36), box(102, 1)))
    assert cvat.read(path, fps=30, durations_s={"v1": 60.0}).videos["v1"].duration_s == 60.0


def test_an_archive_is_opened(export, tmp_path):
    path = export(track("wave", box(36), box(102, 1)))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(path, "annotations.xml")
    assert actions(tmp_path / "a.zip", fps=30) == [(1.2, 3.4, "wave")]
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(path, "other.xml")
    with pytest.raises(FormatError, match=r"a\.zip: the archive holds no annotations\.xml"):
        cvat.read(tmp_path / "a.zip", fps=30)


def test_a_project_is_refused(export):
    with pytest.raises(FormatError, match="exported task by task"):
        cvat.read(export(kind="project"), fps=30)


def test_a_frame_that_is_none_is_refused_by_its_line(export):
    with pytest.raises(FormatError, match=r"annotations\.xml:3: frame should be a whole number"):
        cvat.read(export(track("wave", box("3.5"))), fps=30)


many = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@many
@given(
    cut=st.floats(0, 1),
    removed=st.integers(0, 30),
    added=st.sampled_from([b"", b"<", b"9" * 5000, b"\xff"]),
    packed=st.booleans(),
)
def test_damaged_files_are_read_or_refused(export, tmp_path, cut, removed, added, packed):
    path = export(track("wave", box(36), box(102, 1)), images(f10="wave"))
    if packed:
        with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(path, "annotations.xml")
        path = tmp_path / "a.zip"
    whole = path.read_bytes()
    place = int(cut * len(whole))
    path.write_bytes(whole[:place] + added + whole[place + removed :])
    with suppress(FormatError):
        cvat.read(path, fps=30)
