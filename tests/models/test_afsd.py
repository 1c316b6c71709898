"""AFSD as it is put together."""

import pytest
import torch

from untrimmed.core.config import dump, load
from untrimmed.models import afsd
from untrimmed.nn.encoders import conv3d
from untrimmed.nn.heads import refined_point
from untrimmed.nn.protocols import Encoder, Head, Temporal
from untrimmed.tensors import Clips, Padded, Targets

CELLS, CLASSES = 16, 2

CONFIG = afsd.Config(
    encoder=conv3d.Config(channels=(8, 16)),
    head=refined_point.Config(
        groups=4, steps=2, unit=0.5, most=None, ranges=((0.0, 12.0), (6.0, 24.0), (12.0, 96.0))
    ),
    levels=3,
    groups=4,
)


@pytest.fixture
def detector():
    torch.manual_seed(0)
    return CONFIG.build(CLASSES, cells=CELLS)


def window():
    """Of one clip, as AFSD has it."""
    torch.manual_seed(1)
    frames = torch.randint(256, (2, 1, 3, 2 * CELLS, 12, 10), dtype=torch.uint8)
    memory = Padded.whole(torch.zeros(2, 16, CELLS))
    return Clips(frames, torch.zeros(2, 1).long(), memory)


def test_it_is_made_of_what_the_protocols_ask_for(detector):
    assert isinstance(detector.encoder, Encoder)
    assert isinstance(detector.temporal, Temporal)
    assert isinstance(detector.head, Head)
    assert (detector.temporal.channels, detector.temporal.strides) == (16, (1, 2, 4))


def test_a_window_gives_a_candidate_for_every_position(detector):
    candidates = detector.head.candidates(detector(window()).raw)
    assert candidates.segments.shape == (2, 16 + 8 + 4, 2)
    assert candidates.scores.shape == (2, 16 + 8 + 4, CLASSES)


def test_every_parameter_gets_a_gradient(detector):
    for weight in detector.head.parameters():  # the first values of the head are all but zero
        if weight.ndim > 1:
            torch.nn.init.xavier_uniform_(weight)
    actions = [
        Targets(torch.tensor([[1.0, 5.0], [2.0, 15.0], [6.0, 14.0]]), torch.tensor([0, 1, 1]))
    ] * 2
    sum(detector.head.loss(detector(window()).raw, actions).values()).backward()
    missing = [
        name for name, p in detector.named_parameters() if p.grad is None or not p.grad.any()
    ]
    assert missing == []


def test_settings_are_read_by_name():
    config = load(afsd.Config, {"encoder": {"name": "i3d", "projection": 256}, "levels": 5})
    assert config.encoder.projection == 256
    assert config.head == afsd.Config().head
    assert load(afsd.Config, dump(config)) == config


def test_published_weights_have_their_places():
    with torch.device("meta"):
        detector = afsd.Config().build(1, cells=96)
    shapes = {
        "coarse_pyramid_detection.pyramids.0.0.conv3d.weight": (512, 1024, 1, 3, 3),
        "coarse_pyramid_detection.pyramids.0.1.bias": (512,),
        "coarse_pyramid_detection.pyramids.5.0.conv1d.bias": (512,),
        "coarse_pyramid_detection.pyramids.1.1.weight": (512,),
        "coarse_pyramid_detection.loc_heads.5.scale": (1,),
        "coarse_pyramid_detection.deconv.6.conv1d.weight": (512, 512, 1),
        "coarse_pyramid_detection.conf_proposal_branch.proposal_conv.0.conv1d.weight": (
            512,
            2048,
            1,
        ),
        "backbone._model.Mixed_4f.b1b.conv3d.weight": (320, 160, 3, 3, 3),
    }
    state = {key: tuple(value.shape) for key, value in detector.state_dict().items()}
    renamed = afsd.rename({key: torch.empty(shape) for key, shape in shapes.items()})
    assert len(renamed) == len(shapes)
    for name, value in renamed.items():
        assert state[name] == tuple(value.shape)


@pytest.mark.parametrize(
    "key", ["neck.0.weight", "coarse_pyramid_detection.pyramids.0.2.weight", "backbone.fc.bias"]
)
def test_foreign_weights_are_refused(key):
    with pytest.raises(ValueError, match="not"):
        afsd.rename({key: torch.zeros(1)})


def test_windows_that_cannot_be_halved_so_often_are_refused():
    with pytest.raises(ValueError, match="a window of 18 cells cannot be halved 2 times"):
        CONFIG.build(CLASSES, cells=18)


@pytest.mark.parametrize("setting", ["levels", "clips_at_once"])
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(ValueError, match=f"^{setting}: wanted a number above 0"):
        afsd.Config(**{setting: 0})
