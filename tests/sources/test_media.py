import pickle

import pytest

from untrimmed.core.errors import MediaError
from untrimmed.sources.media import Media, find, videos_in


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


def test_another_process_opens_its_own_files(tmp_path):
    media = Media({"a": tmp_path / "a.mp4"}, fps=5, size=(8, 8))
    media._open["a"] = object()
    assert pickle.loads(pickle.dumps(media))._open == {}
