import json
import os
import shutil
from pathlib import Path

import av
import numpy as np
import pytest

from untrimmed.core.errors import UserError
from untrimmed.runs.detection import detect
from untrimmed.runs.evaluation import evaluate
from untrimmed.runs.folder import RunFolder
from untrimmed.runs.progress import finish
from untrimmed.runs.thresholds import UNKNOWN, Threshold, keep, kept
from untrimmed.sources.formats import activitynet, csv, elan, label_studio, subtitles
from untrimmed.sources.parquet import read_detections
from untrimmed.sources.video import open_video

REAL = Path(__file__).parents[4] / "shared" / "data" / "demo_videos"


@pytest.fixture(scope="module")
def trained(trained_run, tmp_path_factory):
    """A run that tests may change, and change back."""
    return RunFolder(shutil.copytree(trained_run, tmp_path_factory.mktemp("changed") / "run"))


def found_in(trained, paths, output, **settings):
    return finish(detect(trained, paths, output=output, **settings))


def same(some, others):
    return all(
        getattr(some, name).tolist() == getattr(others, name).tolist()
        for name in ("segments_s", "labels", "scores")
    )


def test_detections_lie_in_their_videos_and_read_back(trained, drawn, tmp_path):
    result = found_in(trained, [drawn / "videos"], tmp_path / "found", write=["parquet"])
    assert len(result.detections) == 7
    tables = [
        activitynet.read_detections(tmp_path / "found" / "detections.json", result.classes),
        csv.read_detections(tmp_path / "found" / "detections.csv", result.classes),
        read_detections(tmp_path / "found" / "detections.parquet", result.classes),
    ]
    for id, found in result.detections.items():
        assert found.segments_s.min() >= 0
        assert found.segments_s.max() <= result.durations_s[id]
        assert all(same(table[id], found) for table in tables)


@pytest.mark.skipif(not REAL.is_dir(), reason="the real videos are not on this machine")
def test_real_videos_of_all_kinds_are_detected_in(trained, tmp_path):
    files = sorted(REAL.glob("*.mp4"))
    result = found_in(trained, [REAL / "*.mp4"], tmp_path / "found")
    assert result.failed == {}
    written = json.loads((tmp_path / "found" / "detections.json").read_text())["results"]
    assert sorted(written) == [file.stem for file in files]
    assert all(len(written[file.stem]) > 0 for file in files)


def test_a_stopped_folder_goes_on_and_looks_at_no_video_twice(trained, drawn, tmp_path):
    files = sorted((drawn / "videos").glob("training-*.mp4"))
    job = detect(trained, files, output=tmp_path)
    while len(list((tmp_path / "videos").glob("*.json"))) < 2:
        next(job)
    job.close()
    assert not (tmp_path / "detections.json").exists()
    first = tmp_path / "videos" / f"{files[0].stem}.json"
    content = json.loads(first.read_text())
    content["results"][files[0].stem][0]["score"] = 77.0  # known again by this, if it is read
    first.write_text(json.dumps(content))

    result = found_in(trained, files, tmp_path)
    assert result.reused == (files[0].stem, files[1].stem)
    assert list(result.detections) == [file.stem for file in files]
    assert result.detections[files[0].stem].scores[0] == 77.0
    once = found_in(trained, files, tmp_path / "once")
    assert once.reused == ()
    assert all(same(result.detections[file.stem], once.detections[file.stem]) for file in files[1:])
    assert found_in(trained, files, tmp_path, again=True).reused == ()


@pytest.mark.parametrize("change", ["video", "weights", "damage"])
def test_what_was_found_otherwise_is_found_anew(trained, data, tmp_path, change):
    file = data / "videos" / "training-000.mp4"
    found_in(trained, [file], tmp_path)
    assert found_in(trained, [file], tmp_path).reused == ("training-000",)
    weights = trained.weights.read_bytes()
    match change:
        case "video":
            os.utime(file, (1, 1))
        case "weights":
            trained.weights.write_bytes(weights[:-4] + bytes(4))
        case "damage":
            (tmp_path / "videos" / "training-000.json").write_text("{")
    result = found_in(trained, [file], tmp_path)
    trained.weights.write_bytes(weights)
    assert result.reused == ()


