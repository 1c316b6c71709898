"""Every model that comes with the package is one graph for all lengths.

Here it is run in PyTorch; `tests.commands.exporting` has some of them in ONNX, and
`untrimmed export` compares whatever it writes.
"""

import math

import jaxtyping
import pytest
import torch

from untrimmed.core.config import load
from untrimmed.core.grid import TimeGrid
from untrimmed.detect.agreement import difference
from untrimmed.detect.graphs import Encoding, Lengths, Locating, Padding, traced
from untrimmed.detect.postprocess import Suppression, detections, found
from untrimmed.models import actionformer, afsd, daotad, tallformer
from untrimmed.nn.encoders import (
    conv3d,
    i3d,
    mobilenet_tsm,
    resnet3d,
    video_swin,
)
from untrimmed.runs.exporting import padding_rule
from untrimmed.tensors import Candidates

CHANNELS, CELLS, CLASSES, BOUND = 8, 24, 3, 1e-4
EVERY = Suppression(method="none", most=2000, least_score=1e-7)

REFINED = {"name": "refined_point", "stacked": 1, "groups": 2, "steps": 2}
REFINED |= {"ranges": [[0.0, 12.0], [6.0, 96.0]]}
ON_CLIPS = {"encoder": {"name": "conv3d", "channels": [8, CHANNELS]}}
TALLFORMER = ON_CLIPS | {
    "head": {"name": "anchor", "width": 4, "stacked": 1, "scales": 2, "top_k": 20},
    "width": 8,
    "reduce": 2,
    "consistency_layers": 1,
    "consistency_heads": 2,
    "pyramid_heads": 2,
    "pyramid_kernels": [3],
    "fpn_width": 4,
}
CONVOLUTIONAL = TALLFORMER | {
    "head": REFINED,
    "pyramid": "convolutional",
    "pyramid_levels": 2,
    "groups": 4,
    "fpn_norm": "group",
}
ACTIONFORMER = {
    "width": 8,
    "embed_layers": 1,
    "stem_layers": 1,
    "branch_layers": 1,
    "heads": 2,
    "window": 3,
    "head": {"name": "point", "width": 4, "layers": 2, "ranges": [[0, 8], [8, 1000]], "top_k": 30},
}
MODELS = {
    "afsd": (afsd, ON_CLIPS | {"head": REFINED | {"most": None}, "levels": 2, "groups": 2}),
    "daotad": (
        daotad,
        ON_CLIPS | {"head": TALLFORMER["head"], "levels": 3, "width": 8, "fpn_width": 4},
    ),
    "tallformer": (tallformer, TALLFORMER),
    "tallformer of videos": (tallformer, CONVOLUTIONAL | {"video_class": {"likeliest": 2}}),
    "tallformer of the paper": (
        tallformer,
        TALLFORMER | {"video_class": {"features": "consistency"}, "reduce": 1},
    ),
    "actionformer": (actionformer, ACTIONFORMER),
    "without attention": (actionformer, ACTIONFORMER | {"backbone": "conv"}),
    "fpn": (actionformer, ACTIONFORMER | {"neck": "fpn", "neck_width": 6}),
    "relative positions": (actionformer, ACTIONFORMER | {"relative_positions": True}),
    "absolute positions": (actionformer, ACTIONFORMER | {"absolute_positions": True}),
    "all cells": (actionformer, ACTIONFORMER | {"window": [3, None], "neck_norm": False}),
    "blind": (
        actionformer,
        ACTIONFORMER | {"blind": True, "head": ACTIONFORMER["head"] | {"blind": True}},
    ),
    "coarser": (
        actionformer,
        ACTIONFORMER
        | {"scale_factor": 4, "first_level": 1, "project": [5, 3]}
        | {"head": ACTIONFORMER["head"] | {"ranges": [[0, 1000]]}},
    ),
}


