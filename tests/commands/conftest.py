"""A tiny data set of real videos, and a recipe for it that trains in seconds."""

import json
import shutil

import pytest

from untrimmed import api
from untrimmed.demo.dataset import write_demo_data

RECIPE = """
data:
  annotations: annotations.json
  media: videos
  prepared: prepared
  size: [16, 20]
  windows: {fps: 5, clip_frames: 8, clips: 8}
  memory: {keep: 0.25}
  augment: {crop: null, rotation: 0, flip: 0}
model:
  name: tallformer
  encoder: {name: conv3d, channels: [8, 8]}
  head: {name: anchor, width: 8, stacked: 1}
  width: 16
  reduce: 1
  consistency_layers: 1
  consistency_heads: 2
  pyramid_heads: 2
  pyramid_kernels: [3, 3]
  fpn_width: 8
pretrain: {steps: 2, batch: 2}
train: {epochs: 4, batch: 2, validate_every: 2, head_only_steps: 1}
"""


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """Four training, one validation and two test videos, written once."""
    folder = tmp_path_factory.mktemp("drawn")
    videos = {"training": 4, "validation": 1, "testing": 2}
    write_demo_data(folder, seed=3, videos=videos, lengths_s=(8.0, 15.0))
    (folder / "recipe.yaml").write_text(RECIPE)
    return folder


@pytest.fixture(scope="session")
def trained_run(drawn, tmp_path_factory):
    """The folder of a run that was trained for an epoch; tests leave it as it is."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    settings = ["train.epochs=1", "data.prepared=null", "detect.suppression.least_score=0.001"]
    api.train(drawn / "recipe.yaml", folder, settings=settings)
    return folder


@pytest.fixture
def data(drawn, tmp_path):
    """A copy of the data set that a test may spoil."""
    return shutil.copytree(drawn, tmp_path / "data")


@pytest.fixture
def edit_annotations(data):
    """Change the annotation file: takes a function of its content."""

    def edit(change):
        path = data / "annotations.json"
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    return edit
