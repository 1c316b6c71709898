import json
from pathlib import Path

import pytest

from untrimmed.core.errors import UserError
from untrimmed.recipes.recipe import read_recipe
from untrimmed.runs.detection import detect, named_files
from untrimmed.runs.folder import RunFolder
from untrimmed.runs.progress import finish
from untrimmed.runs.training import train
from untrimmed.sources.formats import activitynet

REAL = Path(__file__).parents[4] / "shared" / "data" / "demo_videos"


@pytest.fixture(scope="module")
def trained(drawn, tmp_path_factory):
    folder = RunFolder(tmp_path_factory.mktemp("trained") / "run")
    settings = ["train.epochs=1", "detect.suppression.least_score=0.001", "data.prepared=null"]
    finish(train(read_recipe(drawn / "recipe.yaml", settings=settings), folder))
    return folder


def test_detections_lie_in_their_videos_and_read_back(trained, drawn, tmp_path):
    result = finish(detect(trained, [drawn / "videos"], output=tmp_path / "found"))
    assert len(result.detections) == 7
    read = activitynet.read_detections(tmp_path / "found" / "detections.json", result.classes)
    for id, found in result.detections.items():
        assert found.segments_s.min() >= 0
        assert found.segments_s.max() <= result.durations_s[id]
        assert read[id].segments_s.tolist() == found.segments_s.tolist()


@pytest.mark.skipif(not REAL.is_dir(), reason="the real videos are not on this machine")
def test_real_videos_of_all_kinds_are_detected_in(trained, tmp_path):
    files = sorted(REAL.glob("*.mp4"))
    result = finish(detect(trained, files, output=tmp_path / "found"))
    assert result.failed == {}
    written = json.loads((tmp_path / "found" / "detections.json").read_text())["results"]
    assert sorted(written) == [file.stem for file in files]
    assert all(len(written[file.stem]) > 0 for file in files)


def test_two_videos_of_one_name_are_refused(tmp_path):
    files = [tmp_path / "a" / "x.mp4", tmp_path / "b" / "x.mp4"]
    with pytest.raises(UserError, match=r"two files are called x: .*a.x\.mp4 and .*b.x\.mp4"):
        named_files(files)


def test_a_folder_without_videos_is_refused(tmp_path):
    with pytest.raises(UserError, match="no file to detect in"):
        named_files([tmp_path])
