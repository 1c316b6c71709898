"""Stored frames: what is written is read, and nothing else is taken for it."""

import json
import pickle

import numpy as np
import pytest
from safetensors.numpy import load_file

from untrimmed.core.errors import MediaError
from untrimmed.sources.frames import fingerprint, open_frames, write_frames

N, H, W = 7, 5, 4
PIXELS = np.random.default_rng(0).integers(0, 256, (N, H, W, 3), dtype=np.uint8)


@pytest.fixture
def original(tmp_path):
    path = tmp_path / "original.mp4"
    path.write_bytes(b"any bytes")
    return path


@pytest.fixture
def stored(original, tmp_path):
    path = tmp_path / "a.safetensors"
    write_frames(
        path,
        iter([PIXELS[:3], PIXELS[3:]]),
        count=N,
        size=(H, W),
        fps=29.97,
        duration_s=0.2336,
        source=original,
    )
    return path


def test_frames_are_read_as_they_were_written(stored):
    with open_frames(stored) as frames:
        np.testing.assert_array_equal(frames.read(np.arange(N)), PIXELS)


def test_numbers_come_in_any_order_and_repeat(stored):
    with open_frames(stored) as frames:
        np.testing.assert_array_equal(frames.read(np.array([6, 0, 6])), PIXELS[[6, 0, 6]])


def test_what_is_known_of_the_frames_is_kept(stored):
    frames = open_frames(stored)
    assert (frames.fps, frames.count, frames.duration_s, frames.size) == (29.97, N, 0.2336, (H, W))


def test_what_is_read_may_be_changed_without_changing_the_file(stored):
    with open_frames(stored) as frames:
        frames.read(np.array([2]))[:] = 0
        np.testing.assert_array_equal(frames.read(np.array([2])), PIXELS[[2]])


def test_other_programs_read_the_file(stored):
    np.testing.assert_array_equal(load_file(stored)["frames"], PIXELS)


@pytest.mark.parametrize("outside", [-1, N])
def test_a_number_outside_is_refused(stored, outside):
    with pytest.raises(ValueError, match=f"frame {outside} of a video of {N} frames"):
        open_frames(stored).read(np.array([outside]))


def test_frames_of_another_rate_are_refused(stored):
    with pytest.raises(MediaError, match=r"29\.97 frames per second, wanted are 15.*prepare"):
        open_frames(stored, fps=15)


def test_frames_of_another_size_are_refused(stored):
    with pytest.raises(MediaError, match=r"\(5, 4\) pixels, wanted are \(4, 5\)"):
        open_frames(stored, size=(4, 5))


def test_what_is_asked_for_is_opened(stored, original):
    assert open_frames(stored, fps=29.97, size=(H, W), source=original).count == N


def test_a_copy_of_what_has_changed_is_refused(stored, original):
    original.write_bytes(b"any other")
    with pytest.raises(MediaError, match=r"no copy of .*original\.mp4"):
        open_frames(stored, source=original)


def test_a_fingerprint_sees_both_ends_and_the_length(tmp_path):
    path = tmp_path / "a"
    seen = set()
    for content in (b"a" * 3 * 2**20, b"b" + b"a" * (3 * 2**20 - 1), b"a" * (3 * 2**20 - 1) + b"b"):
        path.write_bytes(content)
        seen.add(fingerprint(path))
    path.write_bytes(b"a" * (3 * 2**20 + 1))
    assert len(seen | {fingerprint(path)}) == 4


def test_open_frames_can_be_sent_to_another_process(stored):
    with open_frames(stored) as frames:
        frames.read(np.array([0]))
        sent = pickle.dumps(frames)
    assert len(sent) < 2000
    np.testing.assert_array_equal(pickle.loads(sent).read(np.array([5])), PIXELS[[5]])


@pytest.mark.parametrize("count", [N - 1, N + 1])
def test_a_wrong_number_of_frames_is_not_written(original, tmp_path, count):
    path = tmp_path / "b.safetensors"
    with pytest.raises(ValueError, match=f"{N} frames came, {count} were announced"):
        write_frames(path, [PIXELS], count=count, size=(H, W), fps=1, duration_s=7, source=original)
    assert list(tmp_path.iterdir()) == [original]


def test_a_file_cut_off_is_refused(stored):
    stored.write_bytes(stored.read_bytes()[:-1])
    with pytest.raises(MediaError, match="cut off"):
        open_frames(stored)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(MediaError, match="no such file"):
        open_frames(tmp_path / "none")


def _safetensors(header, content=b""):
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text",
        b"\xff" * 99,
        _safetensors([]),
        _safetensors({"features": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}),
        _safetensors(
            {
                "__metadata__": {"fps": "1", "duration_s": "1", "source": ""},
                "frames": {"dtype": "F16", "shape": [1, 1, 1, 3], "data_offsets": [0, 6]},
            },
            bytes(6),
        ),
    ],
)
def test_what_is_no_file_of_frames_is_refused(tmp_path, content):
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(MediaError, match="no file of stored frames"):
        open_frames(path)
