"""Prepared copies: the same frames under the same numbers, small, and whole or not at all."""

from fractions import Fraction

import av
import numpy as np
import pytest

import untrimmed.sources.prepare
from untrimmed.core.errors import ConfigError, MediaError
from untrimmed.sources.frames import open_frames
from untrimmed.sources.prepare import prepare
from untrimmed.sources.video import open_video

SIZE = (32, 80)


@pytest.fixture
def original(write_video, tmp_path):
    return write_video(tmp_path / "original.mp4", rate=28, frames=56, options={"bf": "2"})


def test_stored_frames_are_those_of_the_original(original, tmp_path):
    copy = tmp_path / "copy"
    prepare(original, copy, fps=15, size=SIZE, kind="frames")
    with open_video(original, fps=15, size=SIZE) as video, open_frames(copy) as frames:
        assert (frames.fps, frames.count, frames.duration_s, frames.size) == (
            *(15, video.count, video.duration_s, SIZE),
        )
        numbers = np.arange(video.count)
        np.testing.assert_array_equal(frames.read(numbers), video.read(numbers))


@pytest.mark.parametrize("fps", [15, 10, 30000 / 1001, 12.34, 56])
def test_an_mp4_copy_shows_the_same_frames_under_the_same_numbers(
    original, numbers_of, tmp_path, fps
):
    copy = tmp_path / "copy.mp4"
    prepare(original, copy, fps=fps, size=SIZE, kind="mp4")
    with (
        open_video(original, fps=fps, size=SIZE) as video,
        open_video(copy, fps=fps, size=SIZE) as copied,
    ):
        assert copied.count == video.count
        wanted, found = (opened.read(np.arange(video.count)) for opened in (video, copied))
    assert numbers_of(found) == numbers_of(wanted)
    assert np.abs(found.astype(int) - wanted).mean() < 6


def test_colours_survive_an_mp4_copy(write_video, tmp_path):
    colours = np.array([[200, 40, 40], [40, 200, 40], [40, 40, 200], [128, 128, 128]])

    def plain(number, size):
        return np.broadcast_to(colours[number].astype(np.uint8), (*size, 3)).copy()

    source = write_video(tmp_path / "a.mp4", frames=4, draw=plain)
    prepare(source, tmp_path / "b.mp4", fps=30, size=SIZE, kind="mp4")
    with open_video(tmp_path / "b.mp4") as copied:
        np.testing.assert_allclose(copied.read(np.arange(4)).mean((1, 2)), colours, atol=5)


def test_an_mp4_copy_has_its_key_frames_where_they_were_asked_for(original, tmp_path):
    prepare(original, tmp_path / "b.mp4", fps=28, size=SIZE, kind="mp4", key_every=5)
    with open_video(tmp_path / "b.mp4") as copied:
        assert list(copied.index.keys) == list(range(0, 56, 5))


def test_an_mp4_copy_refers_to_earlier_frames_only(original, tmp_path):
    prepare(original, tmp_path / "b.mp4", fps=28, size=SIZE, kind="mp4")
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert all(packet.pts == packet.dts for packet in container.demux(video=0))


def test_an_mp4_copy_begins_with_its_table(original, tmp_path):
    prepare(original, tmp_path / "b.mp4", fps=28, size=SIZE, kind="mp4")
    content = (tmp_path / "b.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_a_variable_rate_becomes_constant(write_video, numbers_of, tmp_path):
    times = [0, 40, 50, 300, 310, 900]
    source = write_video(tmp_path / "a.mp4", frames=6, times=times, tick=Fraction(1, 1000))
    prepare(source, tmp_path / "b.mp4", fps=10, size=SIZE, kind="mp4")
    with open_video(tmp_path / "b.mp4") as copied:
        assert copied.index.steady
        assert numbers_of(copied.read(np.arange(10))) == [0, 2, 2, 3, 4, 4, 4, 4, 4, 5]


@pytest.mark.parametrize("kind", ["mp4", "frames"])
def test_copies_do_not_depend_on_how_much_is_held_at_a_time(original, tmp_path, kind, monkeypatch):
    prepare(original, tmp_path / "whole", fps=15, size=SIZE, kind=kind)
    monkeypatch.setattr(untrimmed.sources.prepare, "_BATCH_BYTES", 1)
    prepare(original, tmp_path / "parts", fps=15, size=SIZE, kind=kind)
    assert (tmp_path / "parts").read_bytes() == (tmp_path / "whole").read_bytes()


def test_an_mp4_copy_is_written_without_what_makes_x264_differ_from_run_to_run(original, tmp_path):
    prepare(original, tmp_path / "b.mp4", fps=15, size=SIZE, kind="mp4")
    assert b"mbtree=0" in (tmp_path / "b.mp4").read_bytes()  # x264 writes its settings


@pytest.mark.parametrize("kind", ["mp4", "frames"])
def test_a_video_that_breaks_off_leaves_no_copy(write_video, overwrite, tmp_path, kind):
    path = write_video(tmp_path / "a.mp4", options={"bf": "0"})
    overwrite(path, 50, b"\xff" * 8)
    with pytest.raises(MediaError, match="cannot be decoded"):
        prepare(path, tmp_path / "b", fps=30, size=SIZE, kind=kind)
    assert list(tmp_path.iterdir()) == [path]


def test_a_copy_does_not_replace_its_original(original):
    content = original.read_bytes()
    with pytest.raises(ConfigError, match="would replace it"):
        prepare(original, original, fps=15, size=SIZE, kind="frames")
    assert original.read_bytes() == content


@pytest.mark.parametrize("size", [(31, 80), (32, 81)])
def test_an_mp4_of_odd_size_is_refused(original, tmp_path, size):
    with pytest.raises(ConfigError, match=f"not {size[0]} x {size[1]}"):
        prepare(original, tmp_path / "b.mp4", fps=15, size=size, kind="mp4")


def test_frames_of_odd_size_are_stored(original, tmp_path):
    prepare(original, tmp_path / "b", fps=15, size=(31, 81), kind="frames")
    assert open_frames(tmp_path / "b").size == (31, 81)


def test_key_frames_lie_at_least_one_frame_apart(original, tmp_path):
    with pytest.raises(ConfigError, match="key_every"):
        prepare(original, tmp_path / "b.mp4", fps=15, size=SIZE, kind="mp4", key_every=0)


def test_what_is_no_video_is_not_prepared(tmp_path):
    with pytest.raises(MediaError, match="no such file"):
        prepare(tmp_path / "none.mp4", tmp_path / "b.mp4", fps=15, size=SIZE, kind="mp4")


def test_an_unknown_kind_of_copy_is_refused(original, tmp_path):
    with pytest.raises(ConfigError, match="not `mkv`"):
        prepare(original, tmp_path / "b.mkv", fps=15, size=SIZE, kind="mkv")


def test_the_smallest_mp4_is_written(original, tmp_path):
    prepare(original, tmp_path / "b.mp4", fps=15, size=(2, 2), kind="mp4")
    with open_video(tmp_path / "b.mp4") as copied:
        assert (copied.count, copied.size) == (30, (2, 2))