def test_a_broken_video_costs_only_itself(trained, drawn, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    result = found_in(trained, [broken, drawn / "videos" / "training-*.mp4"], tmp_path / "found")
    assert list(result.failed) == ["broken"]
    assert len(result.detections) == 4
    alone = found_in(trained, [broken], tmp_path / "alone")
    assert list(alone.failed) == ["broken"]
    assert json.loads((tmp_path / "alone" / "detections.json").read_text())["results"] == {}


def test_progress_counts_seconds_inside_of_videos(trained, drawn, tmp_path):
    files = [drawn / "videos" / "training-000.mp4", drawn / "videos" / "training-001.mp4"]
    seconds = 0
    for file in files:
        with open_video(file) as video:
            seconds += round(video.duration_s)
    news = [each for each in detect(trained, files, output=tmp_path) if each.stage == "detect"]
    assert {each.total for each in news} == {seconds}
    done = [each.done for each in news]
    assert done == sorted(done)
    assert (done[0], done[-1]) == (0, seconds)
    assert done.count(seconds) == 1
    assert len(set(done)) > len(files) + 1


def test_pictures_are_detected_in_as_the_video_that_they_show(trained, tmp_path):
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (40, 4, 5, 3)).repeat(8, 1).repeat(8, 2).astype(np.uint8)
    (tmp_path / "row").mkdir()
    with av.open(str(tmp_path / "film.mkv"), "w") as film:
        stream = film.add_stream("ffv1", rate=5)
        stream.width, stream.height, stream.pix_fmt = 40, 32, "bgr0"
        for number, each in enumerate(pixels):
            picture = av.VideoFrame.from_ndarray(each, "rgb24")
            picture.save(tmp_path / "row" / f"{number:04}.png")
            film.mux(stream.encode(picture))
        film.mux(stream.encode(None))
    result = found_in(trained, [tmp_path / "film.mkv", tmp_path / "row"], tmp_path / "o", fps=5.0)
    film, row = result.detections["film"], result.detections["row"]
    assert len(film) > 0
    np.testing.assert_allclose(row.segments_s, film.segments_s, atol=1e-3)
    np.testing.assert_allclose(row.scores, film.scores, atol=1e-5)
    with pytest.raises(UserError, match="give --fps"):
        found_in(trained, [tmp_path / "row"], tmp_path / "o")


def test_what_people_look_at_holds_the_sure_ones_alone(trained, drawn, tmp_path):
    forms = ["srt", "vtt", "eaf", "label_studio"]
    file = drawn / "videos" / "testing-000.mp4"
    scores = found_in(trained, [file], tmp_path).detections["testing-000"].scores
    least = float(scores[2])
    result = found_in(trained, [file], tmp_path, write=forms, threshold=least)
    shown = result.detections["testing-000"]
    shown = shown[shown.scores >= least]
    assert 3 <= len(shown) < len(result.detections["testing-000"])
    wanted = sorted(
        (*segment, result.classes[label])
        for segment, label in zip(shown.segments_s.tolist(), shown.labels.tolist(), strict=True)
    )
    label_names = [name for _, _, name in wanted]

    def read(module, name, **settings):
        annotations = module.read(tmp_path / name, **settings)
        actions = annotations.videos["testing-000"].actions
        return [(*times, annotations.classes[label]) for *times, label in sorted(actions)]

    eaf = read(elan, "eaf", tiers=tiers(tmp_path / "eaf" / "testing-000.eaf"))
    assert sorted(name for *_, name in eaf) == sorted(label_names)
    np.testing.assert_allclose(times(eaf), times(wanted), atol=5e-4)
    for kind in ("srt", "vtt"):
        cues = read(subtitles, f"{kind}/testing-000.{kind}")
        np.testing.assert_allclose(times(cues), times(wanted), atol=5e-4)
        texts = sorted(
            f"{result.classes[n]} {s:.2f}" for n, s in zip(shown.labels, shown.scores, strict=True)
        )
        assert sorted(name for *_, name in cues) == texts
    tasks = json.loads((tmp_path / "label_studio.json").read_text())
    for task in tasks:  # as if all had been accepted
        task["annotations"] = task.pop("predictions")
    (tmp_path / "accepted.json").write_text(json.dumps(tasks))
    accepted = read(label_studio, "accepted.json", fps=25.0)
    np.testing.assert_allclose(times(accepted), times(wanted), atol=0.041)
    assert 'frameRate="25"' in (tmp_path / "label_studio.xml").read_text()


