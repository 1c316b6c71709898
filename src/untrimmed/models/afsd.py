"""AFSD: Learning Salient Boundary Feature for Anchor-free Temporal Action Localization.

Lin et al., CVPR 2021, as on ActivityNet-1.3: I3D, trained end to end on a whole video of 768 frames
as one clip, a pyramid of strided convolutions, and a head that guesses segments and looks at their
boundaries again.  It finds actions of no class; classes come from a classifier of videos.  mAP on
ActivityNet-1.3 at tIoU 0.5 / 0.75 / 0.95 and average over 0.5 ... 0.95, pictures and flow:

    paper, table 2     52.4 / 35.3 / 6.5   34.4
    here, pictures     not measured

This file says what the network is.  How it is trained is not its business.
"""

# Deviates: there is no boundary consistency learning (sec. 3.5, a loss on spliced copies of the
# video), which TALLFormer left out too; not measured.  The network is the same.

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from torch import Tensor

from untrimmed.core.bounds import above_0
from untrimmed.core.config import Choice
from untrimmed.nn.detector import Detector
from untrimmed.nn.encoders import i3d
from untrimmed.nn.heads import refined_point
from untrimmed.nn.names.refined_point import rename as rename_head
from untrimmed.nn.temporal.chain import Chain
from untrimmed.nn.temporal.strided_pyramid import StridedPyramid


@dataclass(frozen=True, kw_only=True)
class Config:
    """An AFSD for windows of one clip.

    Args:
        encoder, head: modules of `nn.encoders` and `nn.heads` by name, or their `Config`.
        levels: of the pyramid; the finest has the cells of the encoder.
        groups: of channels, that the pyramid normalises.
        clips_at_once: clips in one call of the encoder, all if null.  What these take is the most
            that a step takes; if there are more, all but the last call are made twice in training.
    """

    encoder: Annotated[Any, Choice("untrimmed.nn.encoders")] = field(
        default_factory=lambda: i3d.Config(projection=512, map_size=(3, 3))
    )
    head: Annotated[Any, Choice("untrimmed.nn.heads")] = field(
        default_factory=lambda: refined_point.Config(unit=0.5, most=None)
    )
    levels: int = 6
    groups: int = 32
    clips_at_once: int | None = 8

    def __post_init__(self) -> None:
        above_0(self, "levels", "groups", "clips_at_once")

    def build(self, classes: int, *, cells: int) -> Detector:
        """The detector, with first values of its own; public weights come by `rename`.

        Args:
            classes: 1, as published, if classes come from elsewhere.
            cells: of the longest window; halved `levels` - 1 times.

        Raises:
            ValueError: if a size does not fit another.
        """
        if cells % (1 << (self.levels - 1)):
            raise ValueError(f"a window of {cells} cells cannot be halved {self.levels - 1} times")
        encoder = self.encoder.build()
        temporal = self.temporal(encoder.channels)
        head = self.head.build(temporal.channels, classes, temporal.strides)
        return Detector(encoder, temporal, head, clips_at_once=self.clips_at_once)

    def temporal(self, channels: int) -> Chain:
        """What stands between an encoder of that many channels and the head."""
        return Chain(
            StridedPyramid(
                channels, levels=self.levels, groups=self.groups, bias=True, centre="second"
            )
        )


def rename(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The authors' weights for ActivityNet under the names they have here.

    Args:
        state: by the authors' keys: `backbone.` and `coarse_pyramid_detection.`.

    Raises:
        ValueError: if a key is none of theirs.
    """
    renamed: dict[str, Tensor] = {}
    for key, value in state.items():
        part, _, rest = key.partition(".")
        level = re.fullmatch(r"pyramids\.(\d+)\.([01])\.(?:conv[13]d\.)?(weight|bias)", rest)
        if part == "backbone":
            names = {f"encoder.{name}": value for name in i3d.rename({rest: value})}
        elif part != "coarse_pyramid_detection":
            raise ValueError(f"{key} is not a weight of the authors' AFSD")
        elif level is not None:
            place = int(level[1]) - 1
            owner = "encoder.projection" if place < 0 else f"temporal.parts.0.stages.{place}"
            names = {f"{owner}.{('conv', 'norm')[int(level[2])]}.{level[3]}": value}
        else:
            names = {f"head.{name}": value for name in rename_head({rest: value})}
        renamed |= names
    return renamed
