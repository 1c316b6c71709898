import io
import zipfile
from threading import Thread

import av
import numpy as np
import pytest

from untrimmed.core.actions import Actions
from untrimmed.core.annotations import Annotations, Video
from untrimmed.core.errors import UserError
from untrimmed.runs.correcting import Corrections, exported, writable_formats
from untrimmed.runs.formats import FORMATS
from untrimmed.sources.formats import activitynet, label_studio

CLASSES = ("jump", "run")
VIDEO = Video(id="v", duration_s=10.0, split="test", fps=25.0)
ACTIONS = Actions([(1, 2), (4, 6)], [0, 1])
WHOLE = Annotations(CLASSES, {"v": Video(id="v", duration_s=10.0, actions=ACTIONS, split="test")})


@pytest.fixture
def make_media():
    def write(path, *, fps=25):
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=fps)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            picture = np.zeros((48, 64, 3), np.uint8)
            for _ in range(5):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode(None))
        return path

    return write


@pytest.fixture
def corrections(tmp_path):
    return Corrections(tmp_path / "new" / "corrections.json", classes=CLASSES)


def test_what_is_kept_is_read_again(corrections):
    corrections.put(VIDEO, [[4, 6, "run"], [1, 2, "jump"]])
    again = Corrections(corrections.path, classes=CLASSES)
    assert list(again.kept.actions["v"]) == [(1.0, 2.0, 0), (4.0, 6.0, 1)]
    kept = activitynet.read(corrections.path).videos["v"]
    assert (kept.split, kept.fps, kept.duration_s) == ("test", 25.0, 10.0)


def test_a_video_in_which_nothing_happens_is_corrected_all_the_same(corrections):
    corrections.put(VIDEO, [])
    assert len(Corrections(corrections.path, classes=CLASSES).kept.actions["v"]) == 0


def test_none_forgets_a_video(corrections):
    corrections.put(VIDEO, [[1, 2, "jump"]])
    corrections.put(VIDEO, None)
    assert Corrections(corrections.path, classes=CLASSES).kept.actions == {}


def test_a_class_that_is_new_follows_those_of_the_data(corrections):
    corrections.put(VIDEO, [[4, 6, "swim"], [1, 2, "run"]])
    again = Corrections(corrections.path, classes=CLASSES).kept
    assert again.classes == ("jump", "run", "swim")
    assert list(again.actions["v"]) == [(1.0, 2.0, 1), (4.0, 6.0, 2)]


def test_a_new_class_lasts_as_long_as_a_label_is_of_it(corrections):
    other = Video(id="w", duration_s=10.0)
    corrections.put(VIDEO, [[1, 2, "swim"]])
    corrections.put(other, [[1, 2, "dive"]])
    corrections.put(VIDEO, [[1, 2, "run"]])
    assert corrections.kept.classes == ("jump", "run", "dive")
    assert list(corrections.kept.actions["w"]) == [(1.0, 2.0, 2)]


def test_a_class_that_the_data_has_by_now_is_that_of_the_data(corrections):
    corrections.put(VIDEO, [[1, 2, "swim"], [3, 4, "run"]])
    again = Corrections(corrections.path, classes=("swim", *CLASSES)).kept
    assert again.classes == ("swim", "jump", "run")
    assert list(again.actions["v"]) == [(1.0, 2.0, 0), (3.0, 4.0, 2)]


def test_a_class_of_the_data_is_kept_whatever_its_name(tmp_path):
    corrections = Corrections(tmp_path / "corrections.json", classes=(" run ",))
    corrections.put(VIDEO, [[1, 2, " run "]])
    with pytest.raises(ValueError, match="cannot hold the class name ' walk '"):
        corrections.put(VIDEO, [[1, 2, " walk "]])


def test_what_is_refused_changes_nothing(corrections):
    corrections.put(VIDEO, [[1, 2, "jump"]])
    with pytest.raises(ValueError, match="without length"):
        corrections.put(VIDEO, [[3, 3, "jump"]])
    assert list(corrections.kept.actions["v"]) == [(1.0, 2.0, 0)]


def test_changes_at_the_same_time_are_all_kept(corrections):
    videos = [Video(id=f"v{n}", duration_s=10.0) for n in range(20)]
    threads = [Thread(target=corrections.put, args=(video, [[1, 2, "jump"]])) for video in videos]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(Corrections(corrections.path, classes=CLASSES).kept.actions) == 20


@pytest.mark.parametrize("name", writable_formats())
def test_every_offered_format_can_be_written(name, tmp_path, make_media):
    media = {"v": make_media(tmp_path / "v.mp4")}
    file, content = exported(WHOLE, name, media=media)
    assert content
    if file.endswith(".zip"):
        assert zipfile.ZipFile(io.BytesIO(content)).namelist()


def test_the_formats_of_tools_are_offered_first():
    assert writable_formats()[:3] == ("activitynet", "csv", "label_studio")
    assert set(writable_formats()) <= set(FORMATS.names())


def test_frames_are_counted_at_the_rate_of_the_file(tmp_path, make_media):
    media = {"v": make_media(tmp_path / "film.mp4", fps=20)}
    _, content = exported(WHOLE, "label_studio", media=media)
    (tmp_path / "tasks.json").write_bytes(content)
    assert b"film.mp4" in content
    read = label_studio.read(tmp_path / "tasks.json", fps=20)
    assert list(read.videos["film"].actions) == [(1.0, 2.0, 0), (4.0, 6.0, 1)]


def test_a_format_that_counts_frames_needs_the_file():
    with pytest.raises(ValueError, match="give --media"):
        exported(WHOLE, "label_studio", media={})


def test_nothing_and_unknown_formats_are_refused():
    with pytest.raises(UserError, match="no video has been corrected"):
        exported(Annotations(CLASSES, {}), "csv", media={})
    with pytest.raises(UserError, match="no format that can be written is called nonsense"):
        exported(WHOLE, "nonsense", media={})
