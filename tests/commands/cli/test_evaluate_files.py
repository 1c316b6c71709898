"""Scoring anybody's detections: no network, no torch."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from untrimmed.core.errors import ConfigError, FormatError
from untrimmed.runs.scoring import protocol_of, score_files, tious_of

PUBLISHED = Path(__file__).parents[4] / "shared" / "data" / "metric_check"


@pytest.fixture
def files(tmp_path):
    """Two videos of two splits; of the first, one of two actions is found well."""

    def video(split, *segments):
        return {
            "duration": 20.0,
            "subset": split,
            "annotations": [{"label": name, "segment": times} for name, times in segments],
        }

    truth, found = tmp_path / "truth.json", tmp_path / "found.json"
    database = {
        "a": video("test", ("wave", [2, 4]), ("pour", [5, 9])),
        "b": video("train", ("wave", [1, 2])),
    }
    truth.write_text(json.dumps({"database": database}))
    rows = [{"label": "wave", "score": 0.9, "segment": [2.0, 3.0]}]
    found.write_text(json.dumps({"results": {"a": rows}}))
    return truth, found


def evaluate(*arguments):
    code = (
        "import sys; from untrimmed.cli.main import run\n"
        "try: run()\n"
        "finally: print('torch' in sys.modules, file=sys.stderr)"
    )
    return subprocess.run(
        [sys.executable, "-c", code, "evaluate", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_json_holds_every_score_and_the_rules(files):
    truth, found = files
    done = evaluate(
        "--annotations",
        truth,
        "--detections",
        found,
        "--split",
        "TEST",
        "--tiou",
        "0.5,0.6",
        "--json",
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["AP"] == {"0.5": {"pour": 0.0, "wave": 1.0}, "0.6": {"pour": 0.0, "wave": 0.0}}
    assert result["mAP"] == {"0.5": 0.5, "0.6": 0.0}
    assert result["average_mAP"] == 0.25
    assert result["protocol"].startswith("activitynet13: ")


def test_the_rules_of_moment_queries_show_recall_too(files):
    truth, found = files
    shared = ["--annotations", truth, "--detections", found, "--split", "test"]
    done = evaluate(*shared, "--protocol", "ego4d_mq", "--json")
    recall = json.loads(done.stdout)["recall"]
    assert recall["1x"] == recall["5x"] == dict.fromkeys(["0.1", "0.2", "0.3", "0.4", "0.5"], 0.5)
    done = evaluate(*shared, "--protocol", "ego4d_mq")
    assert "Recall@1x  50.0  50.0  50.0  50.0  50.0     50.0" in done.stdout
    assert "Recall" not in evaluate(*shared, "--protocol", "hacs").stdout


def test_scoring_files_loads_no_torch(files):
    truth, found = files
    done = evaluate("--annotations", truth, "--detections", found, "--split", "test")
    assert done.stderr.splitlines()[-1] == "False"
    assert "mAP" in done.stdout


def test_a_split_must_be_chosen_where_there_are_several(files):
    with pytest.raises(ConfigError, match="several splits, choose one of: test, train"):
        score_files(*files, protocol=protocol_of(None, tious=(0.5,)))


def test_a_run_or_files_must_be_given():
    done = evaluate("--detections", "found.json")
    assert done.returncode == 2
    assert "give the folder of a run, or both --annotations and --detections" in done.stderr


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0.5", (0.5,)),
        ("0.3:0.1:0.7", (0.3, 0.4, 0.5, 0.6, 0.7)),
        ("0.5:0.05:0.95", tuple(round(0.5 + 0.05 * n, 2) for n in range(10))),
        ("0.2,0.5", (0.2, 0.5)),
    ],
)
def test_thresholds_are_read_as_people_write_them(text, values):
    assert tious_of(text) == pytest.approx(values)


def test_a_protocol_brings_its_thresholds_and_its_neighbours_are_named():
    assert protocol_of("epic_kitchens_verb", tious=None).tious == (0.1, 0.2, 0.3, 0.4, 0.5)
    with pytest.raises(ConfigError, match=r"no protocol is called thumos; did you mean thumos14"):
        protocol_of("thumos", tious=None)


@pytest.mark.parametrize("text", ["", "half", "0:0.1:0.5", "0.5:0:0.9", "1.5", "0.9:0.1:0.5"])
def test_what_is_no_threshold_is_refused(text):
    with pytest.raises(ConfigError, match="tiou: "):
        tious_of(text)


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published detections are not here")
def test_published_files_are_scored_as_they_are():
    result = score_files(
        PUBLISHED / "autoloc_thumos14_gt.json",
        PUBLISHED / "autoloc_thumos14_pred.json",
        protocol=protocol_of(None, tious=tious_of("0.1:0.1:0.9")),
    )
    wanted = [0.467, 0.417, 0.358, 0.290, 0.212, 0.134, 0.058, 0.016, 0.002]
    assert [round(value, 3) for value in result.scores.mean_ap] == wanted
    assert round(result.scores.average, 3) == 0.217


def test_the_analysis_names_the_errors_and_draws_them(files, tmp_path):
    truth, found = files
    page = tmp_path / "errors.html"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "untrimmed", "analyze", "--annotations", truth),
            *("--detections", found, "--split", "test", "--tiou", "0.6", "-o", page),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    gains = dict(line.rsplit(maxsplit=1) for line in done.stdout.splitlines() if line[:2] == "  ")
    assert gains["  localization"] == "0.0"
    assert "<svg" in page.read_text()


def test_labels_of_a_video_classifier_replace_those_of_the_detections(files, tmp_path):
    truth, found = files
    rows = [{"label": "pour", "score": 0.9, "segment": [2.0, 4.0]}]  # a wave
    found.write_text(json.dumps({"results": {"a": rows}}))
    scores = tmp_path / "scores.json"
    scores.write_text(json.dumps({"results": {"a": [0.1, 0.8]}}))
    arguments = {"split": "test", "protocol": protocol_of(None, tious=(0.5,))}
    assert score_files(truth, found, **arguments).scores.average == 0.0
    fused = score_files(truth, found, **arguments, class_scores=scores, top_classes=1)
    assert fused.scores.average == 0.5
    assert "class scores of scores.json" in fused.scores.protocol

    scores.write_text(json.dumps({"results": {"b": [0.1, 0.8]}}))
    with pytest.raises(FormatError, match="no scores for the video a, wanted 2"):
        score_files(truth, found, **arguments, class_scores=scores)
