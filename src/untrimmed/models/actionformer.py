"""ActionFormer: Localizing Moments of Actions with Transformers.

Zhang, Wu & Li, ECCV 2022.  Features of a video become a pyramid by transformer blocks that see a
window around each cell (sec. 3.2, 3.3), and every cell of it scores the classes and tells how far
away the ends of its action are.  Average mAP, as published with the authors' code:

    THUMOS14, I3D (tIoU 0.3 ... 0.7)                         66.83    here: not measured
    ActivityNet-1.3, TSP / I3D (0.5 ... 0.95)         36.56 / 36.03    here: not measured
    EPIC-Kitchens-100, verbs / nouns (0.1 ... 0.5)    23.51 / 21.88    here: not measured
    Ego4D Moment Queries (0.1 ... 0.5)
        SlowFast / Omnivore / EgoVLP          14.89 / 18.20 / 20.60    here: not measured
        SlowFast + EgoVLP / Omnivore + EgoVLP         21.56 / 21.98    here: not measured
        all three                                            22.09    here: not measured

This file says what the network is; how features are read and how it is trained is not its
business.  The defaults are those for THUMOS14.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from torch import Tensor

from untrimmed.core.bounds import above_0, at_least_0, odd, shares_below_1
from untrimmed.core.config import Choice
from untrimmed.nn.detector import Detector
from untrimmed.nn.heads import point
from untrimmed.nn.names.point import rename as rename_head
from untrimmed.nn.temporal.chain import Chain
from untrimmed.nn.temporal.conv_pyramid import ConvPyramid
from untrimmed.nn.temporal.depthwise_fpn import DepthwiseFPN
from untrimmed.nn.temporal.level_norm import LevelNorm
from untrimmed.nn.temporal.local_transformer import Embedding, LocalTransformer


@dataclass(frozen=True, kw_only=True)
class Config:
    """An ActionFormer.

    Args:
        head: a module of `nn.heads` by name, or its `Config`.
        width: channels of the backbone.
        project: channels that each set of features is mapped to first, on its own; together
            `width`.  Null joins the sets as they are.
        embed_layers, embed_kernel, embed_norm: convolutions from the features to the backbone.
        backbone: `transformer`, or `conv` for convolutions without attention; this has no use for
            heads, window, positions, dropout and drop_path.
        stem_layers: blocks of the finest level.
        branch_layers: blocks behind it, each of which gives a coarser level.
        scale_factor: cells of a level per cell of the next.
        heads: of the attention.
        window: cells that one attends to, itself in the middle: odd, or null for all; one for all
            levels, or one for each.
        absolute_positions: add sinusoids to the embedded features.
        relative_positions: learn a bias of each distance in a window.
        dropout: behind the maps of attention and MLP, in training.
        drop_path: chance that a branch is left out for a video in training.  At 0 the branches
            have no learned scale either.
        neck: `identity` normalises each level, `fpn` hands down what coarse levels know.
        neck_width: channels that the head sees; null for `width`, as `identity` needs it.
        neck_norm: normalise the levels; without it the `identity` does nothing.
        first_level: the finest level that the head sees.
        blind: let nothing depend on how far a video is padded; its head has a setting of its own.
            The published weights are trained without.
    """

    head: Annotated[Any, Choice("untrimmed.nn.heads")] = field(default_factory=point.Config)
    width: int = 512
    project: tuple[int, ...] | None = None
    embed_layers: int = 2
    embed_kernel: int = 3
    embed_norm: bool = True
    backbone: Literal["transformer", "conv"] = "transformer"
    stem_layers: int = 2
    branch_layers: int = 5
    scale_factor: int = 2
    heads: int = 4
    window: int | tuple[int | None, ...] | None = 19
    absolute_positions: bool = False
    relative_positions: bool = False
    dropout: float = 0.0
    drop_path: float = 0.1
    neck: Literal["identity", "fpn"] = "identity"
    neck_width: int | None = None
    neck_norm: bool = True
    first_level: int = 0
    blind: bool = False

    def __post_init__(self) -> None:
        above_0(self, "width", "project", "heads", "scale_factor", "neck_width")
        odd(self, "embed_kernel")
        at_least_0(self, "embed_layers", "stem_layers", "branch_layers")
        shares_below_1(self, "dropout", "drop_path")
        levels = 1 + self.branch_layers
        if isinstance(self.window, tuple) and len(self.window) != levels:
            raise ValueError(f"{len(self.window)} windows for {levels} levels")
        if not all(window is None or (window > 1 and window % 2) for window in self.windows):
            raise ValueError(f"windows must be odd and above 1, or null for all: {self.window}")
        if not 0 <= self.first_level < levels:
            raise ValueError(f"first_level must be one of {levels} levels, got {self.first_level}")
        if self.neck == "identity" and self.neck_width not in (None, self.width):
            raise ValueError(
                f"the identity keeps the {self.width} channels of the backbone: a neck_width of"
                f" {self.neck_width} is another"
            )

    @property
    def windows(self) -> tuple[int | None, ...]:
        """The window of each level."""
        if isinstance(self.window, tuple):
            return self.window
        return (self.window,) * (1 + self.branch_layers)

    def build(self, classes: int, *, cells: int, channels: Sequence[int]) -> Detector:
        """The detector, with first values of its own; published weights come by `rename`.

        Args:
            cells: of the window in training.
            channels: of each set of features; they come joined, in this order.

        Raises:
            ValueError: if a size does not fit another.
        """
        temporal = self.temporal(channels, cells=cells)
        head = self.head.build(temporal.channels, classes, temporal.strides)
        return Detector(None, temporal, head)

    def temporal(self, channels: Sequence[int], *, cells: int) -> Chain:
        """What stands between the features and the head."""
        self._check(cells)
        embedding = Embedding(
            channels,
            self.width,
            project=self.project,
            layers=self.embed_layers,
            kernel=self.embed_kernel,
            norm=self.embed_norm,
            blind=self.blind,
        )
        backbone = self._backbone(embedding, cells=cells)
        levels = len(backbone.strides)
        if self.neck == "fpn":
            return Chain(
                backbone,
                DepthwiseFPN(
                    self.width,
                    self.neck_width or self.width,
                    levels=levels,
                    factor=self.scale_factor,
                    norm=self.neck_norm,
                    blind=self.blind,
                ),
            )
        if not self.neck_norm:
            return Chain(backbone)
        return Chain(backbone, LevelNorm(self.width, levels=levels, blind=self.blind))

    def padded(self, length: int, *, cells: int) -> int:
        """How long the authors' code makes a video of that many cells at inference.

        With published weights, which see padding, it matters.

        Args:
            cells: of the window in training; shorter videos are padded to it.
        """
        if length <= cells:
            return cells
        unit = max(self._units())
        return -(-length // unit) * unit

    def _backbone(self, embedding: Embedding, *, cells: int) -> LocalTransformer | ConvPyramid:
        if self.backbone == "conv":
            return ConvPyramid(
                embedding,
                levels=1 + self.branch_layers,
                stem_layers=self.stem_layers,
                factor=self.scale_factor,
                first_level=self.first_level,
                blind=self.blind,
            )
        return LocalTransformer(
            embedding,
            windows=self.windows,
            stem_layers=self.stem_layers,
            factor=self.scale_factor,
            heads=self.heads,
            positions=cells if self.absolute_positions else None,
            relative=self.relative_positions,
            dropout=self.dropout,
            drop_path=self.drop_path,
            first_level=self.first_level,
            blind=self.blind,
        )

    def _units(self) -> list[int]:
        """Cells of which the authors' attention needs a multiple, for each level.

        Ours needs none.  But a window of another length would be padded differently at inference.
        """
        # Deviates: with a `first_level` above 0 the authors take the window of another level; no
        # published setting has one.  Where all windows are equal it is the same.
        return [
            self.scale_factor**level * (1 if window is None else window - 1)
            for level, window in enumerate(self.windows)
        ]

    def _check(self, cells: int) -> None:
        unit = math.lcm(*self._units())
        if cells % unit:
            below, above = cells // unit * unit, -(-cells // unit) * unit
            lengths = f"{below} or {above}" if below else f"{above}"
            raise ValueError(
                f"a window of {cells} cells is not a multiple of {unit}, as"
                f" {1 + self.branch_layers} levels with windows {self.window} need it:"
                f" take {lengths} cells"
            )


def rename(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The authors' weights under the names, and in the shapes, that they have here.

    Args:
        state: by the authors' keys, as in the `state_dict_ema` of a published file; with or
            without `module.` in front.

    Raises:
        ValueError: if a key is none of theirs.
    """
    theirs = {key.removeprefix("module."): tensor for key, tensor in state.items()}
    head = {key: x for key, x in theirs.items() if key.startswith(("cls_head.", "reg_head."))}
    renamed = {f"head.{key}": tensor for key, tensor in rename_head(head).items()}
    for key, tensor in theirs.items():
        if key in head:
            continue
        name = key
        for pattern, ours in _NAMES:
            name = re.sub(pattern, ours, name)
        if not name.startswith("temporal."):
            raise ValueError(f"{key} is not a weight of the authors' ActionFormer")
        renamed[name] = _squeezed(name, tensor)
    return renamed


