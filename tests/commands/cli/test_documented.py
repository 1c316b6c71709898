"""The commands in the pages of `docs`, run as they stand there, one after the other."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

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
    return [shlex.split(line) for line in lines if line.startswith("untrimmed ")]


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
