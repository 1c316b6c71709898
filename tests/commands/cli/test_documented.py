"""The commands in the pages of `docs`, run as they stand there, one after the other."""

import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from pydoc import locate
from urllib.request import urlopen

import numpy as np
import pytest

from untrimmed.metrics.protocols import PROTOCOLS

DOCS = Path(__file__).parents[3] / "docs"
VIDEOS = {"v1": ([0.6, 0.3], [[1.2, 3.4], [5.1, 8.0]]), "v2": ([0.2, 0.7], [[2.0, 4.5]])}


@pytest.fixture
def folder(tmp_path):
    """The files that the pages speak of."""
    database, results, scores = {}, {}, {}
    for id, (own, segments) in VIDEOS.items():
        rows = [
            {"label": name, "segment": times}
            for name, times in zip(("wave", "pour"), segments, strict=False)
        ]
        database[id] = {"duration": 10.0, "subset": "test", "annotations": rows}
        results[id] = [{**row, "score": 0.9 - 0.1 * n} for n, row in enumerate(rows)]
        scores[id] = own
    (tmp_path / "truth.json").write_text(json.dumps({"database": database}))
    (tmp_path / "found.json").write_text(json.dumps({"results": results}))
    (tmp_path / "scores.json").write_text(json.dumps({"results": scores}))
    np.save(tmp_path / "rows.npy", np.linspace(0, 1, 20, dtype=np.float32).reshape(2, 10))
    return tmp_path


def blocks(page):
    """What stands after the three ticks, and what between them, of each block of a page."""
    text = (DOCS / page).read_text()
    return re.findall(r"^```([^\n]*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands(page):
    lines = [line for kind, block in blocks(page) if not kind for line in block.splitlines()]
    return [shlex.split(line, comments=True) for line in lines if line.startswith("untrimmed ")]


def end_well(commands, folder):
    for command in commands:
        done = subprocess.run(
            [sys.executable, "-P", "-m", *command],  # -P: as the installed command finds modules
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}{done.stderr}"
        assert done.stdout


@pytest.mark.parametrize(
    ("page", "verbs"),
    [("scoring.md", {"evaluate", "analyze", "class-scores"}), ("formats.md", {"convert"})],
)
def test_every_command_of_a_page_ends_well(page, verbs, folder):
    found = commands(page)
    assert {command[1] for command in found} == verbs
    end_well(found, folder)


def only_trained(annotations):
    """Drop the actions of classes that no video of the training split has."""
    videos = annotations["database"].values()
    trained = {
        action["label"]
        for video in videos
        if video["subset"] == "training"
        for action in video["annotations"]
    }
    for video in videos:
        video["annotations"] = [each for each in video["annotations"] if each["label"] in trained]
    annotations["classes"] = sorted(trained)


def test_the_modules_of_the_page_on_adding_convert_train_and_score(data, edit_annotations):
    edit_annotations(only_trained)
    for kind, block in blocks("adding.md"):
        if kind:
            path = data / kind.removeprefix('python title="').removesuffix('"')
            path.parent.mkdir(exist_ok=True)
            path.write_text(block)
    (data / "notes.txt").write_text("v1; 1.2 3.4; wave\nv1; 5 8; pour\n")
    found = commands("adding.md")
    assert [command[1] for command in found] == ["convert", "train", "evaluate"]
    end_well(found, data)


def serves(command, folder):
    """That a page is there while the command goes on."""
    with subprocess.Popen(
        [sys.executable, "-P", "-m", *command, "--no-browser"],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            addresses = (re.search(r"http://\S+", line) for line in process.stdout)
            with urlopen(next(filter(None, addresses))[0], timeout=60) as page:
                assert "<title>" in page.read().decode()
        finally:
            process.terminate()


SHORTENED = ("--set", "train.epochs=1", "--set", "train.batch=2")


def shortened(command):
    """The same, trained for a moment only."""
    if command[1] != "train":
        return command
    of_videos = ["--set", "pretrain.steps=2", "--set", "train.head_only_steps=0"]
    return [*command, *SHORTENED, *([] if "runs/features" in command else of_videos)]


def test_the_way_of_the_tutorial_leads_from_videos_to_a_page(data, edit_annotations):
    edit_annotations(only_trained)
    end_well([["untrimmed", "convert", "annotations.json", "times.csv"]], data)
    (data / "recipe.yaml").unlink()
    (data / "new_videos").mkdir()
    video = next((data / "videos").glob("*.mp4"))
    (data / "new_videos" / "match_07.mp4").write_bytes(video.read_bytes())
    found = commands("tutorial.md")
    verbs = ["plan", "train", "prepare", "evaluate", "view", "report", "detect"]
    assert [command[1] for command in found] == verbs
    end_well([shortened(each) for each in found if each[1] != "view"], data)
    serves(next(each for each in found if each[1] == "view"), data)
    python = next(block for kind, block in blocks("tutorial.md") if kind == "python")
    done = subprocess.run(
        [sys.executable, "-c", python], cwd=data, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    end_well(commands("threshold.md"), data)
    end_well(commands("videos.md"), data)


def test_the_commands_of_the_page_on_features_lead_to_detections(tmp_path):
    random = np.random.default_rng(0)
    database = {}
    for folder in ("features", "new_features"):
        (tmp_path / folder).mkdir()
    for n in range(12):
        rows = random.normal(size=(147, 40)).astype(
            np.float32
        )  # of 600 frames, 16 in each, 4 apart
        np.save(tmp_path / ("features" if n < 11 else "new_features") / f"v{n}.npy", rows)
        if n < 11:
            labels = ("wave", "pour")
            times = [{"label": labels[k % 2], "segment": [3.0 * k, 3.0 * k + 2]} for k in range(6)]
            subset = ("training", "validation", "testing")[n % 3]
            database[f"v{n}"] = {"duration": 20.0, "subset": subset, "annotations": times}
    (tmp_path / "truth.json").write_text(json.dumps({"database": database}))
    found = commands("features.md")
    assert [each[1] for each in found] == ["plan", "train", "evaluate", "detect", "plan"]
    end_well(map(shortened, found), tmp_path)


def test_every_page_of_the_site_and_all_that_its_reference_names_is_there():
    site = tomllib.loads((DOCS.parent / "zensical.toml").read_text())["project"]
    listed = set(re.findall(r"[\w/-]+\.md", json.dumps(site["nav"])))
    assert listed == {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}
    pages = "\n".join(path.read_text() for path in (DOCS / "reference").glob("*.md"))
    named = re.findall(r"^::: (\S+)", pages, re.MULTILINE)
    assert named
    assert all(locate(name) for name in named)


def test_every_format_is_in_the_table():
    modules = {
        path.stem
        for path in (DOCS.parent / "src/untrimmed/sources/formats").glob("*.py")
        if path.stem != "__init__"
    }
    rows = re.findall(r"^\| (`[a-z].*?) \|", (DOCS / "formats.md").read_text(), re.MULTILINE)
    assert {name.strip("`") for row in rows for name in row.split(", ")} == modules


def test_every_protocol_is_in_the_table():
    rows = re.findall(r"^\| (`[a-z].*?) \|", (DOCS / "scoring.md").read_text(), re.MULTILINE)
    names = [name.strip("`") for row in rows for name in row.split(", ")]
    whole = {f"epic_kitchens{name}" if name.startswith("_") else name for name in names}
    assert whole == set(PROTOCOLS)