def _squeezed(name: str, tensor: Tensor) -> Tensor:
    """Without the dimensions of length 1 that theirs have for cells, and some for videos."""
    if name.endswith(".attention.position"):
        return tensor[0, 0]
    if name.endswith(".scale") or re.search(r"norms?\.", name):
        return tensor.flatten()
    if re.search(r"\.(linear|projection|widen|narrow)\.weight$", name):
        return tensor.squeeze(2)
    return tensor


_NAMES = (
    (r"^backbone\.proj\.(\d+)\.conv\.", r"temporal.parts.0.embedding.projections.\1."),
    (r"^backbone\.embd\.(\d+)\.conv\.", r"temporal.parts.0.embedding.convs.\1."),
    (r"^backbone\.embd_norm\.(\d+)\.", r"temporal.parts.0.embedding.norms.\1."),
    (r"^backbone\.(stem|branch)\.(\d+)\.", r"temporal.parts.0.\1.\2."),
    (r"^neck\.lateral_convs\.(\d+)\.conv\.", r"temporal.parts.1.laterals.\1."),
    (r"^neck\.fpn_convs\.(\d+)\.conv\.", r"temporal.parts.1.convs.\1."),
    (r"^neck\.fpn_norms\.(\d+)\.", r"temporal.parts.1.norms.\1."),
    (r"\.mlp\.0\.", ".mlp.widen."),
    (r"\.mlp\.3\.", ".mlp.narrow."),
    (r"\.ln1\.", ".attention_norm."),
    (r"\.ln2\.", ".mlp_norm."),
    (r"\.attn\.(query|key|value)_conv\.conv\.", r".attention.\1.conv."),
    (r"\.attn\.(query|key|value)_norm\.", r".attention.\1.norm."),
    (r"\.attn\.(query|key|value)\.", r".attention.\1.linear."),
    (r"\.attn\.proj\.", ".attention.projection."),
    (r"\.attn\.rel_pe$", ".attention.position"),
    (r"\.drop_path_attn\.scale$", ".attention_branch.scale"),
    (r"\.drop_path_mlp\.scale$", ".mlp_branch.scale"),
    (r"\.conv1\.conv\.", ".widen."),
    (r"\.conv2\.conv\.", ".narrow."),
    (r"\.downsample\.conv\.", ".shortcut."),
)
