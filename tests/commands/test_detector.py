"""`untrimmed.Detector`: what a notebook does with a trained detector."""

import json
import subprocess
import sys
from dataclasses import FrozenInstanceError

import av
import numpy as np
import pytest

import untrimmed
from untrimmed import api
from untrimmed.core.errors import UserError
from untrimmed.sources.formats import csv
from untrimmed.sources.video import open_video


@pytest.fixture(scope="module")
def detector(trained_run):
    return untrimmed.Detector.load(trained_run, device="cpu")


@pytest.fixture(scope="module")
def video(drawn):
    return drawn / "videos" / "testing-000.mp4"


@pytest.fixture(scope="module")
def found(detector, video):
    return detector(video)


def rows(found):
    detections = found.detections
    return [*detections.segments_s.tolist(), detections.labels.tolist(), detections.scores.tolist()]


def test_importing_the_package_prints_nothing_and_imports_little():
    code = (
        "import sys, untrimmed; heavy = {'torch', 'av', 'pandas', 'pydantic', 'rich', 'typer'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules);"
        "assert 'Detector' in untrimmed.__all__"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    with pytest.raises(AttributeError, match="has no attribute 'Detectr'"):
        _ = untrimmed.Detectr


def test_it_finds_what_the_command_finds(found, trained_run, video, tmp_path):
    by_command = api.detect(trained_run, [video], output=tmp_path)
    assert rows(found) == [
        *by_command.detections["testing-000"].segments_s.tolist(),
        by_command.detections["testing-000"].labels.tolist(),
        by_command.detections["testing-000"].scores.tolist(),
    ]
    assert found.duration_s == by_command.durations_s["testing-000"]
    assert found.threshold == by_command.least_score
    assert (found.video, found.media) == ("testing-000", video)


def test_several_videos_give_a_list_in_their_order(detector, found, video, drawn):
    other = drawn / "videos" / "testing-001.mp4"
    several = detector([str(other), str(video)])
    assert [each.video for each in several] == ["testing-001", "testing-000"]
    assert rows(several[1]) == rows(found)


def test_arrays_and_folders_of_pictures_are_videos(detector, video, found, tmp_path):
    with open_video(video) as frames:
        pixels, fps = frames.read(np.arange(frames.count)), frames.fps
    array = detector(pixels, fps=fps)
    assert array.duration_s == pytest.approx(found.duration_s, abs=0.05)
    assert array.media is None
    np.testing.assert_allclose(array.detections.scores[:5], found.detections.scores[:5], atol=0.02)
    for number, each in enumerate(pixels):
        av.VideoFrame.from_ndarray(each, "rgb24").save(tmp_path / f"{number}.png")
    assert rows(detector(tmp_path, fps=fps)) == rows(array)


def test_what_is_no_video_is_refused(detector, tmp_path):
    with pytest.raises(ValueError, match=r"an array float64 \(3,\); wanted pictures"):
        detector(np.zeros(3))
    with pytest.raises(UserError, match="give fps"):
        detector(np.zeros((3, 8, 8, 3), np.uint8))
    with pytest.raises(UserError, match="no such file"):
        detector(tmp_path / "none.mp4")
    with pytest.raises(UserError, match="about features, but the recipe is of videos"):
        detector(np.zeros((3, 8), np.float32))
    with pytest.raises(UserError, match="no folder of a run"):
        untrimmed.Detector.load(tmp_path)


def test_some_can_be_chosen(found):
    middle = float(np.median(found.detections.scores))
    sure = found.filter(threshold=middle)
    assert 0 < len(sure) < len(found)
    assert (sure.detections.scores >= middle).all()
    assert sure.threshold == middle
    name = found.classes[int(found.detections.labels[0])]
    one = found.filter(threshold=0.0, classes=[name])
    assert set(one.detections.labels.tolist()) == {found.classes.index(name)}
    assert (found.filter().detections.scores >= found.threshold).all()
    with pytest.raises(ValueError, match="no class 'flying'; there are"):
        found.filter(classes=["flying"])
    with pytest.raises(FrozenInstanceError):
        found.threshold = 0.0


def test_tables_hold_every_detection(found, tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = found.to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns) == ["video", "label", "start", "end", "score"]
    assert frame["score"].tolist() == found.detections.scores.tolist()
    assert frame["start"].tolist() == found.detections.segments_s[:, 0].tolist()
    listed = json.loads(found.to_json())
    assert [each["segment"] for each in listed] == found.detections.segments_s.tolist()
    assert [each["label"] for each in listed] == frame["label"].tolist()
    (tmp_path / "table.csv").write_text(found.to_csv())
    read = csv.read_detections(tmp_path / "table.csv", found.classes)["testing-000"]
    assert read.segments_s.tolist() == found.detections.segments_s.tolist()


def test_without_pandas_it_says_what_to_install(found, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UserError, match=r"pip install 'untrimmed\[pandas\]'"):
        found.to_pandas()


def test_a_notebook_shows_a_timeline_of_the_sure_ones(found, tmp_path):
    sure = int((found.detections.scores >= found.threshold).sum())
    for shown in (found._repr_html_(), found._repr_svg_(), found.plot().svg):
        assert shown.startswith("<svg")
        assert shown.count("<title>") == sure
    least = float(found.detections.scores[2])
    few = found.plot(threshold=least, width=400.0)
    assert few.svg.count("<title>") == int((found.detections.scores >= least).sum())
    few.save(tmp_path / "few.svg")
    assert (tmp_path / "few.svg").read_text() == few.svg
    assert f"{len(found)} detections" in repr(found)


def test_a_page_is_saved(found, tmp_path):
    found.save_html(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "testing-000" in page
    assert "<title>" in page
