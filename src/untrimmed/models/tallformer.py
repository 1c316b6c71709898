"""TALLFormer: Temporal Action Localization with a Long-memory Transformer.

Cheng & Bertasius, ECCV 2022.  A few clips of a window are encoded at each step (sec. 3.1), the
others are remembered (3.2); a transformer makes the two agree (3.3), and a pyramid with a head
finds the actions (3.4): with anchors, as in DaoTAD, or, on ActivityNet, with guesses that are
refined, as in AFSD, and a classifier of whole videos.  With Video Swin-B, mAP on THUMOS14 at tIoU
0.3 / 0.5 / 0.7 and average over 0.3 ... 0.7; on ActivityNet-1.3 at 0.5 / 0.75 / 0.95 and average
over 0.5 ... 0.95:

                       THUMOS14                   ActivityNet-1.3
    paper, table 2     76.1 / 63.1 / 34.2   59.0  54.1 / 36.2 / 7.9   35.6
    here               not measured               not measured

This file says what the network is.  Which clips are encoded, and how it is trained, is not its
business.  Sizes that the paper leaves open are by default those of the authors' THUMOS14 code.
Those of their ActivityNet code are in the preset `tallformer_activitynet13`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from torch import Tensor

from untrimmed.core.bounds import above_0, at_least_0, odd, shares_below_1
from untrimmed.core.config import Choice
from untrimmed.nn.detector import Detector
from untrimmed.nn.encoders import video_swin
from untrimmed.nn.heads import anchor
from untrimmed.nn.layers.normed_conv import Norm
from untrimmed.nn.names.anchor import rename as rename_anchor_head
from untrimmed.nn.names.refined_point import rename as rename_head
from untrimmed.nn.temporal.chain import Chain
from untrimmed.nn.temporal.consistency import Consistency
from untrimmed.nn.temporal.fpn import FPN
from untrimmed.nn.temporal.reduce import Reduce
from untrimmed.nn.temporal.strided_pyramid import StridedPyramid
from untrimmed.nn.temporal.tdm import TDM
from untrimmed.nn.video_class import Config as VideoClass
from untrimmed.nn.video_class import VideoClassHead


@dataclass(frozen=True, kw_only=True)
class Config:
    """A TALLFormer.

    Args:
        encoder, head: modules of `nn.encoders` and `nn.heads` by name, or their `Config`.
        width: channels between encoder and pyramid.
        reduce: encoder cells per cell of the transformer, a power of two.
        consistency_layers: L of eq. 1.
        pyramid: how cells are halved from level to level, by a `transformer` or `convolutional`.
        pyramid_heads, pyramid_kernels, pyramid_dropout: of the transformer; kernels are the cells
            that a cell of level 1, 2, ... attends to.
        pyramid_levels: of the convolutional one; the transformer has one more than kernels.
        fpn_width: channels that the head sees.
        fpn_norm: over the batch, or over groups of channels of each video.
        groups: of channels, where they are normalised in groups; the head has a setting of its
            own.
        video_class: a classifier of whole videos, for which the head is of a single class; none
            if null.
        clips_at_once: clips in one call of the encoder, all if null.  What these take is the most
            that a step takes; if there are more, all but the last call are made twice in training.
            By default as many as the paper's smallest step has, 4 windows at a rate of 0.15: so
            that costs no more time, and a step at any other rate no more memory.
    """

    encoder: Annotated[Any, Choice("untrimmed.nn.encoders")] = field(
        default_factory=video_swin.Config
    )
    head: Annotated[Any, Choice("untrimmed.nn.heads")] = field(default_factory=anchor.Config)
    width: int = 512
    reduce: int = 4
    consistency_layers: int = 3
    consistency_heads: int = 16
    consistency_drop_path: float = 0.1
    pyramid: Literal["transformer", "convolutional"] = "transformer"
    pyramid_heads: int = 8
    pyramid_kernels: tuple[int, ...] = (7, 7, 5, 5)
    pyramid_dropout: float = 0.1
    pyramid_levels: int = 6
    fpn_width: int = 256
    fpn_norm: Norm = "batch"
    groups: int = 32
    video_class: VideoClass | None = None
    clips_at_once: int | None = 8

    def __post_init__(self) -> None:
        above_0(self, "width", "reduce", "consistency_heads", "pyramid_heads", "pyramid_levels")
        above_0(self, "fpn_width", "groups", "clips_at_once")
        at_least_0(self, "consistency_layers")
        shares_below_1(self, "consistency_drop_path", "pyramid_dropout")
        odd(self, "pyramid_kernels")

    def build(self, classes: int, *, cells: int) -> Detector:
        """The detector, with first values of its own; public weights come by `rename`.

        Args:
            cells: of the longest window, T; the transformer learns as many positions.

        Raises:
            ValueError: if a size does not fit another.
        """
        encoder = self.encoder.build()
        temporal = self.temporal(encoder.channels, cells=cells)
        told_apart = classes if self.video_class is None else 1
        head = self.head.build(temporal.channels, told_apart, temporal.strides)
        if self.video_class is not None:
            seen = encoder.channels if self.video_class.features == "encoder" else self.width
            head = VideoClassHead(self.video_class, head, channels=seen, classes=classes)
        return Detector(encoder, temporal, head, clips_at_once=self.clips_at_once)

    def temporal(self, channels: int, *, cells: int) -> Chain:
        """What stands between an encoder of that many channels and the head."""
        # Deviates: no part sees padding.  The authors have no mask: behind the end of a short video
        # stand zeros, or features of black frames.  Equal where all is valid; else not measured.
        whole = {"encoder": 0, "consistency": 2}
        reduce = Reduce(channels, self.width, factor=self.reduce)  # 2 -> 8 frames per cell
        consistency = Consistency(  # sec. 3.3
            self.width,
            layers=self.consistency_layers,
            heads=self.consistency_heads,
            drop_path=self.consistency_drop_path,
            max_cells=-(-cells // self.reduce),
        )
        pyramid = self._pyramid()  # sec. 3.4, from here on
        fpn = FPN(
            self.width,
            self.fpn_width,
            levels=len(pyramid.strides),
            norm=self.fpn_norm,
            groups=self.groups,
        )
        return Chain(
            reduce,
            consistency,
            pyramid,
            fpn,
            whole=None if self.video_class is None else whole[self.video_class.features],
        )

    def _pyramid(self) -> TDM | StridedPyramid:
        if self.pyramid == "convolutional":
            return StridedPyramid(self.width, levels=self.pyramid_levels, groups=self.groups)
        return TDM(
            self.width,
            levels=1 + len(self.pyramid_kernels),
            heads=self.pyramid_heads,
            kernels=self.pyramid_kernels,
            dropout=self.pyramid_dropout,
        )


def rename(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The authors' weights under the names they have here.

    Tables that can be computed are left out.

    Args:
        state: by the authors' keys: `backbone.`, `neck.` and `head.` of their THUMOS14 code,
            `backbone.` and `coarse_pyramid_detection.` of their ActivityNet code, or some of
            these.

    Raises:
        ValueError: if a key is none of theirs.
    """
    state = {_as_on_thumos14(key): value for key, value in state.items()}
    renamed: dict[str, Tensor] = {}
    for prefix, ours, rename_part in _PARTS:
        part = rename_part(_below(prefix, state))
        renamed |= {f"{ours}{key}": value for key, value in part.items()}
    prefixes = tuple(prefix for prefix, *_ in _PARTS)
    for key, value in state.items():
        if key.startswith(prefixes) or _COMPUTED.search(key):
            continue
        name = key
        for theirs, ours in _NAMES:
            name = re.sub(theirs, ours, name)
        if not name.startswith(("temporal.", "head.classifier.")):
            raise ValueError(f"{key} is not a weight of the authors' TALLFormer")
        renamed[name] = value
    return renamed


