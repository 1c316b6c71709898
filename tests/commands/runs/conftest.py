"""A recipe of which no encoder need be formed, the folder of its run, and damage to its videos."""

import pytest

from untrimmed.recipes.recipe import read_recipe
from untrimmed.runs.folder import RunFolder


@pytest.fixture
def recipe(data):
    """Reads the recipe with some settings; without an encoder to form if they say nothing of it."""

    def with_settings(*settings):
        return read_recipe(data / "recipe.yaml", settings=["pretrain=null", *settings])

    return with_settings


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "run")


@pytest.fixture
def damage(data):
    """Overwrites a part of the files of some videos, in place; gives what mends them."""

    def damaged(*videos, begin=0.4, end=0.6):
        paths = [data / "videos" / f"{video}.mp4" for video in videos]
        whole = {path: path.read_bytes() for path in paths}
        for path, content in whole.items():
            first, last = int(begin * len(content)), int(end * len(content))
            with path.open("r+b") as file:
                file.seek(first)
                file.write(b"\xff" * (last - first))
        return lambda: [path.write_bytes(content) for path, content in whole.items()]

    return damaged
