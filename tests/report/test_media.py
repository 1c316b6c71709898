from urllib.parse import unquote

import pytest

from untrimmed.report.media import Embedded, Linked, Missing, placed
from untrimmed.report.proxy import played_as

MUCH = 10 * 2**20


@pytest.fixture
def page(tmp_path):
    return tmp_path / "out" / "report.html"


def test_a_small_video_is_embedded_as_it_is(tmp_path, make_video, page):
    path = make_video(tmp_path / "a.mp4", seconds=0.4)
    places = placed({"a": path}, page, embed=True, max_embedded_bytes=MUCH)
    assert places == {"a": Embedded("video/mp4", path.read_bytes())}


def test_what_browsers_do_not_play_is_embedded_as_a_copy(tmp_path, make_video, page):
    path = make_video(tmp_path / "a.avi", codec="mpeg4", seconds=0.4)
    place = placed({"a": path}, page, embed=True, max_embedded_bytes=MUCH)["a"]
    assert isinstance(place, Embedded)
    (tmp_path / "copy.mp4").write_bytes(place.content)
    assert played_as(tmp_path / "copy.mp4") == "video/mp4"


def test_a_large_video_is_embedded_as_a_smaller_copy(tmp_path, make_video, page):
    path = make_video(tmp_path / "a.mp4", seconds=1.0, size=(1280, 720))
    with path.open("ab") as file:
        file.write(bytes(2**20))  # what an mp4 may carry behind its content
    place = placed({"a": path}, page, embed=True, max_embedded_bytes=2**19)["a"]
    assert isinstance(place, Embedded)
    assert len(place.content) < 2**19


def test_a_video_that_does_not_fit_is_linked(tmp_path, make_video, page):
    path = make_video(tmp_path / "a b#1%.mp4", seconds=0.4)
    place = placed({"a": path}, page, embed=True, max_embedded_bytes=100)["a"]
    assert isinstance(place, Linked)
    assert not set(" #") & set(place.address)
    assert (page.parent / unquote(place.address)).resolve() == path.resolve()


def test_a_copy_to_link_lies_beside_the_page(tmp_path, make_video, page):
    path = make_video(tmp_path / "a.avi", codec="mpeg4", seconds=0.4)
    place = placed({"x/../y": path}, page, embed=False, max_embedded_bytes=MUCH)["x/../y"]
    assert isinstance(place, Linked)
    copy = page.parent / place.address
    assert copy.resolve().parent == (page.parent / "report_videos").resolve()
    assert played_as(copy) == "video/mp4"


def test_small_videos_leave_their_room_to_large_ones(tmp_path, make_video, page):
    files = {str(n): make_video(tmp_path / f"{n}.mp4", seconds=0.4) for n in range(3)}
    small = files["1"].stat().st_size
    with files["0"].open("ab") as file:
        file.write(bytes(10 * small))
    limit = 13 * small  # 11 + 1 + 1, an equal share would be 4
    places = placed(files, page, embed=True, max_embedded_bytes=limit)
    assert places["0"] == Embedded("video/mp4", files["0"].read_bytes())


def test_a_broken_file_is_missing_and_its_folder_stays_private(tmp_path, page):
    (tmp_path / "a.mp4").write_bytes(b"no video")
    for path in (tmp_path / "a.mp4", tmp_path / "absent.mp4"):
        place = placed({"a": path}, page, embed=True, max_embedded_bytes=MUCH)["a"]
        assert isinstance(place, Missing)
        assert "cannot be opened as a video" in place.reason
        assert str(tmp_path) not in place.reason


def test_a_long_video_is_not_copied_unasked(tmp_path, make_video, page, monkeypatch):
    monkeypatch.setattr("untrimmed.report.media.LONGEST_COPIED_S", 1.0)
    files = {
        "long": make_video(tmp_path / "a.avi", codec="mpeg4", seconds=1.6),
        "short": make_video(tmp_path / "b.avi", codec="mpeg4", seconds=0.4),
        "plays": make_video(tmp_path / "c.mp4", seconds=1.6),
    }
    places = placed(files, page, embed=False, max_embedded_bytes=MUCH)
    assert isinstance(places["short"], Linked)
    assert isinstance(places["plays"], Linked)
    assert isinstance(places["long"], Missing)
    assert "ffmpeg -i" in places["long"].reason
