"""Video Swin Transformer: clips of pixels to features, by attention in 3-D windows.

Liu et al., Video Swin Transformer, CVPR 2022, as TALLFormer uses it (Cheng & Bertasius, ECCV 2022,
sec. 3.1): the last map is normalised and averaged over space.  Nothing is normalised over
positions or clips, so no clip sees another and a call may be made in any portions.  There is no
classifier here, and no file is read: `rename` takes tensors.

Shapes: N clips; L frames of a clip; H W pixels; C channels; K cells of a clip; D draws of
stochastic depth.  Inside, channels come last and a map is (N, K, height, width, C).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Num
from torch import Tensor, nn

from untrimmed.core.bounds import above_0, finite
from untrimmed.core.errors import ConfigError
from untrimmed.nn.layers.droppath import draw_keep, rising_rates
from untrimmed.nn.layers.patches import ConvolutionalPatches, Patches, is_cut, through_pieces
from untrimmed.nn.layers.pixels import normalised
from untrimmed.nn.layers.window_block import Recompute
from untrimmed.nn.layers.window_stage import Stage
from untrimmed.nn.names.video_swin import rename as rename  # whoever loads weights asks for it here


class Architecture(NamedTuple):
    """What the sizes differ in: channels of the first stage, blocks and heads of every stage."""

    embed: int
    depths: tuple[int, ...]
    heads: tuple[int, ...]
    drop_path: float


# Liu et al., sec. 3.3; the rates of drop path are those with which TALLFormer trains them.
_SIZES = {
    "tiny": Architecture(96, (2, 2, 6, 2), (3, 6, 12, 24), 0.1),
    "small": Architecture(96, (2, 2, 18, 2), (3, 6, 12, 24), 0.1),
    "base": Architecture(128, (2, 2, 18, 2), (4, 8, 16, 32), 0.2),
}


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the encoder; the defaults are those of the public weights.

    Args:
        size: gives `embed`, `depths`, `heads` and `drop_path`, each unless it is given itself.
        embed: channels of the first stage; they double from stage to stage.
        depths: blocks of each stage.
        heads: of attention, in each stage.
        window: time, height and width of a window, in positions of a map.
        patch: frames, rows and columns of pixels for a position of the first map.
        mlp_ratio: hidden channels of the MLPs, per channel.
        qkv_bias: whether queries, keys and values have a bias.
        qk_scale: factor of the logits; (channels / heads) ** -0.5 if not given.
        patch_norm: whether the first map is normalised.
        drop_path: chance that the last block leaves out a branch for a clip in training; rises
            linearly from 0 at the first block.  0 if neither it nor a size is given.
        frozen_stages: the stem and this many stages are never trained; none of them if not given.
        stem: `patch`, pixels that do not overlap, as in the paper; or `conv`, strided
            convolutions, for training from scratch on small pictures.
        checkpoint: what is computed again in the backward pass, not kept: nothing, whole blocks,
            or their two branches apart.
        index: `cropped`, the bias as public weights expect it, which mixes up distances in maps
            that are narrower than a window; or `exact`.
        mean, std: of red, green and blue, in 0 to 255.

    Raises:
        ConfigError: if a setting is missing, out of range or does not fit the others.
    """

    size: Literal["tiny", "small", "base"] | None = "tiny"
    embed: int | None = None
    depths: tuple[int, ...] | None = None
    heads: tuple[int, ...] | None = None
    window: tuple[int, int, int] = (8, 7, 7)
    patch: tuple[int, int, int] = (2, 4, 4)
    mlp_ratio: float = 4.0
    qkv_bias: bool = True
    qk_scale: float | None = None
    patch_norm: bool = True
    drop_path: float | None = None
    frozen_stages: int | None = None
    stem: Literal["patch", "conv"] = "patch"
    checkpoint: Recompute = "none"
    index: Literal["cropped", "exact"] = "cropped"
    mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    std: tuple[float, float, float] = (58.395, 57.12, 57.375)

    def __post_init__(self) -> None:
        embed, depths, heads, rate = self.architecture
        if embed < 1 or not depths or min(depths) < 1 or len(depths) != len(heads):
            raise ConfigError(
                f"embed {embed}, depths {depths} and heads {heads} make no encoder; without a"
                " size give all three, with a depth and a number of heads for every stage"
            )
        for stage, count in enumerate(heads):
            if count < 1 or (embed << stage) % count:
                raise ConfigError(
                    f"the {embed << stage} channels of stage {stage} do not divide into {count}",
                    path="heads",
                )
        above_0(self, "window", "patch", "mlp_ratio", "qk_scale", "std")
        finite(self, "mean")
        if not 0 <= rate < 1:
            raise ConfigError(f"wanted a rate in [0, 1), got {rate}", path="drop_path")
        if not 0 <= (self.frozen_stages or 0) <= len(depths):
            raise ConfigError(
                f"wanted 0 to {len(depths)} stages, got {self.frozen_stages}", path="frozen_stages"
            )
        if self.stem == "conv" and any(side & (side - 1) for side in self.patch):
            raise ConfigError(
                f"a conv stem halves its input; wanted powers of 2, got {self.patch}", path="patch"
            )

    @property
    def architecture(self) -> Architecture:
        """That of the size, each part unless it is given itself."""
        usual = Architecture(0, (), (), 0.0) if self.size is None else _SIZES[self.size]
        return Architecture(
            usual.embed if self.embed is None else self.embed,
            usual.depths if self.depths is None else self.depths,
            usual.heads if self.heads is None else self.heads,
            usual.drop_path if self.drop_path is None else self.drop_path,
        )

    def build(self) -> VideoSwin:
        """The encoder, with random weights."""
        return VideoSwin(self)


