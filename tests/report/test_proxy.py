import struct

import av
import numpy as np
import pytest

from untrimmed.core.errors import MediaError
from untrimmed.report.proxy import LONGEST_SIDE, duration_s, played_as, write_proxy


def pictures(path):
    """Times and pixels (F, H, W, 3) of a video."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        return [frame.time for frame in frames], np.stack(
            [frame.to_ndarray(format="rgb24") for frame in frames]
        )


@pytest.mark.parametrize(
    ("name", "codec", "kind"),
    [
        ("a.mp4", "libx264", "video/mp4"),
        ("a.webm", "libvpx-vp9", "video/webm"),
        ("a.mp4", "mpeg4", None),
        ("a.avi", "mpeg4", None),
        ("a.mkv", "libx264", None),
        ("a.ts", "libx264", None),
    ],
)
def test_what_browsers_play_is_known(tmp_path, make_video, name, codec, kind):
    assert played_as(make_video(tmp_path / name, codec=codec, seconds=0.4)) == kind


def test_ten_bits_per_colour_do_not_play_everywhere(tmp_path, make_video):
    path = make_video(tmp_path / "a.mp4", seconds=0.4, pixel_format="yuv420p10le")
    assert played_as(path) is None


@pytest.mark.parametrize(("name", "codec"), [("a.avi", "mpeg4"), ("a.ts", "libx264")])
def test_a_copy_plays_and_shows_the_same_at_the_same_time(tmp_path, make_video, name, codec):
    source, copy = make_video(tmp_path / name, codec=codec, seconds=1.0), tmp_path / "copy.mp4"
    write_proxy(source, copy)
    assert played_as(copy) == "video/mp4"
    times, pixels = pictures(copy)
    assert times == pytest.approx([number / 25 for number in range(25)], abs=1e-3)
    expected = 20 + 2 * np.arange(25)
    np.testing.assert_allclose(pixels.mean(axis=(1, 2, 3)), expected, atol=4)


def test_a_copy_is_small_and_keeps_its_shape(tmp_path, make_video):
    source = make_video(tmp_path / "a.mkv", seconds=0.2, size=(1280, 720))
    write_proxy(source, tmp_path / "copy.mp4")
    assert pictures(tmp_path / "copy.mp4")[1].shape[1:3] == (LONGEST_SIDE * 9 // 16, LONGEST_SIDE)


def test_the_index_of_a_copy_lies_in_front(tmp_path, make_video):
    write_proxy(make_video(tmp_path / "a.avi", codec="mpeg4", seconds=0.4), tmp_path / "copy.mp4")
    content = (tmp_path / "copy.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_a_copy_is_upright(tmp_path):
    """The header asks for a quarter turn clockwise: what is stored at the left is shown on top."""
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        pixels = np.zeros((64, 96, 3), np.uint8)
        pixels[:, :48] = 200
        for _ in range(5):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 4 + 40
    one = 1 << 16
    content[matrix : matrix + 36] = struct.pack(">9i", 0, one, 0, -one, 0, 0, 0, 0, 1 << 30)
    path.write_bytes(content)

    write_proxy(path, tmp_path / "copy.mp4")
    picture = pictures(tmp_path / "copy.mp4")[1][0]
    assert picture.shape[:2] == (96, 64)
    assert picture[:40].mean() > 180
    assert picture[56:].mean() < 20


def test_a_limit_on_the_rate_holds(tmp_path):
    """Noise takes all it is given."""
    path, random = tmp_path / "noise.avi", np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.bit_rate = 8_000_000
        for _ in range(100):
            pixels = random.integers(0, 256, (64, 96, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    write_proxy(path, tmp_path / "free.mp4")
    write_proxy(path, tmp_path / "held.mp4", bits_per_s=200_000)
    free, held = ((tmp_path / name).stat().st_size for name in ("free.mp4", "held.mp4"))
    assert held < 200_000 / 8 * 5 < free


def test_a_length_is_read_from_the_file(tmp_path, make_video):
    assert duration_s(make_video(tmp_path / "a.mp4", seconds=1.6)) == pytest.approx(1.6)


@pytest.mark.parametrize("act", [played_as, duration_s])
def test_what_is_no_video_is_refused(tmp_path, act):
    (tmp_path / "a.mp4").write_bytes(b"no video")
    with pytest.raises(MediaError, match="cannot be opened as a video"):
        act(tmp_path / "a.mp4")


def test_a_file_of_sound_alone_is_refused(tmp_path):
    with av.open(str(tmp_path / "a.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(MediaError, match="holds no video"):
        played_as(tmp_path / "a.wav")


def test_a_failed_copy_leaves_no_file(tmp_path, make_video):
    whole = make_video(tmp_path / "a.mp4", seconds=1.0).read_bytes()
    broken = tmp_path / "b.mp4"
    start = whole.index(b"mdat") + 4
    broken.write_bytes(whole[:start] + bytes(len(whole) - start))
    with pytest.raises(MediaError):
        write_proxy(broken, tmp_path / "copy.mp4")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "b.mp4"]
