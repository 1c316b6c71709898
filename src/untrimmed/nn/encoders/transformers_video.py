"""Video encoders of the library `transformers`: VideoMAE, V-JEPA 2, ViViT and TimeSformer.

This is the one file that knows that library, which is an extra (`untrimmed[transformers]`) and is
imported when an encoder is built.  An encoder is built from settings, with random weights; nothing
is fetched, and `rename` takes the tensors of a file from its hub.

Shapes: N clips; L frames of a clip; H W pixels; C channels; K = L / stride cells of a clip.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from jaxtyping import Float, Num
from torch import Tensor, nn

from untrimmed.core.bounds import above_0, finite
from untrimmed.core.errors import ConfigError
from untrimmed.nn.layers.pixels import normalised


class _Kind(NamedTuple):
    """How a model takes frames and gives tokens.

    Args:
        frames: the setting for the length of a clip; None where any length will do.
        own_token: whether a token of the whole clip stands before the others.
        time_last: whether neighbours in the sequence are neighbours in time, not in space.
        unused: parts that features do not pass.
        told: what it must be told to leave those out.
    """

    frames: str | None
    own_token: bool = False
    time_last: bool = False
    unused: tuple[str, ...] = ()
    told: tuple[str, ...] = ()


_KINDS: Mapping[str, _Kind] = {
    "videomae": _Kind("num_frames"),
    "vjepa2": _Kind(None, unused=("predictor",), told=("skip_predictor",)),
    "vivit": _Kind("num_frames", own_token=True, unused=("pooler",)),
    "timesformer": _Kind("num_frames", own_token=True, time_last=True),
}


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the encoder.

    Args:
        kind: the model, as `transformers` calls its type.
        settings: of the model, by the names that they have there and in the `config.json` of a
            checkpoint, which can be given whole; those not given are its defaults.  The weights
            are of float32 whatever it says of their `dtype`.
        mean, std: of red, green and blue, in 0 to 255; those of a checkpoint stand in its
            `preprocessor_config.json`, in 0 to 1.
    """

    kind: Literal["videomae", "vjepa2", "vivit", "timesformer"] = "videomae"
    settings: Mapping[str, Any] = field(default_factory=dict)
    mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    std: tuple[float, float, float] = (58.395, 57.12, 57.375)

    def __post_init__(self) -> None:
        above_0(self, "std")
        finite(self, "mean")

    def build(self) -> TransformersVideo:
        """The encoder, with random weights.

        Raises:
            ConfigError: if `transformers` is not installed, or has no such settings.
        """
        return TransformersVideo(self)


