import json
import subprocess
import sys

import numpy as np
import pytest

from untrimmed.core.errors import ConfigError, FormatError, UserError
from untrimmed.detect.classify import read_class_scores
from untrimmed.runs.converting import class_scores_by_video, convert
from untrimmed.runs.formats import FORMATS
from untrimmed.sources.formats import activitynet


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "annotations.json"
    annotations = [
        {"label": "wave", "segment": [1.25, 3.5]},
        {"label": "pour", "segment": [5.0, 8.0]},
    ]
    video = {"duration": 10.0, "subset": "test", "annotations": annotations}
    path.write_text(json.dumps({"database": {"v1": video}}))
    return path


def test_there_and_back_is_the_same(source, tmp_path):
    convert(source, tmp_path / "a.csv")
    convert(tmp_path / "a.csv", tmp_path / "b.json")
    first, second = activitynet.read(source), activitynet.read(tmp_path / "b.json")
    assert first.classes == second.classes
    assert list(first.videos["v1"].actions) == list(second.videos["v1"].actions)
    assert second.videos["v1"].duration_s == 10.0
    assert second.videos["v1"].split == "test"


def test_an_ending_that_says_nothing_lists_the_formats(source, tmp_path):
    with pytest.raises(ConfigError, match=r"--to: a\.xyz does not tell its format.*activitynet"):
        convert(source, tmp_path / "a.xyz")


def test_a_format_that_does_not_exist_is_named(source, tmp_path):
    with pytest.raises(ConfigError, match="has no module activtynet; did you mean activitynet"):
        convert(source, tmp_path / "a.csv", read_as="activtynet")
    assert not (tmp_path / "a.csv").exists()


def test_what_a_format_cannot_hold_is_named_with_the_file(source, tmp_path):
    content = json.loads(source.read_text())
    content["database"]["v1"]["annotations"][0]["ignored"] = True
    source.write_text(json.dumps(content))
    with pytest.raises(FormatError, match=r"a\.csv: video v1: .*ignored"):
        convert(source, tmp_path / "a.csv")
    assert not (tmp_path / "a.csv").exists()


def test_a_lossy_format_is_exported_with_its_settings(source, tmp_path):
    convert(source, tmp_path / "subtitles", write_as="subtitles", write_settings={"kind": "vtt"})
    (written,) = (tmp_path / "subtitles").iterdir()
    assert written.name == "v1.vtt"
    assert "00:00:01.250 --> 00:00:03.500\nwave" in written.read_text()


def test_a_setting_that_the_format_does_not_have_is_named(source, tmp_path):
    with pytest.raises(ConfigError, match=r"--write: csv has no setting kind; there are: none"):
        convert(source, tmp_path / "a.csv", write_settings={"kind": "vtt"})


def test_a_setting_that_the_format_needs_is_asked_for(source, tmp_path):
    with pytest.raises(ConfigError, match=r"--write: label_studio must be told fps, as in fps="):
        convert(source, tmp_path / "tasks.json", write_as="label_studio")


def test_a_setting_of_a_wrong_value_is_a_message(source, tmp_path):
    tasks = tmp_path / "tasks.json"
    settings = {"fps": 25.0, "media": {"v1": "v1.mp4"}}
    convert(source, tasks, write_as="label_studio", write_settings=settings)
    with pytest.raises(ConfigError, match="--read: "):
        convert(tasks, tmp_path / "a.csv", read_as="label_studio", read_settings={"fps": 0})


BACKWARDS = "video,label,start,end\nv1,wave,1,3\nv1,wave,5,4\n"


