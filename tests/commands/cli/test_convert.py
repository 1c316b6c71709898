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
