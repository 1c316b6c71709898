from pathlib import Path

import av
import numpy as np
import pytest

from untrimmed.core.errors import MediaError
from untrimmed.core.rate import Squeezed
from untrimmed.sources.pictures import Pictures, frames_of, in_order, open_pictures


def grey(count, size=(6, 8)):
    """Pictures of brightness 10 n."""
    return np.stack([np.full((*size, 3), 10 * n, np.uint8) for n in range(count)])


def write(folder, numbers, *, size=(6, 8), name="frame-{:03}.png"):
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for number in numbers:
        file = folder / name.format(number)
        picture = av.VideoFrame.from_ndarray(np.full((*size, 3), 10 * number, np.uint8), "rgb24")
        picture.save(file)
        files.append(file)
    return files


@pytest.mark.parametrize(
    ("fps", "wanted"),
    [
        (None, [0, 1, 2, 3, 4, 5]),
        (12.0, [0, 1, 2, 3, 4, 5]),
        (6.0, [0, 2, 4]),
        (24.0, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]),
        (5.0, [0, 2, 4]),
        (Squeezed(4), [0, 1, 3, 4]),
        (Squeezed(99), [0, 1, 2, 3, 4, 5]),
    ],
)
def test_a_frame_is_the_picture_on_screen_at_its_time(fps, wanted):
    frames = frames_of(grey(6), shown_fps=12.0, fps=fps)
    assert frames.duration_s == 0.5
    assert frames.count == len(wanted)
    pixels = frames.read(np.arange(frames.count))
    assert (pixels[:, 0, 0, 0] // 10).tolist() == wanted


def test_frames_come_in_the_order_asked_for_with_repeats():
    frames = frames_of(grey(6), shown_fps=12.0)
    assert (frames.read(np.array([4, 0, 4, 2]))[:, 1, 1, 1] // 10).tolist() == [4, 0, 4, 2]
    with pytest.raises(ValueError, match="frame 6 of a video of 6 frames"):
        frames.read(np.array([6]))


def test_files_hold_what_an_array_holds_at_any_size(tmp_path):
    random = np.random.default_rng(0).integers(0, 256, (3, 12, 20, 3)).astype(np.uint8)
    for number, pixels in enumerate(random):
        av.VideoFrame.from_ndarray(pixels, "rgb24").save(tmp_path / f"{number}.png")
    files = open_pictures(in_order(tmp_path.iterdir()), shown_fps=2.0, size=(5, 7))
    array = frames_of(random, shown_fps=2.0, size=(5, 7))
    assert files.read(np.arange(3)).shape == (3, 5, 7, 3)
    assert np.array_equal(files.read(np.arange(3)), array.read(np.arange(3)))
    whole = open_pictures(in_order(tmp_path.iterdir()), shown_fps=2.0)
    assert np.array_equal(whole.read(np.arange(3)), random)


def test_files_are_in_the_order_of_their_numbers(tmp_path):
    files = [tmp_path / f"take2_{number}.jpg" for number in (20, 5, 10, 15)]
    assert [file.stem for file in in_order(files).files] == [
        "take2_5",
        "take2_10",
        "take2_15",
        "take2_20",
    ]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a1", "a2", "a4", "a5"], "missing between a2.png and this one"),
        (["a1", "a01"], "has the number of a01.png"),
        (["a1", "cover"], "no number in the name"),
    ],
)
def test_pictures_that_are_no_row_are_refused(names, message):
    with pytest.raises(MediaError, match=message):
        in_order(Path(f"{name}.png") for name in names)


def test_pictures_of_another_size_or_damaged_are_refused(tmp_path):
    files = write(tmp_path, [0, 1]) + write(tmp_path, [2], size=(6, 10))
    frames = open_pictures(in_order(files), shown_fps=1.0)
    with pytest.raises(MediaError, match="picture 2 has 6 x 10 pixels, the first 6 x 8"):
        frames.read(np.array([2]))
    files[1].write_bytes(b"no picture")
    with pytest.raises(MediaError, match="cannot be decoded"):
        frames.read(np.array([1]))
    with pytest.raises(MediaError, match="no such file"):
        open_pictures(Pictures((tmp_path / "9.png",)), shown_fps=1.0)


def test_a_rate_must_be_one():
    with pytest.raises(ValueError, match="a rate of 0"):
        frames_of(grey(2), shown_fps=0)
    with pytest.raises(ValueError, match="without pictures"):
        frames_of(grey(1)[:0], shown_fps=1.0)
