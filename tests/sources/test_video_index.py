"""Index of a video: what is shown, when, for how long, and what is no video."""

import wave
from fractions import Fraction

import av
import numpy as np
import pytest
from av.stream import Disposition

from untrimmed.core.errors import MediaError
from untrimmed.sources.video_index import index

REORDERED = {"bf": "2"}


def times_s(found):
    return found.times_s(np.arange(len(found)))


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "libx264"),
        ("a.mov", "libx265"),
        ("a.mkv", "libx264"),
        ("a.webm", "libvpx-vp9"),
        ("a.webm", "libvpx"),
        ("a.avi", "mpeg4"),
        ("a.ts", "libx264"),
        ("a.mpg", "mpeg2video"),
        ("a.flv", "libx264"),
        ("a.wmv", "msmpeg4v2"),
    ],
)
def test_frame_n_of_a_steady_video_is_shown_at_n_over_its_rate(write_video, tmp_path, name, codec):
    options = {"bf": "0" if codec == "msmpeg4v2" else "2"}
    if codec == "libx265":
        options["x265-params"] = "log-level=none"
    found = index(write_video(tmp_path / name, codec=codec, rate=25, frames=33, options=options))
    np.testing.assert_allclose(times_s(found), np.arange(33) / 25, atol=1e-3)
    assert found.steady
    assert found.timed


def test_a_video_lasts_until_its_last_frame_has_been_shown(write_video, tmp_path):
    found = index(write_video(tmp_path / "a.mp4", rate=25, frames=33, options=REORDERED))
    assert found.duration_s == pytest.approx(33 / 25)


def test_the_average_rate_is_that_of_the_frames(write_video, tmp_path):
    found = index(write_video(tmp_path / "a.mkv", rate=Fraction(30000, 1001), frames=31))
    assert found.fps == pytest.approx(30000 / 1001, abs=0.02)


def test_times_of_a_variable_rate_are_those_written(write_video, tmp_path):
    times = [0, 40, 50, 300, 310, 900]
    path = write_video(
        tmp_path / "a.mp4", frames=6, times=times, tick=Fraction(1, 1000), options=REORDERED
    )
    found = index(path)
    np.testing.assert_allclose(times_s(found), np.array(times) / 1000, atol=1e-6)
    assert not found.steady


def test_times_count_from_the_first_frame_shown(write_video, copy_packets, tmp_path):
    def later(packet):
        packet.pts += int(7 / packet.time_base)
        packet.dts += int(7 / packet.time_base)

    source = write_video(tmp_path / "a.mp4", frames=10)
    found = index(copy_packets(source, tmp_path / "b.mkv", change=later))
    assert found.first_pts == 7000
    assert times_s(found)[0] == 0.0
    assert found.duration_s == pytest.approx(10 / 30, abs=2e-3)


def test_frames_outside_the_edit_list_are_left_out(write_video, cut_at, tmp_path):
    source = write_video(tmp_path / "a.mp4", frames=60, options=REORDERED)
    cut = cut_at(source, tmp_path / "b.mp4", frame=31)
    with av.open(str(cut)) as container:
        stated = container.streams.video[0].frames
    assert len(index(cut)) == 29 < stated


def test_frames_ahead_of_the_first_key_frame_are_left_out(write_video, copy_packets, tmp_path):
    source = write_video(tmp_path / "a.ts", frames=40, key_every=12)
    tail = copy_packets(source, tmp_path / "b.ts", start=5)
    assert len(index(tail)) == 40 - 12


def test_key_frames_are_marked_where_they_are_shown(write_video, tmp_path):
    found = index(write_video(tmp_path / "a.mp4", key_every=12, frames=40, options=REORDERED))
    assert list(found.keys) == [0, 12, 24, 36]


def test_key_frames_begin_where_their_packets_do(write_video, tmp_path):
    path = write_video(tmp_path / "a.ts", key_every=12, frames=40, options=REORDERED)
    with av.open(str(path)) as container:
        begins = [packet.pos for packet in container.demux(video=0) if packet.is_keyframe]
    assert list(index(path).offsets) == begins
    assert len(begins) == 4


def test_without_times_frames_follow_at_the_stated_rate(write_video, tmp_path):
    found = index(write_video(tmp_path / "a.h264", rate=20, frames=30))
    assert not found.timed
    np.testing.assert_allclose(times_s(found), np.arange(30) / 20)
    assert found.duration_s == pytest.approx(1.5)


def test_times_that_are_all_the_same_are_none(write_video, copy_packets, tmp_path):
    def still(packet):
        packet.pts = packet.dts = 0

    source = write_video(tmp_path / "a.mp4", frames=30, rate=20, options={"bf": "0"})
    found = index(copy_packets(source, tmp_path / "b.mp4", change=still))
    assert not found.timed
    assert len(found) == 30
    assert found.fps == pytest.approx(20)