class VideoSwin(nn.Module):
    """Clips (N, 3, L, H, W) to features (N, C, K), K = L / stride, rounded up.

    Sides that are no whole number of patches are padded with the mean colour, behind.

    channels: C.
    stride: frames per cell.
    rates: chance of every block to leave out a branch, by stage.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        embed, depths, heads, last_rate = config.architecture
        self.config = config
        self.channels = embed << (len(depths) - 1)
        self.stride = config.patch[0]
        self.rates = rising_rates(depths, last=last_rate, frozen=config.frozen_stages or 0)
        stem = Patches if config.stem == "patch" else ConvolutionalPatches
        self.stem = stem(embed, patch=config.patch, norm=config.patch_norm)
        self.stages = nn.ModuleList(
            Stage(
                embed << number,
                heads=heads[number],
                hidden=int((embed << number) * config.mlp_ratio),
                window=config.window,
                exact=config.index == "exact",
                rates=rates,
                qkv_bias=config.qkv_bias,
                scale=config.qk_scale,
                recompute=config.checkpoint,
                is_last=number + 1 == len(depths),
            )
            for number, rates in enumerate(self.rates)
        )
        self.norm = nn.LayerNorm(self.channels)
        self.apply(_initialise)
        for part in self._parts[: self._frozen_parts]:
            part.requires_grad_(False).eval()

    def forward(
        self, clips: Num[Tensor, "N 3 L H W"], *, keep: Bool[Tensor, "D N"] | None = None
    ) -> Float[Tensor, "N C K"]:
        """Encode pixels, 0 to 255, uint8 or floating.

        Args:
            keep: which clips keep each branch that stochastic depth may leave out, from
                `draw_keep`.  A call may be repeated with the same, in any portions of the clips.
                If not given, drawn in training; in evaluation nothing is left out.

        Raises:
            ValueError: if `keep` does not have a row for every such branch.
        """
        if keep is None and self.training:
            keep = self.draw_keep(len(clips))
        return self.trained(self.frozen(clips), keep=keep)

    @property
    def begins_frozen(self) -> bool:
        """Whether the stem, at least, is never trained."""
        return self.config.frozen_stages is not None

    def frozen(self, clips: Num[Tensor, "N 3 L H W"]) -> Num[Tensor, "N *map"]:
        """What the frozen stages make of pixels, 0 to 255; the pixels if nothing is frozen.

        Nothing is left out at random in them, so that their result may be kept for another call
        of `trained`.
        """
        if not self.begins_frozen:
            return clips
        return self._through(self._begun(clips), None, parts=slice(1, self._frozen_parts))

    def trained(
        self, begun: Num[Tensor, "N *map"], *, keep: Bool[Tensor, "D N"] | None
    ) -> Float[Tensor, "N C K"]:
        """Features from what `frozen` gave.

        Args:
            keep: as in `forward`, but nothing is left out unless it is given.
        """
        x = begun if self.begins_frozen else self._begun(begun)
        x = self._through(x, keep, parts=slice(max(1, self._frozen_parts), None))
        features: Tensor = self.norm(x).mean((2, 3))  # (N, K, C)
        return features.transpose(1, 2)

    def maps(
        self, pixels: Float[Tensor, "N 3 L H W"], *, keep: Bool[Tensor, "D N"] | None = None
    ) -> tuple[Float[Tensor, "N _ K _ _"], ...]:
        """The map of the stem, then of every stage after its merging; before the last norm.

        Args:
            pixels: normalised.
            keep: as in `forward`, but nothing is left out unless it is given.
        """
        maps = [pixels]
        for number in range(len(self._parts)):
            maps.append(self._through(maps[-1], keep, parts=slice(number, number + 1)))
        return tuple(x.movedim(-1, 1) for x in maps[1:])

    def draw_keep(self, n: int, generator: torch.Generator | None = None) -> Bool[Tensor, "D {n}"]:
        """Draw which of `n` clips keep each branch, D in all.

        The order is that of the blocks, attention before MLP; blocks whose rate is 0 have no row.
        The result is on the device of the generator, or of the weights if there is none.
        """
        device = self.norm.weight.device if generator is None else generator.device
        rates = [rate for stage in self.rates for rate in stage if rate for _ in range(2)]
        return draw_keep(rates, n, generator=generator, device=device)

    def train(self, mode: bool = True) -> VideoSwin:
        """Set the mode of what is not frozen; what is frozen stays in evaluation."""
        super().train(mode)
        for part in self._parts[: self._frozen_parts]:
            part.eval()
        return self

    @property
    def _parts(self) -> list[nn.Module]:
        return [self.stem, *self.stages]

    @property
    def _frozen_parts(self) -> int:
        count = self.config.frozen_stages
        return 0 if count is None else 1 + count

    def _begun(self, clips: Num[Tensor, "N 3 L H W"]) -> Float[Tensor, "N K _ _ C"]:
        """The map of the stem."""
        if isinstance(self.stem, Patches) and is_cut(clips):
            return through_pieces(self._stem, clips, frames=self.stride)
        return self._stem(clips)

    def _stem(self, clips: Tensor) -> Tensor:
        dtype = self.norm.weight.dtype
        pixels = normalised(clips, mean=self.config.mean, std=self.config.std, dtype=dtype)
        first: Tensor = self.stem(pixels)
        return first

    def _through(
        self, x: Float[Tensor, "N *map"], keep: Bool[Tensor, "D N"] | None, *, parts: slice
    ) -> Float[Tensor, "N K _ _ _"]:
        """The map behind some parts, one after the other, from that before them."""
        rows = self._rows(keep, x)
        for part, part_keep in list(zip(self._parts, rows, strict=True))[parts]:
            x = part(x) if part is self.stem else part(x, part_keep)
        return x

    def _rows(
        self, keep: Bool[Tensor, "D _"] | None, clips: Num[Tensor, "N *map"]
    ) -> Sequence[Tensor | None]:
        """The draws of each part, for as many clips."""
        draws = [0, *(2 * sum(rate > 0 for rate in rates) for rates in self.rates)]
        if keep is None:
            return [None] * len(draws)
        if keep.shape != (sum(draws), len(clips)):
            wanted = f"{sum(draws)} draws for {len(clips)} clips"
            raise ValueError(f"keep is {tuple(keep.shape)}, wanted {wanted}")
        return torch.split(keep.to(self.norm.weight.device), draws)


def _initialise(module: nn.Module) -> None:
    """Linear layers as the authors; convolutions and norms as PyTorch."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
