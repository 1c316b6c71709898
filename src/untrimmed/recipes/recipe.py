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

from untrimmed.core.bounds import above_0, at_least_0, shares_above_0, shares_below_1
from untrimmed.core.config import Choice, OneOf, load
from untrimmed.core.errors import ConfigError
from untrimmed.core.settings_text import override, read_yaml
from untrimmed.detect import video as detect
from untrimmed.recipes.data import FeatureData, VideoData
from untrimmed.recipes.weights import EncoderWeights
from untrimmed.train.optimizer import OptimizerConfig, Schedule


@dataclass(frozen=True, kw_only=True)
class ClassScores:
    """What a classifier of whole videos says, for detectors that tell no classes apart.

    Args:
        file: JSON, scores of every class by video (`detect.classify`).
        classes: how many of a video's likeliest classes each detection is given.
        most: how many of its surest detections are taken; all if null.
        combine: how the two scores become one.
    """

    file: Path
    classes: int = 2
    most: int | None = 200
    combine: Literal["geometric_mean", "product"] = "geometric_mean"

    def __post_init__(self) -> None:
        above_0(self, "classes", "most")


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

    def __post_init__(self) -> None:
        above_0(self, "steps", "batch")


@dataclass(frozen=True, kw_only=True)
class Train:
    """How the detector is trained.

    Args:
        epochs: one window of every video each.
        batch: windows of a step.
        ema: decay of the averaged weights; null keeps none.
        ema_warm_up: whether the average forgets faster at first, for runs of few steps.
        clip_norm: largest norm of the gradient; null leaves it as it is.
        head_only_steps: so many first steps train everything but the encoder, from memory alone;
            without a memory none do.
        bf16: compute in bfloat16 where autocast deems it safe; on a processor that has no
            instructions for it in float32, which is quicker there.
        validate_every: epochs between scores on the validation split.
        save_minutes: after so many minutes the state is saved, for a stopped run to go on from; it
            is so anyway after each validation, at the end, and where ctrl C or SIGTERM stops it.
            Changes no result.
    """

    epochs: int = 100
    batch: int = 4
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    schedule: Schedule = field(default_factory=Schedule)
    ema: float | None = 0.999
    ema_warm_up: bool = True
    clip_norm: float | None = 1.0
    head_only_steps: int = 0
    bf16: bool = False
    validate_every: int = 10
    save_minutes: float = 15.0

    def __post_init__(self) -> None:
        above_0(self, "epochs", "batch", "clip_norm", "validate_every")
        at_least_0(self, "head_only_steps", "save_minutes")
        shares_below_1(self, "ema")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A run.

    Args:
        data: with `features`, a `FeatureData`; else a `VideoData`.
        model: a module of `untrimmed.models` by name, with its settings.
        encoder_weights: what the encoder starts from, public weights by name or a file; null starts
            it at random.
        pretrain: null takes the encoder as it then is.
        class_scores: null takes the classes that the detector says.
        protocol: rules of a benchmark by name, as `untrimmed evaluate --protocol` has them; null
            is ActivityNet's average precision.
        tious: overlaps at which average precision is measured; null takes the protocol's.
        seed: of everything that is drawn.
    """

    data: Annotated[
        VideoData | FeatureData, OneOf("features", having=FeatureData, lacking=VideoData)
    ]
    model: Annotated[Any, Choice("untrimmed.models")]
    encoder_weights: EncoderWeights | None = None
    pretrain: Pretrain | None = None
    train: Train = field(default_factory=Train)
    detect: detect.Config = field(default_factory=detect.Config)
    class_scores: ClassScores | None = None
    protocol: str | None = None
    tious: tuple[float, ...] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        at_least_0(self, "seed")
        shares_above_0(self, "tious")
        if isinstance(self.data, FeatureData) and (self.encoder_weights or self.pretrain):
            raise ValueError("encoder_weights and pretrain are of an encoder; features have none")


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
    return from_folder(recipe, base.absolute())


def from_folder(recipe: Recipe, folder: Path) -> Recipe:
    """The same with paths that do not depend on the working folder."""
    data, scores = recipe.data, recipe.class_scores
    if scores is not None:
        scores = replace(scores, file=folder / scores.file)
    weights = recipe.encoder_weights
    if weights is not None and weights.path is not None:
        weights = replace(weights, path=folder / weights.path)
    splits = data.splits
    if splits.file is not None:
        splits = replace(splits, file=folder / splits.file)
    annotations = folder / data.annotations
    if isinstance(data, VideoData):
        data = replace(
            data,
            annotations=annotations,
            splits=splits,
            media=folder / data.media,
            prepared=None if data.prepared is None else folder / data.prepared,
        )
    else:
        data = replace(
            data,
            annotations=annotations,
            splits=splits,
            features=tuple(replace(each, path=folder / each.path) for each in data.features),
            media=None if data.media is None else folder / data.media,
            downloads=tuple(replace(each, file=folder / each.file) for each in data.downloads),
        )
    return replace(recipe, class_scores=scores, data=data, encoder_weights=weights)
