"""The commands in the pages of `docs`, run as they stand there, one after the other."""

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pydoc import locate
from urllib.request import urlopen

import av
import numpy as np
import pytest

from tests.commands.cli.documented import (
    DOCS,
    NOT_RUN_OF_README,
    OF_FILES,
    WAY,
    blocks,
    commands,
)
from untrimmed.core.annotations import Video
from untrimmed.metrics.protocols import PROTOCOLS
from untrimmed.runs.correcting import Corrections

VIDEOS = {"v1": ([0.6, 0.3], [[1.2, 3.4], [5.1, 8.0]]), "v2": ([0.2, 0.7], [[2.0, 4.5]])}


@pytest.fixture
def folder(tmp_path):
    """The files that the pages on files speak of."""
    write_files(tmp_path)
    return tmp_path


def write_files(folder):
    database, results, scores = {}, {}, {}
    for id, (own, segments) in VIDEOS.items():
        rows = [
            {"label": name, "segment": times}
            for name, times in zip(("wave", "pour"), segments, strict=False)
        ]
        database[id] = {"duration": 10.0, "subset": "test", "annotations": rows}
        results[id] = [{**row, "score": 0.9 - 0.1 * n} for n, row in enumerate(rows)]
        scores[id] = own
    (folder / "truth.json").write_text(json.dumps({"database": database}))
    (folder / "found.json").write_text(json.dumps({"results": results}))
    (folder / "scores.json").write_text(json.dumps({"results": scores}))
    np.save(folder / "rows.npy", np.linspace(0, 1, 20, dtype=np.float32).reshape(2, 10))


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


@pytest.mark.parametrize("page", OF_FILES)
def test_every_command_on_files_ends_well(page, folder):
    end_well(commands(page), folder)


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
    end_well(commands("adding.md"), data)


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


def bring_films(data):
    """Videos under the names that pages give them, and one as numbered pictures."""
    films = sorted((data / "videos").glob("training*.mp4"))
    for name in ("new_videos", "folder", "shots", "pictures"):
        (data / name).mkdir()
    for number, film in enumerate(films):
        shutil.copyfile(film, data / "new_videos" / f"match_{number + 7:02d}.mp4")
    shutil.copyfile(films[0], data / "match.mp4")
    shutil.copyfile(films[1], data / "folder" / "final.mp4")
    shutil.copyfile(films[2], data / "shots" / "close.mkv")
    with av.open(str(films[0])) as container:
        for number, frame in enumerate(container.decode(video=0)):
            frame.to_image().save(data / "pictures" / f"{number:04d}.png")


def correct(found):
    """What a reader does in the page: every video has one action, of a class that is new."""
    kept = Corrections(found / "corrections.json", classes=())
    for file in sorted((found.parent / "new_videos").iterdir()):
        kept.put(Video(id=file.stem, duration_s=8.0), [[1.0, 3.0, "pick up"]])


def test_the_way_from_videos_to_a_page_and_on(data, edit_annotations):
    edit_annotations(only_trained)
    end_well([["untrimmed", "convert", "annotations.json", "times.csv"]], data)
    (data / "recipe.yaml").unlink()
    write_files(data)
    bring_films(data)
    run = {" ".join(command) for page in WAY for command in commands(page)}
    for page in WAY:
        if page == "report.md":
            shutil.copytree(data / "runs" / "first", data / "runs" / "second")
        if page == "detecting.md":
            correct(data / "found")
        for command in commands(page):
            words = " ".join(command)
            if words in run - set(NOT_RUN_OF_README):
                run.remove(words)  # once, however many pages have it
                if command[1] == "view":
                    serves(command, data)
                else:
                    end_well([shortened(command)], data)
    python = next(block for kind, block in blocks("tutorial.md") if kind == "python")
    done = subprocess.run(
        [sys.executable, "-c", python], cwd=data, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


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
    end_well(map(shortened, commands("features.md")), tmp_path)


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
