"""Reading frames: the right ones, in any order, from any container, at any rate and size."""

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from untrimmed.core.rate import Squeezed
from untrimmed.sources.video import open_video

FRAMES = 50
CUT = 17
QUIET = "log-level=none"
KINDS = {
    "h264 with reordered frames in mp4": ("a.mp4", {"options": {"bf": "3"}}),
    "h264 with open groups in mp4": ("b.mp4", {"options": {"x264-params": "open-gop=1"}}),
    "h264 without clean key frames in mp4": (
        "c.mp4",
        {"options": {"x264-params": "intra-refresh=1"}},
    ),
    "h264 in mkv": ("d.mkv", {}),
    "h264 in transport stream": ("e.ts", {"options": {"bf": "2"}}),
    "h264 in flv": ("f.flv", {}),
    "h264 in avi, without times": ("g.avi", {"options": {"bf": "2"}}),
    "h264 bare, without times": ("h.h264", {}),
    "hevc in mov": (
        "i.mov",
        {"codec": "libx265", "options": {"x265-params": f"open-gop=1:keyint=12:{QUIET}"}},
    ),
    "vp8 in webm": ("j.webm", {"codec": "libvpx"}),
    "vp9 in webm": ("k.webm", {"codec": "libvpx-vp9", "options": {"cpu-used": "8"}}),
    "mpeg4 in avi": ("l.avi", {"codec": "mpeg4", "options": {"bf": "2"}}),
    "mpeg2 in program stream": ("m.mpg", {"codec": "mpeg2video", "options": {"bf": "2"}}),
    "motion jpeg in avi": ("n.avi", {"codec": "mjpeg", "pixels": "yuvj420p"}),
    "at a variable rate": (
        "o.mp4",
        {"times": [n * n for n in range(FRAMES)], "tick": Fraction(1, 1000)},
    ),
}


@pytest.fixture(scope="module", params=[*KINDS, "cut by an edit list"])
def video(request, write_video, cut_at, tmp_path_factory):
    """An open video of every kind."""
    folder = tmp_path_factory.mktemp("videos")
    name, settings = KINDS.get(request.param, KINDS["h264 with reordered frames in mp4"])
    path = write_video(folder / name, frames=FRAMES, **settings)
    if request.param == "cut by an edit list":
        path = cut_at(path, folder / "cut.mp4", frame=CUT)
    with open_video(path) as opened:
        yield opened


@pytest.fixture(scope="module")
def first(video):
    """The number that its frame 0 shows."""
    return CUT if video.index.path.name == "cut.mp4" else 0


def test_every_frame_is_read_once_and_in_order(video, first, numbers_of):
    assert video.count == FRAMES - first
    shown = numbers_of(video.read(np.arange(video.count)))
    assert shown == list(range(first, FRAMES))


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_random_reading_finds_what_reading_in_order_finds(video, first, numbers_of, data):
    last = video.count - 1
    numbers = data.draw(st.lists(st.integers(0, last), min_size=1, max_size=5))
    assert numbers_of(video.read(np.array(numbers))) == [first + n for n in numbers]


def test_pixels_do_not_depend_on_what_was_read_before(video):
    whole = video.read(np.arange(video.count))
    for number in (20, 3, 32, 31, 30, 0, video.count - 1):
        np.testing.assert_array_equal(video.read(np.array([number]))[0], whole[number])