def test_recordings_joined_byte_by_byte_have_no_times(write_video, tmp_path):
    one = write_video(tmp_path / "a.ts", frames=20)
    (tmp_path / "b.ts").write_bytes(one.read_bytes() * 2)
    found = index(tmp_path / "b.ts")
    assert not found.timed
    assert len(found) == 40


def test_an_avi_with_reordered_frames_has_no_times(write_video, tmp_path):
    assert not index(write_video(tmp_path / "a.avi", options=REORDERED)).timed


def test_a_file_cut_off_holds_what_is_left(write_video, copy_packets, tmp_path):
    source = write_video(tmp_path / "a.mp4", frames=60, options={"bf": "0"})
    whole = copy_packets(source, tmp_path / "b.mp4", movflags="+faststart")
    cut = tmp_path / "c.mp4"
    cut.write_bytes(whole.read_bytes()[:-1000])
    found = index(cut)
    assert 30 < len(found) < 60
    assert found.declared_s == pytest.approx(2.0, abs=0.01)
    assert found.duration_s == pytest.approx(len(found) / 30)


def test_what_is_on_screen_is_the_last_frame_at_or_before(write_video, tmp_path):
    path = write_video(tmp_path / "a.mp4", frames=4, times=[0, 40, 50, 300], tick=Fraction(1, 1000))
    assert index(path).at([0.0, 0.039, 0.04, 0.049, 0.05, 0.299, 0.3, 9.0]).tolist() == [
        *[0, 0, 1, 1, 2, 2, 3, 3]
    ]


def test_times_rounded_to_milliseconds_choose_the_same_frames(write_video, tmp_path):
    wanted = np.arange(60) / 30
    for name in ("a.mp4", "a.mkv", "a.flv", "a.ts"):
        found = index(write_video(tmp_path / name, frames=60, rate=30))
        assert found.at(wanted).tolist() == list(range(60)), name


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.mp4", None, "no such file"),
        ("empty.mp4", b"", "empty"),
        ("text.mp4", b"not a video\n" * 99, "not a media file"),
        ("text.txt", b"not a video\n" * 99, "a text, not a video"),
        ("text.srt", b"1\n00:00:01,000 --> 00:00:02,000\nhello\n", "no video, only subtitle"),
    ],
)
def test_what_is_no_video_is_refused(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(MediaError, match=message) as error:
        index(path)
    assert error.value.file == path


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(MediaError, match="folder"):
        index(tmp_path)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "misnamed.mp4"])
def test_a_picture_is_refused(tmp_path, name):
    drawn = tmp_path / ("drawn.png" if name == "misnamed.mp4" else name)
    av.VideoFrame.from_ndarray(np.full((8, 16, 3), 77, np.uint8), format="rgb24").save(str(drawn))
    with pytest.raises(MediaError, match="a picture, not a video"):
        index(drawn.rename(tmp_path / name))


def test_sound_alone_is_refused(tmp_path):
    with wave.open(str(tmp_path / "a.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(8000))
    with pytest.raises(MediaError, match="no video, only audio"):
        index(tmp_path / "a.wav")


def test_the_cover_of_an_album_is_no_video(tmp_path):
    path = tmp_path / "a.m4a"
    with av.open(str(path), "w", format="mp4") as container:
        sound = container.add_stream("aac", rate=8000, layout="mono")
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 16, 8, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        container.mux(cover.encode(av.VideoFrame(16, 8, "yuvj420p")))
        container.mux(cover.encode())
        silence = av.AudioFrame.from_ndarray(
            np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
        )
        silence.sample_rate, silence.pts = 8000, 0
        container.mux(sound.encode(silence))
        container.mux(sound.encode())
    with pytest.raises(MediaError, match="no video, only audio"):
        index(path)


def test_an_mp4_without_its_table_is_said_to_be_cut_off(write_video, tmp_path):
    whole = write_video(tmp_path / "a.mp4").read_bytes()
    cut = tmp_path / "b.mp4"
    cut.write_bytes(whole[: whole.index(b"moov") - 100])
    with pytest.raises(MediaError, match=r"cut off.*moov"):
        index(cut)


def test_a_video_that_cannot_be_decoded_is_refused(write_video, tmp_path):
    path = write_video(tmp_path / "a.mp4", frames=5)
    content = bytearray(path.read_bytes())
    first = content.index(b"mdat") + 4
    content[first : content.index(b"moov") - 4] = bytes(content.index(b"moov") - 4 - first)
    path.write_bytes(content)
    with pytest.raises(MediaError, match=r"nothing of its video \(h264\) can be"):
        index(path)
