"""The most memory of a training step, on meta tensors: the same at every clip sampling rate.

A small version of `benchmarks.memory`, which explains how it is followed.
"""

from dataclasses import replace
from functools import cache

import pytest
import torch

from benchmarks.footprint import Footprint
from benchmarks.gpu import TOY, Scale
from benchmarks.memory import WAYS, Trainer
from untrimmed.data.windows import WindowShape
from untrimmed.nn.encoders import video_swin

META = torch.device("meta")
SMALL = video_swin.Config(size=None, embed=24, depths=(1, 1), heads=(1, 2), window=(2, 3, 3))
SHAPE = WindowShape(clip_frames=16, clips=6, stride=2)
MODEL = replace(TOY.model, consistency_layers=1, pyramid_kernels=(3,))
FEW, MANY = 1 / 6, 1.0  # of a window's clips: 2 and 12 in all


@cache
def measured(name, rate, *, at_once=1, frozen=None):
    """One step of a way of training, with that many clips in a call of the encoder."""
    scale = Scale({"small": replace(SMALL, frozen_stages=frozen)}, MODEL, SHAPE, 48, 2)
    way = WAYS[name]._replace(clips_at_once=at_once)
    return Trainer(scale, way, device=META).measured(rate)


def growth(name, **how):
    """Bytes that ten more clips take."""
    return measured(name, MANY, **how).bytes - measured(name, FEW, **how).bytes


@pytest.mark.parametrize("name", ["constant", "constant_block"])
def test_the_peak_is_the_same_at_every_rate(name):
    plain = growth("constant", at_once=None)
    assert plain > 3 * measured("constant", FEW, at_once=None).bytes
    assert growth("block", at_once=None) > 0.1 * plain
    assert growth(name) < 0.002 * plain


def test_checkpoints_inside_make_it_lower():
    assert measured("constant_block", MANY).bytes < 0.8 * measured("constant", MANY).bytes
    assert measured("constant", MANY).bytes < 0.2 * measured("constant", MANY, at_once=None).bytes


def test_it_grows_with_the_clips_of_a_call():
    one, two, four = (measured("constant", MANY, at_once=count).bytes for count in (1, 2, 4))
    assert two - one == pytest.approx((four - two) / 2, rel=0.05)


def test_a_step_computes_at_most_one_more_forward_pass():
    plain, constant = (measured("constant", MANY, at_once=count).flops for count in (None, 1))
    assert 1.25 * plain < constant < 4 / 3 * plain


def test_frozen_stages_are_computed_once():
    trained, frozen = (
        measured("constant", MANY, frozen=stages).flops
        - measured("constant", MANY, at_once=None, frozen=stages).flops
        for stages in (None, 1)
    )
    assert 0 < frozen < 0.6 * trained


def test_the_simulation_counts_what_is_there():
    linear = torch.nn.Linear(3, 5)
    for device in (torch.device("cpu"), META):
        linear.to(device)
        x = torch.zeros(7, 3, device=device)
        with Footprint(device) as footprint:
            footprint.hold(linear.parameters())
            y = linear(x).relu()  # at most: the weights, what linear gives, and y
            assert footprint.most == 4 * (3 * 5 + 5 + 2 * 7 * 5)
            del y
            footprint.reset()
            assert footprint.most == 4 * (3 * 5 + 5)


def test_the_simulation_leaves_out_other_devices():
    with Footprint(META) as footprint:
        torch.zeros(7, 3)
    assert footprint.most == 0


def test_operations_of_matrix_products_are_counted():
    with Footprint(META) as footprint:
        torch.zeros(2, 3, device=META) @ torch.zeros(3, 5, device=META)
    assert footprint.flops == 2 * 2 * 3 * 5
