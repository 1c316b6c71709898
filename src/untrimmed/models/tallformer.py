"""TALLFormer: Temporal Action Localization with a Long-memory Transformer.

Cheng & Bertasius, ECCV 2022.  A few clips of a window are encoded at each step (sec. 3.1), the
others are remembered (3.2); a transformer makes the two agree (3.3), and a pyramid with anchors
finds the actions (3.4).  On THUMOS14 with Video Swin-B, mAP at tIoU 0.3 / 0.5 / 0.7 and average
over 0.3 ... 0.7:

    paper, table 2     76.1 / 63.1 / 34.2   59.0
    here               not measured

This file says what the network is.  Which clips are encoded, and how it is trained, is not its
business.  Sizes that the paper leaves open are those of the authors' THUMOS14 code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from torch import Tensor

from untrimmed.core.config import Choice
from untrimmed.nn.detector import Detector
from untrimmed.nn.encoders import video_swin
from untrimmed.nn.heads import anchor
from untrimmed.nn.temporal.chain import Chain
from untrimmed.nn.temporal.consistency import Consistency
from untrimmed.nn.temporal.fpn import FPN
from untrimmed.nn.temporal.reduce import Reduce
from untrimmed.nn.temporal.tdm import TDM


@dataclass(frozen=True, kw_only=True)
class Config:
    """A TALLFormer.

    Args:
        encoder, head: modules of `nn.encoders` and `nn.heads` by name, or their `Config`.
        width: channels between encoder and pyramid.
        reduce: encoder cells per cell of the transformer, a power of two.
        consistency_layers: L of eq. 1.
        pyramid_kernels: cells that a cell of level 1, 2, ... attends to.
        fpn_width: channels that the head sees.
        clips_at_once: clips in one call of the encoder, all if null; spends time to save memory.
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
    pyramid_heads: int = 8
    pyramid_kernels: tuple[int, ...] = (7, 7, 5, 5)
    pyramid_dropout: float = 0.1
    fpn_width: int = 256
    clips_at_once: int | None = None

    def __post_init__(self) -> None:
        if self.clips_at_once is not None and self.clips_at_once < 1:
            raise ValueError(f"clips_at_once must be above 0 or null, got {self.clips_at_once}")

    def build(self, classes: int, *, cells: int) -> Detector:
        """The detector, with first values of its own; public weights come by `rename`.

        Args:
            cells: of the longest window, T; the transformer learns as many positions.

        Raises:
            ValueError: if a size does not fit another.
        """
        encoder = self.encoder.build()
        temporal = self.temporal(encoder.channels, cells=cells)
        head = self.head.build(temporal.channels, classes, temporal.strides)
        return Detector(encoder, temporal, head, clips_at_once=self.clips_at_once)

    def temporal(self, channels: int, *, cells: int) -> Chain:
        """What stands between an encoder of that many channels and the head."""
        # Deviates: no part sees padding.  The authors have no mask: behind the end of a short video
        # stand zeros, or features of black frames.  Equal where all is valid; else not measured.
        levels = 1 + len(self.pyramid_kernels)
        return Chain(
            Reduce(channels, self.width, factor=self.reduce),  # 2 -> 8 frames per cell
            Consistency(  # sec. 3.3
                self.width,
                layers=self.consistency_layers,
                heads=self.consistency_heads,
                drop_path=self.consistency_drop_path,
                max_cells=-(-cells // self.reduce),
            ),
            TDM(  # sec. 3.4, from here on
                self.width,
                levels=levels,
                heads=self.pyramid_heads,
                kernels=self.pyramid_kernels,
                dropout=self.pyramid_dropout,
            ),
            FPN(self.width, self.fpn_width, levels=levels),
        )


def rename(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The authors' THUMOS14 weights under the names they have here.

    Tables that can be computed are left out.

    Args:
        state: by the authors' keys: `backbone.`, `neck.` and `head.`, or some of these.

    Raises:
        ValueError: if a key is none of theirs.
    """
    encoder = video_swin.rename(_below("backbone.", state))
    head = anchor.rename(_below("head.", state))
    renamed = {f"encoder.{key}": value for key, value in encoder.items()}
    renamed |= {f"head.{key}": value for key, value in head.items()}
    for key, value in state.items():
        if key.startswith(("backbone.", "head.")) or _COMPUTED.search(key):
            continue
        name = key
        for theirs, ours in _NAMES:
            name = re.sub(theirs, ours, name)
        if not name.startswith("temporal."):
            raise ValueError(f"{key} is not a weight of the authors' TALLFormer")
        renamed[name] = value
    return renamed


def _below(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}


_COMPUTED = re.compile(r"\.relative_position_index$|^neck\.2\.pe\.pe$")

_NAMES = (
    (r"^neck\.0\.conv1\.", "temporal.parts.0.convs.0."),
    (r"^neck\.0\.conv2\.", "temporal.parts.0.convs.1."),
    (r"^neck\.1\.encoder\.layers\.", "temporal.parts.1.layers."),
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