@pytest.fixture(autouse=True)
def _unknown_lengths(monkeypatch):
    """While it is traced, a length is no int; shapes are checked elsewhere."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


def built(name):
    """Untrained, with weights that say something; and to what length it pads features."""
    module, settings = MODELS[name]
    config = load(module.Config, settings)
    torch.manual_seed(0)
    if module is actionformer:
        channels = [CHANNELS] if config.project is None else [CHANNELS - 2, 2]
        detector = config.build(CLASSES, cells=CELLS, channels=channels)
        padded = config.padded
    else:
        detector, padded = config.build(CLASSES, cells=CELLS), None
    with torch.no_grad():
        for weight in detector.parameters():
            weight += 0.2 * torch.randn(weight.shape)
    return detector.eval(), padded


def looked(run, features, cells):
    candidates = Candidates(*run(features, torch.tensor([cells])))
    grid = TimeGrid(first_s=0.5, step_s=1.0, length=features.shape[2])
    some = found(candidates, grid, least_score=EVERY.least_score)
    return detections([some], duration_s=cells + 1.0, config=EVERY)


@pytest.mark.parametrize("name", MODELS)
@torch.no_grad()
def test_the_graph_of_a_model_finds_what_the_model_finds(name):
    detector, padded = built(name)
    graph = locating = Locating(detector).eval()
    if padded is None:
        graph = Padding(locating, unit=math.lcm(*detector.temporal.strides)).eval()
        lengths, tried = Lengths(1, CELLS), ((1, 1), (17, 17), (24, 11))
    else:
        lengths, tried = padding_rule(padded, cells=CELLS), ((32, 32), (96, 81))
    run = traced(graph, (CHANNELS,), lengths=lengths).module()
    for length, cells in tried:
        features = torch.randn(1, CHANNELS, length)
        wanted, got = (looked(each, features, cells) for each in (locating, run))
        assert len(wanted) >= (5 if cells > 1 else 1)
        distance = difference(
            wanted, got, least_score=EVERY.least_score, most=EVERY.most, bound=1e-8
        )
        assert distance < BOUND, (length, cells)


ENCODERS = {
    "conv3d": (conv3d, {"channels": [8, 8]}, (4, 12, 14)),
    "i3d": (i3d, {"projection": 32, "map_size": [1, 2]}, (16, 32, 64)),
    "resnet3d": (
        resnet3d,
        {"width": 4, "temporal": [[True], [False], [True, False], [True]]},
        (16, 32, 40),
    ),
    "mobilenet_tsm": (mobilenet_tsm, {"width": 0.1, "stride": 3, "seen": 2}, (6, 32, 40)),
    "mobilenet_tsm of TensorFlow": (mobilenet_tsm, {"width": 0.1, "padding": "ceil"}, (8, 34, 40)),
    "video_swin": (
        video_swin,
        {"size": None, "embed": 4, "depths": [2, 2], "heads": [1, 2], "window": [2, 3, 3]},
        (6, 24, 40),
    ),
    "video_swin of convolutions": (
        video_swin,
        {"size": None, "embed": 4, "depths": [1], "heads": [2], "window": [2, 3, 3]}
        | {"stem": "conv", "index": "exact"},
        (6, 24, 40),
    ),
}


@pytest.mark.parametrize("name", ENCODERS)
@torch.no_grad()
def test_the_graph_of_an_encoder_gives_what_the_encoder_gives(name):
    module, settings, size = ENCODERS[name]
    torch.manual_seed(0)
    encoding = Encoding(load(module.Config, settings).build()).eval()
    run = traced(encoding, (3, *size), lengths=Lengths(1, None)).module()
    for clips in (1, 3):
        frames = torch.randint(256, (clips, 3, *size), dtype=torch.uint8)
        wanted = encoding(frames)
        scale = wanted.abs().max()
        assert scale > 0
        torch.testing.assert_close(run(frames) / scale, wanted / scale, atol=BOUND, rtol=0)