class TransformersVideo(nn.Module):
    """Clips (N, 3, L, H, W) to features (N, C, L / stride), tokens averaged over space.

    channels: C.
    stride: frames per cell, those of a token.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        library = _library()
        self.config = config
        self.kind = _KINDS[config.kind]
        settings = _settings(library, config)
        self.model = library.AutoModel.from_config(settings)
        for part in self.kind.unused:
            setattr(self.model, part, None)
        self.channels: int = settings.hidden_size
        tubelet = getattr(settings, "tubelet_size", 1)
        self.stride = int(tubelet if isinstance(tubelet, int) else tubelet[0])
        frames = self.kind.frames
        self.frames: int | None = None if frames is None else getattr(settings, frames)

    def forward(self, clips: Num[Tensor, "N 3 L H W"]) -> Float[Tensor, "N C K"]:
        """Encode pixels, 0 to 255, uint8 or floating.

        Raises:
            ValueError: if L is not a whole number of cells, or height, width or L are not those
                that the model was made for.
        """
        L = clips.shape[2]
        if L % self.stride:
            raise ValueError(
                f"a clip of {L} frames is not a whole number of cells of {self.stride}"
            )
        if self.frames not in (None, L):
            raise ValueError(f"a clip of {L} frames, the model is for {self.frames}")
        dtype = next(self.model.parameters()).dtype
        pixels = normalised(clips, mean=self.config.mean, std=self.config.std, dtype=dtype)
        frames = {self.model.main_input_name: pixels.transpose(1, 2)}  # (N, L, 3, H, W)
        tokens: Tensor = self.model(
            **frames, **dict.fromkeys(self.kind.told, True)
        ).last_hidden_state
        return self._cells(tokens[:, int(self.kind.own_token) :], L // self.stride)

    def _cells(self, tokens: Float[Tensor, "N _ C"], K: int) -> Float[Tensor, "N C {K}"]:
        """Mean of the tokens of each cell."""
        N, count, C = tokens.shape
        if self.kind.time_last:
            return tokens.view(N, count // K, K, C).mean(1).transpose(1, 2)
        return tokens.view(N, K, count // K, C).mean(2).transpose(1, 2)


def _library() -> Any:
    try:
        return importlib.import_module("transformers")
    except ModuleNotFoundError as error:
        raise ConfigError(
            "this encoder needs transformers: pip install 'untrimmed[transformers]'", path="name"
        ) from error


def _settings(library: Any, config: Config) -> Any:
    """Settings as the library has them; it would take unknown ones without a word."""
    named = {name: value for name, value in config.settings.items() if name not in _OF_A_FILE}
    model_type = config.settings.get("model_type", config.kind)
    if model_type != config.kind:
        raise ConfigError(
            f"these are settings of {model_type}, not of {config.kind}", path="settings"
        )
    usual = library.AutoConfig.for_model(config.kind)
    try:
        settings = library.AutoConfig.for_model(config.kind, **named)
    except Exception as error:  # of kinds that the library keeps to itself
        raise ConfigError(str(error), path="settings") from error
    # A former name, such as VideoMAE's qkv_bias, is neither usual nor kept.
    unknown = [name for name in named if hasattr(settings, name) and not hasattr(usual, name)]
    if unknown:
        raise ConfigError(f"{config.kind} has no {', '.join(unknown)}", path="settings")
    return settings


_OF_A_FILE = {"model_type", "dtype", "torch_dtype"}
"""What a `config.json` says of itself and of the weights beside it, not of the model."""

_LEFT_OUT = re.compile(
    r"^(classifier|fc_norm|decoder|encoder_to_decoder|predictor|pooler)\."
    r"|^(mask_token|position_embeddings)$"
)
_BEFORE = re.compile(rf"^({'|'.join(_KINDS)})\.")


def rename(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights from the hub of `transformers` under the names of a `TransformersVideo`.

    Understands files of the models alone, with a classifier, and with what they were pretrained
    with.  Classifiers, decoders, predictors and poolers are left out.
    """
    names = {key: _BEFORE.sub("", key) for key in state}
    former = _VIVIT if _of_vivit(names.values()) else _OTHERS
    return {
        f"model.{_today(name, former)}": state[key]
        for key, name in names.items()
        if not _LEFT_OUT.search(name)
    }


_OTHERS = {
    ".attention.attention.q_bias": ".attention.attention.query.bias",
    ".attention.attention.v_bias": ".attention.attention.value.bias",
}
"""Former names, which the library goes on writing into files, and those that it has in memory."""

_VIVIT = {
    "encoder.layer.": "layers.",
    ".attention.attention.query.": ".attention.q_proj.",
    ".attention.attention.key.": ".attention.k_proj.",
    ".attention.attention.value.": ".attention.v_proj.",
    ".attention.output.dense.": ".attention.o_proj.",
    ".intermediate.dense.": ".mlp.fc1.",
    ".output.dense.": ".mlp.fc2.",
}
"""The same of ViViT; models of the other kinds still have some of these names in memory."""


def _of_vivit(names: Iterable[str]) -> bool:
    """Whether they are ViViT's: VideoMAE has no token of its own, TimeSformer no queries apart."""
    names = set(names)
    return "embeddings.cls_token" in names and not any(".qkv." in name for name in names)


def _today(name: str, former: Mapping[str, str]) -> str:
    """The name of an entry in the library of today."""
    for old, new in former.items():
        name = name.replace(old, new)
    return name
