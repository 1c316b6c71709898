"""DaoTAD as a whole, from pixels to the head, against the authors' code.

Weights and pixels are computed from their names and a seed; what the authors' network, in float64
and a sixteenth as wide or less, makes of them stands here.
"""

import numpy as np
import pytest
import torch

from untrimmed.models import daotad
from untrimmed.nn.encoders import resnet3d
from untrimmed.nn.heads import anchor
from untrimmed.tensors import Clips, Padded

SEED, GAIN = 5, 1.5
CLASSES, CELLS = 3, 26

# Of each level, finest first: mean size of the logits and one of them, and the same of the deltas.
RAW = {
    "eval": [
        [15.91616044, -46.15461692, 17.88300765, 2.02584271],
        [39.44549551, -61.49904827, 8.49396497, -12.14053046],
        [22.1641554, -60.56572202, 5.14241837, -2.51224292],
        [14.53133802, -34.44908243, 2.26124752, -3.8537968],
        [1.30942362, -1.85155453, 0.89215237, -1.34310548],
    ],
    "train": [
        [0.98167746, -1.41729161, 0.68934219, -0.46433638],
        [0.97194941, -1.12214525, 0.5999339, -0.82594521],
        [0.89327642, -1.83362504, 0.66748498, 0.20796285],
        [0.93090348, -0.92851791, 0.53614834, -0.35396174],
        [0.73656952, -1.24066537, 0.54273911, 0.31219957],
    ],
}

# Norms of the gradients of the mean squares of all these, added up.
GRADIENTS = {
    "backbone.layer2.0.conv1.conv.weight": {"eval": 7038.752915650445, "train": 40.92777127603257},
    "backbone.layer4.2.conv3.bn.bias": {"eval": 122.13223357252444, "train": 0.4476863464862982},
    "neck.1.layer1.0.conv.weight": {"eval": 47722.26784971322, "train": 183.20540546278153},
    "neck.1.layer4.0.bn.weight": {"eval": 1025.4433195688741, "train": 6.174264464672643},
    "neck.2.lateral_convs.0.conv.weight": {"eval": 7956.100808028774, "train": 2.197979342702678},
    "neck.2.fpn_convs.4.bn.weight": {"eval": 4.8105711479910545, "train": 0.994081397242047},
    "head.reg_convs.3.conv.weight": {"eval": 1866.9594403207664, "train": 2.908112382354844},
}


def theirs(name):
    """The authors' name of one of our entries of the neck and head, or of the encoder."""
    parts = name.split(".")
    leaf = f"{ {'conv': 'conv', 'norm': 'bn'}.get(parts[-2]) }.{parts[-1]}"
    match parts:
        case ["encoder", "stem", *_]:
            return f"backbone.conv1.{leaf}"
        case ["encoder", "stages", stage, block, "convs", conv, *_]:
            return f"backbone.layer{int(stage) + 1}.{block}.conv{int(conv) + 1}.{leaf}"
        case ["encoder", "stages", stage, block, "shortcut", *_]:
            return f"backbone.layer{int(stage) + 1}.{block}.downsample.{leaf}"
        case ["temporal", "parts", "0", "stages", number, *_]:
            return f"neck.1.layer{int(number) + 1}.0.{leaf}"
        case ["temporal", "parts", "1", kind, number, *_]:
            kind = {"laterals": "lateral_convs", "outputs": "fpn_convs"}[kind]
            return f"neck.2.{kind}.{number}.{leaf}"
        case ["head", ("score_tower" | "delta_tower") as tower, kind, number, leaf]:
            tower = {"score_tower": "cls_convs", "delta_tower": "reg_convs"}[tower]
            return f"head.{tower}.{number}.{ {'convs': 'conv', 'norms': 'bn'}[kind] }.{leaf}"
        case ["head", ("logits" | "deltas") as output, leaf]:
            return f"head.{ {'logits': 'retina_cls', 'deltas': 'retina_reg'}[output] }.{leaf}"
    raise AssertionError(name)


@pytest.fixture
def detector(procedural):
    config = daotad.Config(
        encoder=resnet3d.Config(width=4, frozen_stages=1),
        head=anchor.Config(width=8, scales=2, delta_clamp=None),
        width=16,
        fpn_width=8,
    )
    detector = config.build(CLASSES, cells=CELLS).double()
    state = {
        theirs(name): value
        if name.endswith("num_batches_tracked")
        else torch.from_numpy(procedural(theirs(name), tuple(value.shape), seed=SEED, gain=GAIN))
        for name, value in detector.state_dict().items()
    }
    detector.load_state_dict(daotad.rename(state))
    return detector


def raw_of(detector):
    pixels = np.random.RandomState(SEED).randint(0, 256, (2, 3, 8 * CELLS, 36, 40))
    frames = torch.from_numpy(pixels.astype(np.uint8))[:, None]
    memory = Padded.whole(torch.zeros(2, 128, CELLS).double())
    return detector(Clips(frames, torch.zeros(2, 1).long(), memory)).raw


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_pixels_give_what_the_authors_give(detector, mode):
    raw = raw_of(detector.train(mode == "train"))
    for logits, deltas, wanted in zip(raw.logits, raw.deltas, RAW[mode], strict=True):
        given = (logits.abs().mean(), logits[1, 2, 1], deltas.abs().mean(), deltas[1, 3, 1])
        np.testing.assert_allclose([value.item() for value in given], wanted, rtol=1e-5)


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_gradients_are_the_authors(detector, mode):
    raw = raw_of(detector.train(mode == "train"))
    sum(values.square().mean() for values in (*raw.logits, *raw.deltas)).backward()
    for key, wanted in GRADIENTS.items():
        (name,) = daotad.rename({key: torch.empty(0)})
        given = float(detector.get_parameter(name).grad.norm())
        assert given == pytest.approx(wanted[mode], rel=1e-5)
