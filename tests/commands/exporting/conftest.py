"""Small runs that were never trained, and what the page on exporting makes of them.

The outputs of the page are fixtures of their own, for each takes seconds to write.
"""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

from tests.commands.cli.documented import commands
from untrimmed.recipes.recipe import read_recipe
from untrimmed.runs.dataset import read_annotations
from untrimmed.runs.folder import RunFolder
from untrimmed.runs.networks import build_detector
from untrimmed.train.state import save_weights

ON_VIDEOS = """
data:
  annotations: annotations.json
  media: videos
  size: [16, 20]
  windows: {fps: 5, clip_frames: 8, clips: 9}
  augment: {crop: [14, 18], rotation: 0, flip: 0}
model:
  name: tallformer
  encoder: {name: conv3d, channels: [8, 8]}
  head: {name: anchor, width: 8, stacked: 1, top_k: 60}
  width: 16
  reduce: 1
  consistency_layers: 1
  consistency_heads: 2
  pyramid_heads: 2
  pyramid_kernels: [3]
  fpn_width: 8
"""

ON_ONE_CLIP = """
data:
  annotations: annotations.json
  media: videos
  size: [16, 20]
  windows: {squeeze: 48, clip_frames: 48, shift: false}
  memory: null
  augment: {crop: null, rotation: 0, flip: 0}
  splits: {validation: null}
model:
  name: afsd
  encoder: {name: conv3d, channels: [8, 8]}
  head: {name: refined_point, stacked: 1, groups: 2, steps: 2, ranges: [[0, 30], [15, 96]]}
  levels: 2
  groups: 2
detect: {suppression: {method: soft_nms, least_score: 0.001, most: 200}}
"""

ON_FEATURES = """
data:
  annotations: annotations.json
  features: [{path: features}]
  grid: {fps: 10, clip_frames: 8, step_frames: 4}
  cells: 40
  splits: {validation: null}
model:
  name: actionformer
  width: 8
  embed_layers: 1
  stem_layers: 1
  branch_layers: 1
  heads: 2
  window: 5
  head: {name: point, width: 8, layers: 2, ranges: [[0, 8], [8, 1000]], top_k: 50}
detect: {suppression: {method: soft_nms, least_score: 0.001, most: 60}}
"""

LENGTHS = {"a": 31, "b": 40, "c": 77, "d": 130}


def untrained(recipe, folder):
    """The folder of a run whose weights say something, though nothing was learnt."""
    folder, classes = RunFolder(folder), read_annotations(recipe.data).classes
    detector = build_detector(recipe, classes=len(classes), channels=[6])
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for weight in detector.parameters():
            weight += 0.2 * torch.randn(weight.shape, generator=generator)
    folder.start(recipe, classes)
    save_weights(detector, folder.last)
    return folder


@pytest.fixture(scope="session")
def on_videos(drawn, tmp_path_factory):
    recipe = tmp_path_factory.mktemp("on_videos") / "recipe.yaml"
    recipe.write_text(ON_VIDEOS)
    settings = [f"data.annotations={drawn}/annotations.json", f"data.media={drawn}/videos"]
    return untrained(read_recipe(recipe, settings=settings), recipe.parent / "run")


@pytest.fixture(scope="session")
def on_one_clip(drawn, tmp_path_factory):
    recipe = tmp_path_factory.mktemp("on_one_clip") / "recipe.yaml"
    recipe.write_text(ON_ONE_CLIP)
    settings = [f"data.annotations={drawn}/annotations.json", f"data.media={drawn}/videos"]
    return untrained(read_recipe(recipe, settings=settings), recipe.parent / "run")


@pytest.fixture(scope="session")
def on_features(tmp_path_factory):
    folder = tmp_path_factory.mktemp("on_features")
    (folder / "features").mkdir()
    random, database = np.random.default_rng(2), {}
    for name, cells in LENGTHS.items():
        rows = random.standard_normal((cells, 6)).astype(np.float32)
        np.save(folder / "features" / f"{name}.npy", rows)
        rows = [{"label": label, "segment": [1.0, 2.0]} for label in ("run", "sit")]
        database[name] = {"subset": "testing", "duration": cells * 0.4 + 0.4, "annotations": rows}
    (folder / "annotations.json").write_text(json.dumps({"database": database}))
    (folder / "recipe.yaml").write_text(ON_FEATURES)
    recipe = read_recipe(folder / "recipe.yaml")
    return untrained(recipe, folder / "run")


@pytest.fixture(scope="session")
def written(drawn, on_videos, on_features, tmp_path_factory):
    """A function that runs the commands of the page that name a file, and gives their folder."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "runs").mkdir()
    shutil.copytree(on_videos.path, folder / "runs" / "first")
    shutil.copytree(on_features.path, folder / "runs" / "features")
    shutil.copyfile(next((drawn / "videos").glob("testing*")), folder / "video.mp4")
    shutil.copyfile(on_features.path.parent / "features" / "c.npy", folder / "video.npy")

    def run(file):
        for command in commands("export.md"):
            if file in command:
                done = subprocess.run(
                    [sys.executable, "-m", *command],
                    cwd=folder,
                    capture_output=True,
                    text=True,
                    timeout=900,
                    check=False,
                )
                assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
                assert done.stdout
        return folder

    return run


@pytest.fixture(scope="session")
def of_features(written):
    written("features.pt2")
    return written("features.onnx")


@pytest.fixture(scope="session")
def of_videos(written):
    return written("first.onnx")


@pytest.fixture(scope="session")
def apart(written):
    return written("first-apart")
