"""What a recipe trains on: videos, or features of videos."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from untrimmed.core.bounds import above_0, at_least_0, shares, shares_above_0
from untrimmed.core.config import OneOf
from untrimmed.core.errors import ConfigError
from untrimmed.core.rate import Squeezed
from untrimmed.data.augment import Augment
from untrimmed.data.sampling import ClipChoice
from untrimmed.sources.feature_grid import FeatureGrid
from untrimmed.sources.features import FeatureFiles


@dataclass(frozen=True, kw_only=True)
class Windows:
    """How videos are sampled and cut.

    Args:
        fps: frames per second at which videos are read.
        clip_frames: frames of a clip.
        clips: clips of a window.
    """

    fps: float = 15.0
    clip_frames: int = 32
    clips: int = 15

    def __post_init__(self) -> None:
        above_0(self, "fps", "clip_frames", "clips")

    @property
    def shifted(self) -> bool:
        """Whether clips begin elsewhere than their window; its own start is random already."""
        return False


@dataclass(frozen=True, kw_only=True)
class SqueezedWindows:
    """Every video a window of its own: the whole of it, at a rate of its own.

    A video of more frames is read at the rate at which it has so many, one of fewer as it is, and
    the rest of its window is empty.

    Args:
        squeeze: frames of a window, a whole number of clips.
        clip_frames: frames of a clip.
        shift: cut clips elsewhere in every epoch: the first begins up to a clip before the video.

    Source: TALLFormer on ActivityNet, and AFSD (Lin et al., CVPR 2021), which has a single clip.
    """

    squeeze: int = 768
    clip_frames: int = 32
    shift: bool = True

    def __post_init__(self) -> None:
        above_0(self, "squeeze", "clip_frames")
        if self.squeeze % self.clip_frames:
            raise ValueError(
                f"squeeze: {self.squeeze} frames are not a whole number of clips of"
                f" {self.clip_frames}"
            )

    @property
    def fps(self) -> Squeezed:
        """How the frames per second follow from the video."""
        return Squeezed(self.squeeze)

    @property
    def clips(self) -> int:
        """Clips of a window."""
        return self.squeeze // self.clip_frames

    @property
    def shifted(self) -> bool:
        """Whether clips begin elsewhere than their window."""
        return self.shift


@dataclass(frozen=True, kw_only=True)
class Splits:
    """What the annotation file calls its parts; upper and lower case are the same.

    Args:
        train, validation, test: names; null where there is no such part.
        file: JSON that says which videos a part has, as in {"train": ["v1", "v2"], "test": ["v3"]};
            null takes the parts that the annotation file has.
        fold: the member of `file` in which the parts are, where it holds several folds.
    """

    train: str = "training"
    validation: str | None = "validation"
    test: str = "testing"
    file: Path | None = None
    fold: str | None = None


@dataclass(frozen=True, kw_only=True)
class Memory:
    """The long memory.

    Args:
        keep: clip sampling rate r, in [0, 1]: the share of a window's clips encoded in a step.  At
            0 nothing is read, encoded or trained but what follows the encoder.
        dtype: of the remembered features.
        where: they lie in a file of the run folder, mapped into memory, which all processes of a
            training must see; in the memory of each process; or on its device.
        refresh_every: epochs after which all is encoded anew, by the encoder as it is then; null
            leaves it to training.
        clips: which are encoded: all equally likely; the likelier, the longer ago they were; or
            `stratified`, one at random from each of as many equal stretches of the window.
    """

    keep: float = 0.15
    dtype: Literal["float16", "bfloat16", "float32"] = "float16"
    where: Literal["disk", "memory", "device"] = "disk"
    refresh_every: int | None = None
    clips: ClipChoice = "uniform"

    def __post_init__(self) -> None:
        shares(self, "keep")
        above_0(self, "refresh_every")


@dataclass(frozen=True, kw_only=True)
class VideoData:
    """Videos, read frame by frame; the encoder is part of the detector.

    Args:
        annotations: the annotation file.
        media: the folder of the video files.
        format: of the annotation file: a module of `untrimmed.sources.formats`, or your own.
        format_settings: what the format must be told beside the file, as in {label: noun} for
            EPIC-Kitchens or {fps: 30} for CVAT.
        prepared: a folder of small copies, written by `untrimmed prepare`; null reads the
            originals.
        size: height and width of the frames as they are read.
        windows: with `squeeze`, a `SqueezedWindows`; else a `Windows`.
        memory: null encodes every clip of a window in every step.
        redraws: how often a training window without any action is drawn anew.
        one_class: train the detector to find actions of any class, without telling them apart; the
            classes then come from `class_scores`.
        workers: processes that decode; 0 decodes in the main process.
    """

    annotations: Path
    media: Path
    format: str = "activitynet"
    format_settings: dict[str, Any] = field(default_factory=dict)
    prepared: Path | None = None
    size: tuple[int, int] = (256, 256)
    windows: Annotated[
        Windows | SqueezedWindows, OneOf("squeeze", having=SqueezedWindows, lacking=Windows)
    ] = field(default_factory=Windows)
    splits: Splits = field(default_factory=Splits)
    memory: Memory | None = field(default_factory=Memory)
    augment: Augment = field(default_factory=Augment)
    redraws: int = 0
    one_class: bool = False
    workers: int = 0

    def __post_init__(self) -> None:
        above_0(self, "size")
        at_least_0(self, "redraws", "workers")
        crop = self.augment.crop
        if crop is not None and any(
            part > whole for part, whole in zip(crop, self.size, strict=True)
        ):
            raise ConfigError(
                f"a crop of {crop[0]} x {crop[1]} pixels does not fit into frames of"
                f" {self.size[0]} x {self.size[1]}, as data.size has them;"
                " null keeps all of a frame",
                path="augment.crop",
            )


@dataclass(frozen=True, kw_only=True)
class Download:
    """A file that its publishers name, and how to know that it is whole.

    Args:
        file: where it is expected; it is not needed once it has been unpacked.
        md5: its checksum, 32 digits; `untrimmed inspect` compares.
    """

    file: Path
    md5: str


@dataclass(frozen=True, kw_only=True)
class FeatureData:
    """Features that an encoder has made beforehand, read from files.

    Args:
        annotations: the annotation file.
        features: where they lie; several sets are joined cell by cell.
        grid: where their cells lie in time.
        cells: of a training window; shorter videos are padded to it, longer ones cropped.
        format: of the annotation file: a module of `untrimmed.sources.formats`, or your own.
        format_settings: what the format must be told beside the file.
        splits: what the annotation file calls its parts.
        crop: shortest and longest crop of a video, as shares of the shorter of video and window;
            null takes videos that fit as a whole.
        least_share: an action belongs to a crop if at least so much of it lies within.
        clean: leave out actions shorter than a thousandth of a second, and those that repeat
            another of their class.
        cut_off: in training, cut actions where the features end, and leave out those of which less
            than `least_share` lies before; else they reach beyond.
        one_class: train the detector to find actions of any class, without telling them apart; the
            classes then come from `class_scores`.
        missing: whether a video without features is left out and listed, or stops the run.
        media: a folder of the videos themselves, to be shown on the page; not needed.
        downloads: archives that features are published in.
        workers: processes that read; 0 reads in the main process.
    """

    annotations: Path
    features: tuple[FeatureFiles, ...]
    grid: FeatureGrid = field(default_factory=FeatureGrid)
    cells: int = 2304
    format: str = "activitynet"
    format_settings: dict[str, Any] = field(default_factory=dict)
    splits: Splits = field(default_factory=Splits)
    crop: tuple[float, float] | None = None
    least_share: float = 0.5
    clean: bool = False
    cut_off: bool = False
    one_class: bool = False
    missing: Literal["skip", "stop"] = "skip"
    media: Path | None = None
    downloads: tuple[Download, ...] = ()
    workers: int = 0

    def __post_init__(self) -> None:
        if not self.features:
            raise ValueError("features needs at least one set")
        above_0(self, "cells")
        shares_above_0(self, "least_share")
        at_least_0(self, "workers")
        if self.crop is not None and not 0 < self.crop[0] <= self.crop[1] <= 1:
            raise ValueError(f"crop must be two shares in rising order, got {self.crop}")
