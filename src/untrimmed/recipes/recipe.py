"""A run, written down: what data, which model, how it is trained and run.

Every part is defined beside its code; this file puts the parts together.  A recipe is a YAML file
of these settings, and the run folder gets it back with every default spelled out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from untrimmed.core.config import Choice, load, override, read_yaml
from untrimmed.core.errors import ConfigError
from untrimmed.data.augment import Augment
from untrimmed.detect import video as detect
from untrimmed.train.optimizer import OptimizerConfig, Schedule


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
        if self.fps <= 0 or self.clip_frames < 1 or self.clips < 1:
            raise ValueError("fps, clip_frames and clips must be above 0")


@dataclass(frozen=True, kw_only=True)
class Splits:
    """What the annotation file calls its parts; upper and lower case are the same."""

    train: str = "training"
    validation: str | None = "validation"
    test: str = "testing"


@dataclass(frozen=True, kw_only=True)
class Memory:
    """The long memory.

    Args:
        keep: clip sampling rate r, in (0, 1]: the share of a window's clips encoded in a step.
        dtype: of the remembered features.
    """

    keep: float = 0.15
    dtype: Literal["float16", "float32"] = "float16"

    def __post_init__(self) -> None:
        if not 0 < self.keep <= 1:
            raise ValueError(f"keep must be above 0 and at most 1, got {self.keep}")


@dataclass(frozen=True, kw_only=True)
class Data:
    """What is trained on.

    Args:
        annotations: the annotation file.
        media: the folder of the video files.
        format: of the annotation file: a module of `untrimmed.sources.formats`, or your own.
        format_settings: what the format must be told beside the file, as in {label: noun} for
            EPIC-Kitchens or {fps: 30} for CVAT.
        prepared: a folder of small copies, written by `untrimmed prepare`; null reads the
            originals.
        size: height and width of the frames as they are read.
        memory: null encodes every clip of a window in every step.
        redraws: how often a training window without any action is drawn anew.
        workers: processes that decode; 0 decodes in the main process.
    """

    annotations: Path
    media: Path
    format: str = "activitynet"
    format_settings: dict[str, Any] = field(default_factory=dict)
    prepared: Path | None = None
    size: tuple[int, int] = (256, 256)
    windows: Windows = field(default_factory=Windows)
    splits: Splits = field(default_factory=Splits)
    memory: Memory | None = field(default_factory=Memory)
    augment: Augment = field(default_factory=Augment)
    redraws: int = 0
    workers: int = 0


@dataclass(frozen=True, kw_only=True)
class Pretrain:
    """How the encoder is formed before it detects, where no public weights fit.

    Args:
        steps: batches.
        batch: clips of a batch.
    """

    steps: int = 2000
    batch: int = 16
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    schedule: Schedule = field(default_factory=Schedule)


@dataclass(frozen=True, kw_only=True)
class Train:
    """How the detector is trained.

    Args:
        epochs: one window of every video each.
        batch: windows of a step.
        ema: decay of the averaged weights; null keeps none.
        clip_norm: largest norm of the gradient; null leaves it as it is.
        head_only_steps: so many first steps train everything but the encoder, from memory alone.
        bf16: compute in bfloat16 where autocast deems it safe.
        validate_every: epochs between scores on the validation split.
    """

    epochs: int = 100
    batch: int = 4
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    schedule: Schedule = field(default_factory=Schedule)
    ema: float | None = 0.999
    clip_norm: float | None = 1.0
    head_only_steps: int = 0
    bf16: bool = False
    validate_every: int = 10


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A run.

    Args:
        model: a module of `untrimmed.models` by name, with its settings.
        pretrain: null takes the encoder as it is built.
        tious: overlaps at which average precision is measured.
        seed: of everything that is drawn.
    """

    data: Data
    model: Annotated[Any, Choice("untrimmed.models")]
    pretrain: Pretrain | None = None
    train: Train = field(default_factory=Train)
    detect: detect.Config = field(default_factory=detect.Config)
    tious: tuple[float, ...] = (0.3, 0.4, 0.5, 0.6, 0.7)
    seed: int = 0


def presets() -> dict[str, Path]:
    """The recipes that come with the package, by name."""
    folder = Path(str(resources.files("untrimmed.recipes") / "presets"))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def read_recipe(name_or_path: str | Path, *, settings: Sequence[str] = ()) -> Recipe:
    """A recipe from a file, or a preset by its name.

    Paths in a file are relative to the file's folder; those of a preset, to the working folder.

    Args:
        settings: changes such as `train.epochs=5`, in order.

    Raises:
        ConfigError: if there is no such recipe, or a setting is unknown or wrong.
    """
    path = Path(name_or_path)
    base = path.parent
    if not path.exists():
        known = presets()
        if str(name_or_path) not in known:
            raise ConfigError(
                f"no such recipe: {name_or_path} is neither a file nor a preset;"
                f" presets: {', '.join(known) or 'none'}"
            )
        path, base = known[str(name_or_path)], Path()
    data = read_yaml(path)
    for setting in settings:
        data = override(data, setting)
    recipe = load(Recipe, data, source=str(path))
    return replace(recipe, data=_from_folder(recipe.data, base.absolute()))


def _from_folder(data: Data, folder: Path) -> Data:
    return replace(
        data,
        annotations=folder / data.annotations,
        media=folder / data.media,
        prepared=None if data.prepared is None else folder / data.prepared,
    )
