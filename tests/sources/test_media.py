import pickle

import numpy as np
import pytest

from untrimmed.core.errors import MediaError
from untrimmed.core.rate import Squeezed
from untrimmed.sources import media as media_module
from untrimmed.sources.media import Media, find, prepared_copies, videos_in
from untrimmed.sources.prepare import prepare


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_files_are_found_in_subfolders_by_their_name_without_ending(tmp_path):
    touch(tmp_path, "a.mp4", "deep/b.MKV", "notes.txt", "c.d.webm")
    assert list(videos_in(tmp_path)) == ["a", "c.d", "b"]


def test_activitynet_files_are_found_with_and_without_their_prefix(tmp_path):
    touch(tmp_path, "v_abc.mp4", "def.mp4", "v_def.mp4")
    found = find(tmp_path, ["abc", "def", "v_abc", "gone"])
    assert {id: path.name for id, path in found.items()} == {
        "abc": "v_abc.mp4",
        "def": "def.mp4",
        "v_abc": "v_abc.mp4",
    }


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(MediaError, match="gone: no such folder of videos"):
        find(tmp_path / "gone", ["a"])


def test_a_video_without_a_file_is_named():
    with pytest.raises(MediaError, match="no file for the video a"):
        Media({}, fps=5, size=(8, 8))("a")


def test_what_opens_videos_can_be_sent_to_another_process(tmp_path):
    media = Media({"a": tmp_path / "a.mp4"}, fps=5, size=(8, 8))
    with pytest.raises(MediaError, match=r"a\.mp4: there is no such file"):
        pickle.loads(pickle.dumps(media))("a")


def test_more_videos_than_are_held_open_read_alike(tmp_path, write_video, numbers_of, monkeypatch):
    monkeypatch.setattr(media_module, "HELD_OPEN", 2)
    files = {id: write_video(tmp_path / f"{id}.mp4", frames=20, rate=25) for id in "abcd"}
    media = Media(files, fps=25, size=(32, 80))
    opened = {id: media(id) for id in files}
    for _ in range(2):
        for id in files:
            assert media(id) is opened[id]
            assert numbers_of(media(id).read(np.array([3, 17]))) == [3, 17]


@pytest.mark.parametrize("kind", ["mp4", "frames"])
def test_a_prepared_copy_is_read_in_place_of_the_video(tmp_path, write_video, numbers_of, kind):
    video = write_video(tmp_path / "a.mp4", frames=30, rate=25)
    target = dict(zip(("frames", "mp4"), prepared_copies(tmp_path / "copies", "a"), strict=True))
    prepare(video, target[kind], fps=12.5, size=(32, 80), kind=kind)
    video.unlink()
    media = Media({"a": video}, fps=12.5, size=(32, 80), prepared=tmp_path / "copies")
    assert numbers_of(media("a").read(np.array([1, 7]))) == [2, 14]


@pytest.mark.parametrize("kind", ["mp4", "frames"])
@pytest.mark.parametrize("frames", [30, 47])
def test_a_copy_of_a_squeezed_video_is_read_as_the_video(
    tmp_path, write_video, numbers_of, kind, frames
):
    """30 of at most 30 frames as they are, 47 at a lower rate."""
    video = write_video(tmp_path / "a.mp4", frames=frames, rate=25)
    target = dict(zip(("frames", "mp4"), prepared_copies(tmp_path / "copies", "a"), strict=True))
    settings = {"fps": Squeezed(30), "size": (32, 80)}
    prepare(video, target[kind], kind=kind, **settings)
    original = Media({"a": video}, **settings)("a")
    copy = Media({}, prepared=tmp_path / "copies", **settings)("a")
    assert copy.count == original.count == 30
    assert copy.fps == pytest.approx(original.fps, rel=1e-3)
    assert copy.duration_s == pytest.approx(original.duration_s, abs=0.02)
    assert numbers_of(copy.read(np.arange(30))) == numbers_of(original.read(np.arange(30)))


@pytest.mark.parametrize("kind", ["mp4", "frames"])
def test_a_copy_of_more_frames_than_a_squeezed_video_has_is_refused(tmp_path, write_video, kind):
    video = write_video(tmp_path / "a.mp4", frames=30, rate=25)
    target = dict(zip(("frames", "mp4"), prepared_copies(tmp_path / "copies", "a"), strict=True))
    prepare(video, target[kind], fps=25, size=(32, 80), kind=kind)
    media = Media({"a": video}, fps=Squeezed(29), size=(32, 80), prepared=tmp_path / "copies")
    with pytest.raises(MediaError, match=r"wanted are .*no more than 29 frames"):
        media("a")


@pytest.mark.parametrize("kind", ["mp4", "frames"])
@pytest.mark.parametrize(("fps", "size"), [(5, (32, 80)), (12.5, (16, 40))])
def test_a_copy_of_another_rate_or_size_is_refused(tmp_path, write_video, kind, fps, size):
    video = write_video(tmp_path / "a.mp4", frames=30, rate=25)
    target = dict(zip(("frames", "mp4"), prepared_copies(tmp_path / "copies", "a"), strict=True))
    prepare(video, target[kind], fps=12.5, size=(32, 80), kind=kind)
    with pytest.raises(MediaError, match="wanted are"):
        Media({"a": video}, fps=fps, size=size, prepared=tmp_path / "copies")("a")
