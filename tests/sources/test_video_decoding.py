"""What is decoded and what is spared; damaged files; other processes."""

import os
import pickle
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import PictureType

from untrimmed.core.errors import MediaError
from untrimmed.sources.video import open_video


@pytest.fixture
def write_noise(write_video):
    """A function that writes 40 frames of noise, a large file."""
    noise = np.random.default_rng(0).integers(0, 256, (40, 64, 160, 3), dtype=np.uint8)
    return lambda path, **settings: write_video(
        path, frames=40, draw=lambda number, _: noise[number], **settings
    )


def test_a_damaged_frame_names_file_and_time(write_video, overwrite, tmp_path):
    path = write_video(tmp_path / "a.mp4", options={"bf": "0"})
    overwrite(path, 18, b"\xff" * 8)
    with open_video(path) as video, pytest.raises(MediaError, match=r"at 0\.600 s") as error:
        video.read(np.arange(video.count))
    assert error.value.file == path


def test_what_is_beside_a_damaged_frame_is_still_read(write_video, overwrite, numbers_of, tmp_path):
    path = write_video(tmp_path / "a.mp4", options={"bf": "0"}, key_every=12)
    overwrite(path, 18, b"\xff" * 8)
    with open_video(path) as video:
        assert numbers_of(video.read(np.array([40, 17, 24]))) == [40, 17, 24]


@pytest.mark.parametrize(("kind", "code"), [(PictureType.P, "01"), (PictureType.B, "10")])
def test_a_frame_that_holds_no_picture_leaves_the_last_on_screen(
    write_video, overwrite, numbers_of, tmp_path, kind, code
):
    options = {"bf": "2", "b_strategy": "0"} if kind == PictureType.B else {}
    path = write_video(tmp_path / "a.mp4", codec="mpeg4", frames=28, options=options)
    with av.open(str(path)) as container:
        kinds = [frame.pict_type for frame in container.decode(video=0)]
    number = max(n for n in range(1, 22) if kinds[n - 1] == kinds[n] == kind)
    # A picture at this tick of a second's 30 that is "not coded" (ISO 14496-2, 6.2.5).
    bits = code + "0" + "1" + f"{number:05b}" + "1" + "0" + "01111"
    empty = b"\x00\x00\x01\xb6" + int(bits, 2).to_bytes(2, "big") + bytes(8)
    overwrite(path, number, empty)
    with open_video(path) as video:
        assert numbers_of(video.read(np.array([number]))) == [number - 1]
        assert numbers_of(video.read(np.array([number - 1, number]))) == [number - 1] * 2


def _bytes_read():
    """What this process has read so far."""
    return int(Path("/proc/self/io").read_text().split()[1])


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="needs Linux")
def test_what_lies_ahead_of_a_key_frame_is_not_read(write_noise, tmp_path):
    path = write_noise(tmp_path / "a.mkv", codec="ffv1")
    with open_video(path) as video:
        video.read(np.array([0]))
        before = _bytes_read()
        video.read(np.array([35]))
        assert _bytes_read() - before < 0.5 * path.stat().st_size


@pytest.mark.parametrize("name", ["a.mp4", "a.ts"])
def test_decoding_begins_at_the_key_frame_ahead(write_video, tmp_path, name):
    path = write_video(tmp_path / name, frames=60, key_every=12, options={"bf": "0"})
    with open_video(path) as video:
        video.read(np.array([52]))
        assert video.decoded == 52 - 48 + 1


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="needs Linux")
def test_reading_goes_on_where_it_ended(write_noise, tmp_path):
    path = write_noise(tmp_path / "a.h264", options={"qp": "1"})  # can be read from its start only
    with open_video(path) as video:
        video.read(np.array([0]))
        before = _bytes_read()
        for number in range(1, 40):
            video.read(np.array([number]))
        assert _bytes_read() - before < 1.5 * path.stat().st_size


def test_a_file_that_goes_away_is_an_error_of_the_file(write_video, tmp_path):
    path = write_video(tmp_path / "a.mp4")
    video = open_video(path)
    path.unlink()
    with pytest.raises(MediaError, match="no such file"):
        video.read(np.array([0]))


def test_an_open_video_can_be_sent_to_another_process(write_video, numbers_of, tmp_path):
    with open_video(write_video(tmp_path / "a.mp4"), fps=15) as video:
        video.read(np.array([3]))
        sent = pickle.loads(pickle.dumps(video))
        assert numbers_of(sent.read(np.array([20, 4]))) == [40, 8]
        sent.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_reads_without_disturbing_its_parent(write_noise, tmp_path):
    path = write_noise(tmp_path / "a.mkv", codec="ffv1")
    with open_video(path) as video:
        wanted = video.read(np.arange(40))
    rest = np.arange(5, 40)
    with open_video(path) as video:
        video.read(np.arange(5))
        child = os.fork()
        if child == 0:
            os._exit(0 if np.array_equal(video.read(rest), wanted[rest]) else 1)
        assert os.waitpid(child, 0)[1] == 0
        np.testing.assert_array_equal(video.read(rest), wanted[rest])


def test_a_closed_video_opens_again(write_video, numbers_of, tmp_path):
    video = open_video(write_video(tmp_path / "a.mp4"))
    video.read(np.array([7]))
    video.close()
    assert numbers_of(video.read(np.array([8]))) == [8]
    video.close()