@pytest.mark.parametrize(
    "verb",
    [
        ("convert", "truth.csv", "out.json"),
        ("evaluate", "--annotations", "truth.csv", "--detections", "found.csv"),
        ("analyze", "--annotations", "truth.csv", "--detections", "found.csv"),
    ],
    ids=lambda verb: verb[0],
)
def test_an_action_that_ends_before_it_starts_is_listed_and_the_rest_is_used(tmp_path, verb):
    (tmp_path / "truth.csv").write_text(BACKWARDS)
    (tmp_path / "found.csv").write_text("video,label,start,end,score\nv1,wave,1,3,0.9\n")
    done = subprocess.run(
        [sys.executable, "-m", "untrimmed", *verb],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert "truth.csv:3: it ends at 4.0 s, before it starts at 5.0 s" in done.stderr
    wanted = {
        "convert": "1 videos, 1 actions: out.json",
        "evaluate": "wave   100.0  100.0  100.0  100.0  100.0    100.0",
        "analyze": "normalised mAP of the surest detections: 100.0",
    }
    assert wanted[verb[0]] in done.stdout


@pytest.fixture
def rows(tmp_path):
    """Three videos, four columns."""
    path = tmp_path / "rows.npy"
    np.save(path, np.arange(12, dtype=np.float32).reshape(3, 4))
    return path


def test_rows_of_a_classifier_become_scores_by_video(rows, tmp_path):
    target = tmp_path / "scores.json"
    class_scores_by_video(rows, target, video="video_{:03d}", columns="2,0")
    scores = read_class_scores(target)
    assert {id: row.tolist() for id, row in scores.items()} == {
        "video_001": [2.0, 0.0],
        "video_002": [6.0, 4.0],
        "video_003": [10.0, 8.0],
    }


@pytest.mark.parametrize(
    ("video", "columns", "message"),
    [
        ("v", "0", r"--video: wanted a place for the number, as in v\{\}, got 'v'"),
        ("v{", "0", r"--video: no pattern for a number: 'v\{'"),
        ("v{name}", "0", "--video: no pattern"),
        ("v{}", "0,x", "--columns: wanted numbers of columns, as in 6,8, got '0,x'"),
        ("v{}", "4", "there is no column 4 among 4"),
    ],
)
def test_a_wrong_pattern_or_column_is_named_and_nothing_written(
    rows, tmp_path, video, columns, message
):
    with pytest.raises(UserError, match=message):
        class_scores_by_video(rows, tmp_path / "scores.json", video=video, columns=columns)
    assert not (tmp_path / "scores.json").exists()


NAMES = FORMATS.names()
TELL_READER = {name: {"fps": 25.0} for name in ("cvat", "fiftyone", "label_studio")}
TELL_WRITER = {
    "cvat": {"size": [240, 320], "fps": 25.0},
    "label_studio": {"fps": 25.0, "media": {"video_test_1": "video_test_1.mp4"}},
    "thumos14": {"split": "test"},
}
ONE_TABLE = ("charades", "epic_kitchens")  # else a folder of splits, which others do not know


def between(source, target, *, read_as, write_as):
    return convert(
        source,
        target,
        read_as=read_as,
        write_as=write_as,
        read_settings=TELL_READER.get(read_as, {}),
        write_settings=TELL_WRITER.get(write_as, {}),
    )


@pytest.mark.parametrize("first", NAMES)
def test_any_format_is_converted_to_any_other(first, tmp_path):
    source = tmp_path / "source.csv"
    lines = ["video_test_1,pour,5,8", "video_test_1,wave,1.24,3.48"]
    source.write_text("\n".join(["video,label,start,end", *lines]))
    start = tmp_path / ("first.csv" if first in ONE_TABLE else "first")
    between(source, start, read_as="csv", write_as=first)
    for second in NAMES:
        end = tmp_path / second / ("second.csv" if second in ONE_TABLE else "second")
        between(start, end, read_as=first, write_as=second)
        data = between(end, tmp_path / "last.json", read_as=second, write_as="activitynet")
        assert data.classes == ("pour", "wave")
        (video,) = data.videos.values()
        assert sorted(video.actions) == [(1.24, 3.48, 1), (5.0, 8.0, 0)]
        assert video.id == "video_test_1"


def test_a_format_of_ones_own_that_cannot_write_is_named(source, tmp_path, monkeypatch):
    (tmp_path / "mylab").mkdir()
    (tmp_path / "mylab" / "notes.py").write_text("def read(path): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match="--to: notes can be read, but not written"):
        convert(source, tmp_path / "a.csv", write_as="mylab.notes")