def _as_on_thumos14(key: str) -> str:
    """The name that one of the weights for ActivityNet would have in the code for THUMOS14."""
    key = re.sub(r"^coarse_pyramid_detection\.(pyramids|action_head)\.", r"\1.", key)
    key = re.sub(r"^pyramids\.", "neck.", key)
    return re.sub(r"^(neck\.[23]\..*)\.gn\.", r"\1.bn.", key)


def _below(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}


_PARTS = (
    ("backbone.", "encoder.", video_swin.rename),
    ("head.", "head.", rename_anchor_head),
    ("coarse_pyramid_detection.", "head.head.", rename_head),
)
"""Their prefix, ours, and what renames the rest."""

_COMPUTED = re.compile(r"\.relative_position_index$|^neck\.2\.pe\.pe$")

_NAMES = (
    (r"^action_head\.cls\.", "head.classifier."),
    (r"^neck\.0\.conv1\.", "temporal.parts.0.convs.0."),
    (r"^neck\.0\.conv2\.", "temporal.parts.0.convs.1."),
    (r"^neck\.1\.encoder\.layers\.", "temporal.parts.1.layers."),
    *(
        (rf"^neck\.2\.layer{number + 1}\.0\.", f"temporal.parts.2.stages.{number}.")
        for number in range(9)
    ),
    (r"^neck\.2\.reductions\.(\d+)\.0\.", r"temporal.parts.2.stages.\1.join."),
    (r"^neck\.2\.reductions\.(\d+)\.1\.", r"temporal.parts.2.stages.\1.join_norm."),
    (r"^neck\.2\.trans_layers\.", "temporal.parts.2.stages."),
    (r"^neck\.3\.lateral_convs\.", "temporal.parts.3.laterals."),
    (r"^neck\.3\.fpn_convs\.", "temporal.parts.3.outputs."),
    (r"\.bn\.", ".norm."),
    (r"\.norm1\.", ".attention_norm."),
    (r"\.norm2\.", ".mlp_norm."),
    (r"\.attn\.relative_position_bias_table$", ".position.table"),
    (r"\.attn\.proj\.", ".attention.projection."),
    (r"\.attn\.", ".attention."),
    (r"\.self_attn\.in_proj_", ".attention.qkv."),
    (r"\.self_attn\.out_proj\.", ".attention.projection."),
    (r"\.(mlp\.fc|linear)1\.", ".mlp.0."),
    (r"\.(mlp\.fc|linear)2\.", ".mlp.2."),
)