def times(rows):
    """All starts in order, and all ends: rounding may change the order of pairs."""
    return np.sort([each for *each, _ in rows], axis=0)


def tiers(path):
    from xml.etree import ElementTree

    return [tier.get("TIER_ID") for tier in ElementTree.parse(path).getroot().iter("TIER")]


def test_the_overlay_shows_what_goes_on_and_the_strip(trained, drawn, tmp_path):
    file = drawn / "videos" / "testing-001.mp4"
    found_in(trained, [file], tmp_path / "few", write=["overlay"], threshold=2.0)
    found_in(trained, [file], tmp_path / "all", write=["overlay"], threshold=0.0)
    with (
        open_video(file) as plain,
        open_video(tmp_path / "few" / "overlay" / "testing-001.mp4") as few,
        open_video(tmp_path / "all" / "overlay" / "testing-001.mp4") as everything,
    ):
        assert few.size == everything.size == plain.size
        assert few.duration_s == pytest.approx(plain.duration_s, abs=0.1)
        at = np.array([few.count // 2])
        before, without, drawn_on = (
            each.read(np.minimum(at, each.count - 1))[0].astype(int)
            for each in (plain, few, everything)
        )
    middle = slice(plain.size[0] // 3, plain.size[0] // 2)
    assert abs(without[middle] - before[middle]).mean() < 6
    corner = (slice(0, plain.size[0] // 5), slice(0, plain.size[1] // 4))
    assert abs(drawn_on[corner] - without[corner]).mean() > 10
    assert abs(drawn_on[-3:] - without[-3:]).mean() > 10


def test_an_unknown_form_is_refused_before_anything_is_done(trained, drawn, tmp_path):
    with pytest.raises(UserError, match="--write docx: there is no such form; there are json, csv"):
        found_in(trained, [drawn / "videos"], tmp_path / "o", write=["docx"])
    assert not (tmp_path / "o").exists()


def test_the_threshold_is_that_of_the_validation_split(trained, drawn, tmp_path):
    file = drawn / "videos" / "testing-000.mp4"
    score = finish(evaluate(trained, split="validation"))
    calibrated = kept(trained.path)
    assert calibrated is not None
    assert calibrated.split == "validation"
    assert any(calibrated.score in found.scores for found in score.detections.values())
    result = found_in(trained, [file], tmp_path)
    assert (result.least_score, result.calibrated) == (calibrated.score, calibrated)
    given = found_in(trained, [file], tmp_path, threshold=0.7)
    assert (given.least_score, given.calibrated) == (0.7, None)

    finish(evaluate(trained, split="testing"))
    assert kept(trained.path) == calibrated
    keep(None, trained.path)
    assert found_in(trained, [file], tmp_path).least_score == UNKNOWN
    keep(calibrated, trained.path)


def test_a_kept_threshold_reads_back(tmp_path):
    threshold = Threshold(score=0.123456789, f1=0.5, tiou=0.5, split="dev")
    keep(threshold, tmp_path)
    assert kept(tmp_path) == threshold
    assert str(threshold) == "0.123, which gave the best F1 on the dev split (50.0 % at tIoU 0.5)"
    (tmp_path / "threshold.json").write_text('{"score": "high"}')
    with pytest.raises(UserError, match=r"threshold\.json"):
        kept(tmp_path)
