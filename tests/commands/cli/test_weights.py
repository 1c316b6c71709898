"""The command `untrimmed weights`, as far as it needs no network."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from untrimmed.recipes.weights import PUBLIC


@pytest.fixture
def run(tmp_path):
    """The command, with a cache of its own: status, output, errors."""

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", "untrimmed", "weights", *map(str, arguments)],
            env={**os.environ, "XDG_CACHE_HOME": str(tmp_path), "LOCALAPPDATA": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture
def cache(tmp_path):
    folder = tmp_path / "untrimmed" / "weights"
    folder.mkdir(parents=True)
    return folder


def test_the_list_has_all_weights_and_says_where_they_are_kept(run, cache):
    status, output, errors = run("list")
    assert status == 0
    assert [line.split()[0] for line in output.splitlines()[1:]] == list(PUBLIC)
    assert str(cache) in errors


def test_weights_that_are_here_are_shown_with_what_a_recipe_says(run, cache):
    file = cache / PUBLIC["video_swin_tiny_k400"].file
    file.write_bytes(b"weights")
    status, output, _ = run("get", "video_swin_tiny_k400")
    assert status == 0
    assert f"weights: {file}" in output
    assert "none is published" in output
    assert "encoder: {name: video_swin, size: tiny}" in output
    assert "encoder_weights: {name: video_swin_tiny_k400}" in output


def test_weights_in_another_folder_are_shown_with_their_path(run, tmp_path):
    file = tmp_path / PUBLIC["video_swin_tiny_k400"].file
    file.write_bytes(b"weights")
    _, output, _ = run("get", "video_swin_tiny_k400", "--to", tmp_path)
    assert f"encoder_weights: {{path: {file}}}" in output


def test_a_file_that_is_not_what_was_published_is_named(run, cache):
    (cache / PUBLIC["swin3d_t"].file).write_bytes(b"weights")
    status, _, errors = run("get", "swin3d_t")
    assert status == 2
    assert "swin3d_t-7615ae03.pth: not what was published" in " ".join(errors.split())


def test_a_name_that_is_none_is_answered_with_those_there_are(run):
    status, _, errors = run("get", "swin")
    assert status == 2
    assert "no public weights are called swin; there are: video_swin_tiny_k400" in errors


def test_help_gives_an_example(run):
    for verb in ("list", "get"):
        status, output, _ = run(verb, "--help")
        assert status == 0
        assert f"Example: untrimmed weights {verb}" in " ".join(output.split())


def test_the_list_needs_no_torch():
    code = "import sys; from untrimmed.runs import weights; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_page_lists_every_file():
    page = (Path(__file__).parents[3] / "docs" / "weights.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| `(.*?)` \|.*\]\((\S+?)\), from", page, re.MULTILINE)
    assert rows == [(name, weights.encoder, weights.url) for name, weights in PUBLIC.items()]
