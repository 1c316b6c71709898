import json

import pytest

from untrimmed.core.errors import ConfigError, FormatError
from untrimmed.runs.converting import convert
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


def test_a_format_that_is_only_read_is_not_written(source, tmp_path):
    with pytest.raises(ConfigError, match="boris can be read, but not written"):
        convert(source, tmp_path / "a.csv", write_as="boris")


def test_a_setting_of_a_wrong_value_is_a_message(source, tmp_path):
    tasks = tmp_path / "tasks.json"
    settings = {"fps": 25.0, "media": {"v1": "v1.mp4"}}
    convert(source, tasks, write_as="label_studio", write_settings=settings)
    with pytest.raises(ConfigError, match="--read: "):
        convert(tasks, tmp_path / "a.csv", read_as="label_studio", read_settings={"fps": 0})
