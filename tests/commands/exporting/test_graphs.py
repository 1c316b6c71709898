"""Graphs that were exported find what PyTorch finds, at lengths that they were not made at."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.commands.cli.documented import commands
from untrimmed import api
from untrimmed.core.errors import UserError
from untrimmed.core.grid import TimeGrid
from untrimmed.detect.agreement import difference
from untrimmed.detect.exported import opened, stand_in
from untrimmed.detect.sequence import detect_sequence
from untrimmed.models import actionformer
from untrimmed.runs.exporting import BOUND, padding_rule
from untrimmed.runs.samples import samples, start_of
from untrimmed.tensors import Candidates

PAGE = Path(__file__).parents[3] / "docs" / "export.md"


def distance(a, b, suppression):
    assert len(a) > 5
    least = max(suppression.least_score, suppression.min_score)
    return difference(a, b, least_score=least, most=suppression.most, bound=BOUND)


@pytest.mark.parametrize("file", ["features.onnx", "features.pt2"])
@pytest.mark.parametrize("cells", [3, 40, 57, 300])
def test_a_graph_of_actionformer_finds_what_pytorch_finds_at_any_length(
    of_features, on_features, file, cells
):
    recipe = on_features.read_recipe()
    chosen = samples(on_features, recipe)
    copy = stand_in(chosen.detector, encode=None, locate=opened(of_features / file))
    features = torch.randn(6, cells, generator=torch.Generator().manual_seed(cells))
    found = [
        detect_sequence(
            network,
            features,
            grid=TimeGrid(first_s=0.4, step_s=0.4, length=cells),
            duration_s=0.4 * cells + 0.4,
            length=recipe.model.padded(cells, cells=40),
            suppression=recipe.detect.suppression,
        )
        for network in (chosen.detector, copy)
    ]
    assert distance(*found, recipe.detect.suppression) < BOUND


@pytest.mark.parametrize("clips", [1, 4, 9])
def test_a_graph_of_tallformer_finds_in_the_clips_of_a_window_what_detect_finds(
    of_videos, on_videos, clips
):
    recipe = on_videos.read_recipe()
    chosen = samples(on_videos, recipe)
    sample = chosen.videos[0]
    with start_of(sample, recipe, chosen.detector, clips=clips) as start:
        found = start.look(opened(of_videos / "first.onnx"), recipe)
    # The same clips by the parts of PyTorch, in a window that is padded to its full length.
    with torch.inference_mode():
        features = chosen.detector.encoder(start.frames).transpose(0, 1).flatten(1)
    wanted = detect_sequence(
        chosen.detector,
        features[:, : start.cells],
        grid=start.grid,
        duration_s=start.duration_s,
        length=36,
        suppression=recipe.detect.suppression,
    )
    assert distance(wanted, found, recipe.detect.suppression) < BOUND


def test_encoder_and_locator_find_in_whole_videos_what_detect_finds(apart, on_videos):
    recipe = on_videos.read_recipe()
    chosen = samples(on_videos, recipe)
    folder = apart / "first-apart"
    copy = stand_in(
        chosen.detector,
        encode=opened(folder / "encoder.onnx"),
        locate=opened(folder / "locator.onnx"),
    )
    longer = replace(recipe, detect=replace(recipe.detect, clips_at_once=3))
    for sample in chosen.videos:
        wanted, found = sample.look(chosen.detector, recipe), sample.look(copy, longer)
        assert distance(wanted, found, recipe.detect.suppression) < BOUND


def test_a_detector_of_one_clip_is_exported_with_the_boundaries_that_it_looks_at(
    on_one_clip, tmp_path
):
    command = ["untrimmed", "export", str(on_one_clip.path), "-o", "first.onnx"]
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    about = json.loads((tmp_path / "first.onnx.json").read_text())
    assert about["graphs"]["detector"]["length"] == {"least": 1, "most": 1, "unit": 1}
    assert all(each["found"] > 5 and each["candidates"] < BOUND for each in about["checked"])


def test_padding_has_no_influence_on_a_graph(apart):
    run = opened(apart / "first-apart" / "locator.onnx")
    features = torch.randn(1, 8, 20, generator=torch.Generator().manual_seed(1))
    spoilt = features.clone()
    spoilt[..., 13:] = 100
    for a, b in zip(*(run(x, torch.tensor([13])) for x in (features, spoilt)), strict=True):
        assert torch.equal(a, b)


def test_the_description_of_a_graph_of_features_says_what_it_needs(of_features):
    about = json.loads((of_features / "features.onnx.json").read_text())
    assert about["graphs"]["detector"] == {
        "file": "features.onnx",
        "length": {"least": 40, "most": None, "unit": 8},
    }
    assert about["time"] == {"first_s": 0.4, "step_s": 0.4}
    assert [each["length"] for each in about["checked"]] == [40, 80, 136]
    assert all(each["detections"] < BOUND for each in about["checked"])


def test_the_description_of_a_graph_of_videos_says_what_it_needs(of_videos):
    about = json.loads((of_videos / "first.onnx.json").read_text())
    assert about["graphs"]["detector"]["length"] == {"least": 1, "most": 9, "unit": 1}
    assert about["video"] == {"fps": 5.0, "most_frames": None, "size": [16, 20], "crop": [14, 18]}
    assert about["time"]["step_s"] == 2 / 5


def test_the_program_of_the_page_finds_the_surest_action(of_features, on_features):
    (program,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=of_features, capture_output=True, text=True, check=True
    )
    (sample,) = (
        each for each in samples(on_features, on_features.read_recipe()).videos if each.video == "c"
    )
    recipe = on_features.read_recipe()
    found = sample.look(samples(on_features, recipe).detector, recipe)
    start_s, end_s, name = re.match(r"\[ *(\S+) +(\S+)\] (\w+)", done.stdout).groups()
    np.testing.assert_allclose(
        np.clip([float(start_s), float(end_s)], 0, 0.4 * 77 + 0.4), found.segments_s[0], atol=1e-4
    )
    assert name == ("run", "sit")[found.labels[0]]


def test_every_command_of_the_page_is_run_by_a_test():
    files = {"features.onnx", "features.pt2", "first.onnx", "first-apart", "first-bundle"}
    assert all(files & set(command) for command in commands("export.md"))


def test_lengths_are_those_to_which_a_model_pads():
    model = actionformer.Config(branch_layers=2, window=5)
    rule = padding_rule(model.padded, cells=48)
    assert rule == (48, None, 16)


def test_a_run_on_features_has_no_encoder_to_be_apart(on_features, tmp_path):
    with pytest.raises(UserError, match="no encoder"):
        api.export(on_features.path, tmp_path / "out", apart=True)
    assert not (tmp_path / "out").exists()


def test_candidates_keep_their_names_in_onnx(of_features):
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(of_features / "features.onnx")
    assert tuple(each.name for each in session.get_outputs()) == Candidates._fields
