"""DaoTAD: RGB Stream Is Enough for Temporal Action Detection.

Wang et al., 2021 (arXiv 2107.04362): an I3D on a ResNet-50, trained end to end on windows that are
one clip each, a pyramid of strided convolutions, and a head with anchors.  TALLFormer took pyramid
and head from it.  mAP on THUMOS14 at tIoU 0.3 / 0.5 / 0.7 and average over 0.3 ... 0.7:

    TALLFormer's paper, table 3     62.8 / 53.8 / 30.1   50.0
    here                            not measured

This file says what the network is.  How it is trained is not its business.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from torch import Tensor, nn

from untrimmed.core.bounds import above_0
from untrimmed.core.config import Choice
from untrimmed.nn.detector import Detector
from untrimmed.nn.encoders import resnet3d
from untrimmed.nn.heads import anchor
from untrimmed.nn.layers.conv import Conv
from untrimmed.nn.names.anchor import rename as rename_head
from untrimmed.nn.temporal.chain import Chain
from untrimmed.nn.temporal.fpn import FPN
from untrimmed.nn.temporal.strided_pyramid import StridedPyramid


@dataclass(frozen=True, kw_only=True)
class Config:
    """A DaoTAD.

    Args:
        encoder, head: modules of `nn.encoders` and `nn.heads` by name, or their `Config`.
        levels: of the pyramid; the finest has the cells and the channels of the encoder.
        width: channels of the others.
        fpn_width: channels that the head sees.
        clips_at_once: clips in one call of the encoder, all if null.  What these take is the most
            that a step takes; if there are more, all but the last call are made twice in training.
            By default what the authors have on a GPU, 4 windows.
    """

    encoder: Annotated[Any, Choice("untrimmed.nn.encoders")] = field(
        default_factory=lambda: resnet3d.Config(frozen_stages=1)
    )
    head: Annotated[Any, Choice("untrimmed.nn.heads")] = field(
        default_factory=lambda: anchor.Config(delta_clamp=None)
    )
    levels: int = 5
    width: int = 512
    fpn_width: int = 256
    clips_at_once: int | None = 4

    def __post_init__(self) -> None:
        above_0(self, "levels", "width", "fpn_width", "clips_at_once")

    def build(self, classes: int, *, cells: int) -> Detector:  # noqa: ARG002
        """The detector, with first values of its own; public weights come by `rename`.

        Args:
            cells: of a window; the network takes any number.
        """
        encoder = self.encoder.build()
        temporal = self.temporal(encoder.channels)
        head = self.head.build(temporal.channels, classes, temporal.strides)
        return Detector(encoder, temporal, head, clips_at_once=self.clips_at_once)

    def temporal(self, channels: int) -> Chain:
        """What stands between an encoder of that many channels and the head."""
        # Deviates: no part sees padding.  The authors have no mask: behind the end of a short video
        # stand features of zeros.  Equal where all is valid; else not measured.

        # In the authors' training the statistics of the pyramid's norms stay at 0 and 1.  So norms
        # only scale and shift, and the first values of the convolutions matter: theirs.
        pyramid = StridedPyramid(channels, self.width, levels=self.levels, norm="fixed")
        for module in pyramid.modules():
            if isinstance(module, Conv):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
        return Chain(pyramid, FPN(pyramid.widths, self.fpn_width, levels=self.levels))


def rename(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The authors' weights under the names they have here.

    Counts of batches are left out where the norms here count none.

    Args:
        state: by the authors' keys: `backbone.`, `neck.` and `head.`.

    Raises:
        ValueError: if a key is none of theirs.
    """
    renamed: dict[str, Tensor] = {}
    for key, value in state.items():
        part, _, rest = key.partition(".")
        if part == "backbone":
            names = {f"encoder.{name}": value for name in resnet3d.rename({rest: value})}
        elif part == "head":
            names = {f"head.{name}": value for name in rename_head({rest: value})}
        elif (name := _ours(key)) is not None:
            names = {name: value}
        elif _COUNT.search(key):
            names = {}
        else:
            raise ValueError(f"{key} is not a weight of the authors' DaoTAD")
        renamed |= names
    return renamed


def _ours(key: str) -> str | None:
    """Our name of an entry of the authors' neck, None if there is none."""
    if level := re.fullmatch(r"neck\.1\.layer(\d+)\.0\.(conv|bn)\.(?!num_)(\w+)", key):
        number, module, leaf = level.groups()
        return f"temporal.parts.0.stages.{int(number) - 1}.{_NAMES[module]}.{leaf}"
    if level := re.fullmatch(r"neck\.2\.(lateral_convs|fpn_convs)\.(\d+)\.(conv|bn)\.(\w+)", key):
        convs, number, module, leaf = level.groups()
        return f"temporal.parts.1.{_NAMES[convs]}.{number}.{_NAMES[module]}.{leaf}"
    return None


_COUNT = re.compile(r"^neck\.1\.layer\d+\.0\.bn\.num_batches_tracked$")
_NAMES = {"lateral_convs": "laterals", "fpn_convs": "outputs", "conv": "conv", "bn": "norm"}