def test_another_rate_takes_the_last_frame_at_or_before_each_time(
    write_video, numbers_of, tmp_path
):
    path = write_video(tmp_path / "a.mp4", rate=28, frames=56)
    with open_video(path, fps=15) as video:
        assert video.count == 30
        shown = numbers_of(video.read(np.arange(30)))
    assert shown == [n * 28 // 15 for n in range(30)]


def test_a_higher_rate_repeats_frames(write_video, numbers_of, tmp_path):
    with open_video(write_video(tmp_path / "a.mp4", rate=10, frames=5), fps=25) as video:
        assert video.count == 13
        assert numbers_of(video.read(np.arange(13))) == [0, 0, 0, 1, 1, 2, 2, 2, 3, 3, 4, 4, 4]


@pytest.mark.parametrize("frames", [29, 30, 31, 60, 200])
def test_a_squeezed_video_has_as_many_frames_as_asked_for_or_its_own(
    write_video, numbers_of, tmp_path, frames
):
    video = open_video(
        write_video(tmp_path / "v.mp4", frames=frames, rate=25), fps=Squeezed(30), size=(32, 160)
    )
    assert video.count == min(frames, 30)
    assert video.count / video.fps == pytest.approx(frames / 25)
    step = max(1, frames / 30)
    wanted = [int(number * step + 1e-6) for number in range(video.count)]
    assert numbers_of(video.read(np.arange(video.count))) == wanted


def test_a_squeezed_video_of_few_frames_at_a_variable_rate_is_sampled_by_time(
    write_video, numbers_of, tmp_path
):
    times = [0, 1, 2, 3, 8, 9]
    video = open_video(
        write_video(tmp_path / "v.mkv", frames=6, times=times, tick=Fraction(1, 10)),
        fps=Squeezed(30),
    )
    numbers = numbers_of(video.read(np.arange(video.count)))
    seconds = np.arange(video.count) / video.fps
    assert numbers == [sum(t / 10 <= s + 1e-3 for t in times) - 1 for s in seconds]


def test_a_variable_rate_is_sampled_by_time(write_video, numbers_of, tmp_path):
    times = [0, 40, 50, 300, 310, 900]
    path = write_video(tmp_path / "a.mp4", frames=6, times=times, tick=Fraction(1, 1000))
    with open_video(path, fps=10) as video:
        assert numbers_of(video.read(np.arange(10))) == [0, 2, 2, 3, 4, 4, 4, 4, 4, 5]


def test_frames_are_those_that_begin_before_the_end(write_video, tmp_path):
    ten_seconds = write_video(tmp_path / "a.mp4", rate=30, frames=60)
    with open_video(ten_seconds, fps=15) as video:
        assert (video.count, video.fps, video.duration_s) == (30, 15, pytest.approx(2.0))
    with open_video(ten_seconds, fps=14.9) as video:
        assert video.count == 30
    with open_video(ten_seconds, fps=0.1) as video:
        assert video.count == 1


def test_repeats_and_order_are_kept(video, first, numbers_of):
    numbers = [9, 2, 9, 9, 30, 2]
    assert numbers_of(video.read(np.array(numbers))) == [first + n for n in numbers]


def test_no_numbers_give_no_frames(video):
    assert video.read(np.array([], dtype=np.int64)).shape == (0, 64, 160, 3)


@pytest.mark.parametrize("outside", [-1, FRAMES])
def test_a_number_outside_is_refused(video, outside):
    with pytest.raises(ValueError, match=f"frame {outside} of a video of"):
        video.read(np.array([0, outside]))


def test_a_fraction_of_a_frame_is_refused(video):
    with pytest.raises(ValueError, match="float64, not whole numbers"):
        video.read(np.array([0.5]))


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf")])
def test_a_rate_that_is_none_is_refused(write_video, tmp_path, fps):
    with pytest.raises(ValueError, match="frames per second"):
        open_video(write_video(tmp_path / "a.mp4", frames=2), fps=fps)


def test_frames_come_at_the_size_asked_for(write_video, numbers_of, tmp_path):
    path = write_video(tmp_path / "a.mp4", frames=20)
    for size in ((48, 120), (33, 101), (64, 160), (128, 200)):
        with open_video(path, size=size) as video:
            pixels = video.read(np.arange(20))
        assert pixels.shape == (20, *size, 3)
        assert numbers_of(pixels) == list(range(20))


def test_odd_sizes_are_read(write_video, numbers_of, tmp_path):
    path = write_video(
        tmp_path / "a.mkv", codec="ffv1", pixels="yuv444p", size=(47, 131), frames=12
    )
    with open_video(path) as video:
        assert video.size == (47, 131)
        assert numbers_of(video.read(np.arange(12))) == list(range(12))


def test_shrinking_averages_what_it_joins(write_video, tmp_path):
    def stripes(number, size):
        picture = np.zeros((*size, 3), np.uint8)
        picture[:, number % 2 :: 2] = 255
        return picture

    path = write_video(tmp_path / "a.mkv", codec="ffv1", frames=2, draw=stripes)
    with open_video(path, size=(8, 20)) as video:
        inner = video.read(np.arange(2))[:, :, 1:-1].astype(int)
    assert np.abs(inner - 127).max() <= 3


def test_colours_are_red_green_blue(write_video, tmp_path):
    def red_then_blue(number, size):
        picture = np.zeros((*size, 3), np.uint8)
        picture[..., 2 * number] = 255
        return picture

    path = write_video(tmp_path / "a.mp4", frames=2, draw=red_then_blue)
    with open_video(path) as video:
        colours = video.read(np.arange(2)).mean((1, 2))
    np.testing.assert_allclose(colours, [[255, 0, 0], [0, 0, 255]], atol=6)


CORNERS = np.array([[[250, 0, 0], [0, 250, 0]], [[0, 0, 250], [250, 250, 250]]], np.uint8)
# The directions of the stored x and y axes when shown; the stored corners as they are shown.
TURNS = {
    "a quarter clockwise": (
        (0, 1, -1, 0),
        [["lower left", "upper left"], ["lower right", "upper right"]],
    ),
    "a half": ((-1, 0, 0, -1), [["lower right", "lower left"], ["upper right", "upper left"]]),
    "a quarter back": (
        (0, -1, 1, 0),
        [["upper right", "lower right"], ["upper left", "lower left"]],
    ),
    "left to right": (
        (-1, 0, 0, 1),
        [["upper right", "upper left"], ["lower right", "lower left"]],
    ),
    "upside down": ((1, 0, 0, -1), [["lower left", "lower right"], ["upper left", "upper right"]]),
    "about the diagonal": (
        (0, 1, 1, 0),
        [["upper left", "lower left"], ["upper right", "lower right"]],
    ),
}


def _corners(_, size):
    return CORNERS.repeat(size[0] // 2, 0).repeat(size[1] // 2, 1)


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("size", [None, (40, 60)])
def test_pictures_are_turned_as_the_file_says(write_video, tmp_path, turn, size):
    (a, b, c, d), shown = TURNS[turn]
    path = write_video(tmp_path / "a.mp4", frames=2, draw=_corners, size=(64, 96))
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 44
    one = 2**16
    content[place : place + 36] = struct.pack(
        ">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 2**30
    )
    path.write_bytes(content)

    with open_video(path, size=size) as video:
        assert video.size == (size or ((96, 64) if b else (64, 96)))
        picture = video.read(np.array([1]))[0]
    height, width = picture.shape[:2]
    found = picture[height // 4 :: height // 2, width // 4 :: width // 2][:2, :2]
    rows, columns = {"upper": 0, "lower": 1}, {"left": 0, "right": 1}
    wanted = [
        [CORNERS[rows[name.split()[0]], columns[name.split()[1]]] for name in row] for row in shown
    ]
    np.testing.assert_allclose(found.astype(int), np.array(wanted, int), atol=12)


def test_several_threads_decode_the_same(video):
    with open_video(video.index.path, threads=2) as threaded:
        for numbers in (np.arange(10), np.array([30, 5, 31])):
            np.testing.assert_array_equal(threaded.read(numbers), video.read(numbers))


SHARED = Path(__file__).parents[3] / "shared" / "data"
REAL = sorted(SHARED.glob("demo_videos/*.mp4")) + sorted(SHARED.glob("ucf101*/clips/*.mp4"))[::50]


@pytest.mark.skipif(not REAL, reason="needs ../shared/data")
@pytest.mark.parametrize("path", REAL, ids=lambda path: path.name)
def test_real_videos_are_read_as_a_plain_decoder_reads_them(path):
    with av.open(str(path)) as container:
        plain = [
            frame.reformat(32, 24, "rgb24", interpolation="BILINEAR").to_ndarray()
            for frame in container.decode(video=0)
        ]
    with open_video(path, size=(24, 32)) as video:
        assert video.count == len(plain)
        for number in np.random.default_rng(0).integers(0, len(plain), 12):
            np.testing.assert_array_equal(video.read(np.array([number]))[0], plain[number])
