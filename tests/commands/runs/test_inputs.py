from pathlib import Path

import pytest

from untrimmed.core.errors import UserError
from untrimmed.runs.inputs import named_sources, shown_fps
from untrimmed.sources.pictures import Pictures


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Empty files: three videos, of which one lies deeper, and two rows of pictures."""
    names = ["films/a.mp4", "films/b.MKV", "films/in/c.webm", "films/notes.txt"]
    names += ["shots/x/1.jpg", "shots/x/2.jpg", "shots/y/07.png"]
    for name in names:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_folder_means_the_videos_in_it(folder):
    assert list(named_sources([Path("films")])) == ["a", "b", "c"]
    assert named_sources([folder / "films"])["c"] == folder / "films" / "in" / "c.webm"


@pytest.mark.parametrize(
    ("pattern", "names"),
    [("films/*.mp4", ["a"]), ("films/[ab].*", ["a", "b"]), ("films/**/*.webm", ["c"])],
)
@pytest.mark.parametrize("absolute", [False, True])
def test_a_pattern_means_what_matches(folder, pattern, names, absolute):
    path = folder / pattern if absolute else Path(pattern)
    sources = named_sources([path])
    assert list(sources) == names
    assert all(file.exists() for file in sources.values())


def test_a_folder_without_videos_means_its_rows_of_pictures(folder):
    sources = named_sources([folder / "shots"])
    assert list(sources) == ["x", "y"]
    assert sources["x"] == Pictures((folder / "shots/x/1.jpg", folder / "shots/x/2.jpg"))


def test_pictures_that_are_named_or_match_are_one_video(folder):
    x = folder / "shots" / "x"
    wanted = {"x": Pictures((x / "1.jpg", x / "2.jpg"))}
    assert named_sources([x / "2.jpg", x / "1.jpg"]) == wanted
    assert named_sources([x / "*.jpg"]) == wanted


def test_pictures_beside_videos_are_left_alone(folder):
    (folder / "films" / "cover1.jpg").touch()
    assert list(named_sources([folder / "films"])) == ["a", "b", "c"]


def test_a_file_named_outright_is_taken_as_it_is():
    assert named_sources([Path("no/such.thing")]) == {"such": Path("no/such.thing")}


def test_two_videos_of_one_name_are_refused(tmp_path):
    files = [tmp_path / "a" / "x.mp4", tmp_path / "b" / "x.mp4"]
    with pytest.raises(UserError, match=r"two videos are called x: .*a.x\.mp4 and .*b.x\.mp4"):
        named_sources(files)
    assert len(named_sources([files[0], files[0]])) == 1


def test_nothing_is_refused(tmp_path):
    with pytest.raises(UserError, match="no file to detect in"):
        named_sources([tmp_path])
    with pytest.raises(UserError, match="nothing matches this pattern"):
        named_sources([tmp_path / "*.mp4"])


def test_pictures_need_a_rate(folder):
    (row,) = named_sources([folder / "shots" / "y"]).values()
    assert shown_fps(row, 4.0) == 4.0
    with pytest.raises(UserError, match="give --fps"):
        shown_fps(row, None)
