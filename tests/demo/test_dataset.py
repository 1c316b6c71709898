import json

import av
import numpy as np
import pytest

from untrimmed.demo.dataset import drawn_videos, write_demo_data
from untrimmed.demo.motions import CLASSES
from untrimmed.demo.render import pictures
from untrimmed.demo.scene import FPS, plan

SHORT = (4.0, 6.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("demo")
    write_demo_data(path, seed=5, videos={"training": 1, "testing": 2}, lengths_s=SHORT)
    return path


@pytest.fixture(scope="module")
def database(folder):
    return json.loads((folder / "annotations.json").read_text())["database"]


def decoded(path):
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def test_every_video_of_the_annotations_is_there(folder, database):
    assert sorted(database) == ["testing-000", "testing-001", "training-000"]
    assert sorted(path.stem for path in (folder / "videos").iterdir()) == sorted(database)


def test_annotations_have_the_form_of_activitynet(folder, database):
    content = json.loads((folder / "annotations.json").read_text())
    assert set(content) == {"version", "taxonomy", "database"}
    video = database["testing-001"]
    assert video["subset"] == "testing"
    assert video["resolution"] == "160x128"
    assert {action["label"] for action in video["annotations"]} <= set(CLASSES)
    assert all(0 < start < end < video["duration"] for start, end in (
        action["segment"] for action in video["annotations"]
    ))  # fmt: skip


def test_videos_are_as_long_as_annotated_and_play_in_browsers(folder, database):
    with av.open(str(folder / "videos" / "training-000.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert stream.average_rate == FPS
        assert stream.frames == round(database["training-000"]["duration"] * FPS)
        assert stream.start_time == 0


def test_a_key_frame_comes_every_second(folder):
    with av.open(str(folder / "videos" / "training-000.mp4")) as container:
        keys_s = [
            float(packet.pts * packet.time_base)
            for packet in container.demux(video=0)
            if packet.is_keyframe
        ]
    assert np.diff(keys_s).max() <= 1.0


def test_the_file_shows_the_scene(folder):
    scene = plan(np.random.default_rng([5, 0, 0]), lengths_s=SHORT)
    original = np.stack(list(pictures(scene))).astype(float)
    difference = decoded(folder / "videos" / "training-000.mp4") - original
    assert np.sqrt((difference**2).mean()) < 6


def test_the_same_seed_gives_the_same_files(folder, tmp_path):
    write_demo_data(tmp_path, seed=5, videos={"training": 1, "testing": 2}, lengths_s=SHORT)
    for path in folder.rglob("*.*"):
        assert path.read_bytes() == (tmp_path / path.relative_to(folder)).read_bytes()


def test_more_videos_leave_the_others_as_they_are(database, tmp_path):
    annotations = write_demo_data(
        tmp_path, seed=5, videos={"validation": 1, "testing": 1}, lengths_s=SHORT
    )
    others = json.loads(annotations.read_text())["database"]
    assert others["testing-000"] == database["testing-000"]
    assert others["validation-000"]["annotations"] != database["testing-000"]["annotations"]


def test_another_seed_gives_other_videos(database, tmp_path):
    annotations = write_demo_data(tmp_path, seed=6, videos={"training": 1}, lengths_s=SHORT)
    assert (
        json.loads(annotations.read_text())["database"]["training-000"]
        != (database["training-000"])
    )


def test_videos_are_counted_as_they_are_done_and_the_annotations_come_last(tmp_path):
    there = []
    for done in drawn_videos(tmp_path, videos={"training": 1, "testing": 1}, lengths_s=SHORT):
        there.append((done, (tmp_path / "annotations.json").exists()))
    assert there == [(1, False), (2, True)]


def test_no_video_gives_empty_annotations(tmp_path):
    annotations = write_demo_data(tmp_path, videos={})
    assert json.loads(annotations.read_text())["database"] == {}


@pytest.mark.parametrize("videos", [{"train": 3}, {"training": -1}])
def test_an_unknown_split_is_refused(videos, tmp_path):
    with pytest.raises(ValueError, match="training, validation, testing"):
        write_demo_data(tmp_path, videos=videos)
    assert not list(tmp_path.iterdir())
