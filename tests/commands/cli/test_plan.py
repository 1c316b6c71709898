"""`untrimmed plan` as a user runs it: what it prints, and how it ends."""

import json
import subprocess
import sys

import pytest


@pytest.fixture
def run(data):
    """The command in the folder of the data set: status, output, errors."""

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", "untrimmed", "plan", *arguments],
            cwd=data,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture
def learnable(edit_annotations):
    """Only the classes that happen in training, so that nothing is wrong."""

    def change(content):
        videos = content["database"]
        learnt = {
            one["label"]
            for video in videos.values()
            if video["subset"] == "training"
            for one in video["annotations"]
        }
        for video in videos.values():
            video["annotations"] = [one for one in video["annotations"] if one["label"] in learnt]

    edit_annotations(change)


@pytest.mark.usefixtures("learnable")
def test_it_shows_the_data_the_recipe_and_what_comes_next(run, data):
    status, output, _ = run("videos", "annotations.json", "--output", "mine.yaml")
    assert status == 0
    assert "training: 4 videos" in output
    assert "nothing wrong was found" in output
    assert "next: untrimmed train mine.yaml" in output
    assert (data / "mine.yaml").read_text().startswith("# For videos and annotations.json")


@pytest.mark.usefixtures("learnable")
def test_json_is_all_that_is_printed(run):
    status, output, _ = run("videos", "annotations.json", "-o", "mine.yaml", "--json")
    found = json.loads(output)
    assert status == 0
    assert found["splits"]["training"]["videos"] == 4
    assert found["problems"] == []


@pytest.mark.usefixtures("learnable")
def test_wrong_data_ends_with_status_2_and_a_recipe_all_the_same(run, data):
    (data / "videos" / "training-001.mp4").write_bytes(b"no video")
    status, output, _ = run("videos", "annotations.json", "-o", "mine.yaml")
    assert status == 2
    assert "error: training-001:" in output
    assert (data / "mine.yaml").exists()


def test_a_setting_that_no_grid_has_is_named(run, data):
    (data / "features").mkdir()
    (data / "features" / "training-000.csv").write_text("1,2\n" * 9)
    status, _, errors = run("features", "annotations.json", "-o", "mine.yaml", "--grid", "rate=3")
    assert status == 2
    assert "rate: no such setting" in errors
