"""Features of videos that nobody annotated: single files, entries of an archive, and arrays.

How they were made is what the recipe says of those that were trained on.

Shapes: T cells, C channels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from untrimmed.core.annotations import Video
from untrimmed.core.detections import Detections
from untrimmed.core.errors import ConfigError, MediaError
from untrimmed.data.feature_dataset import FeatureSample, whole_video
from untrimmed.data.torch_file import READERS
from untrimmed.nn.detector import Detector
from untrimmed.recipes.data import FeatureData
from untrimmed.recipes.recipe import Recipe
from untrimmed.runs.feature_data import feature_settings, found_in
from untrimmed.runs.inputs import Entry
from untrimmed.sources.arrays import ARCHIVES, KINDS, entry_names
from untrimmed.sources.feature_files import FeatureFiles
from untrimmed.sources.feature_grid import FeatureGrid, completed
from untrimmed.sources.features import FeatureStore, resized
from untrimmed.tensors import Targets


def features_in(folder: Path) -> dict[str, Path]:
    """Files of features in a folder by their name without ending, sorted."""
    kinds = (*KINDS, *READERS)
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in kinds)
    return {path.stem: path for path in files}


def entries_in(recipe: Recipe, file: Path) -> dict[str, Entry]:
    """The videos of an archive by name, sorted; none if it is the file of one video.

    It is one of many if the run was trained on an archive, or if it holds several arrays and the
    recipe names none.  A file that cannot be read has none: what is wrong shows when it is opened.
    """
    trained = feature_settings(recipe).features[0]
    if file.suffix.lower() not in ARCHIVES:
        return {}
    try:
        names = entry_names(file)
    except MediaError:
        return {}
    if trained.path.suffix.lower() not in ARCHIVES:
        alone = trained.array is not None or len(names) < 2
        return {} if alone else {name: Entry(file, name) for name in names}
    before, behind = trained.prefix, trained.suffix or ""
    return {
        name.removeprefix(before).removesuffix(behind): Entry(file, name)
        for name in names
        if name.startswith(before) and name.endswith(behind)
    }


def open_alone(recipe: Recipe, *sources: Path | Entry) -> FeatureStore:
    """Features of single files, or entries of one archive, made as those of the recipe.

    They are asked for by `id_alone`.

    Raises:
        ConfigError: if the recipe joins several sets.
        MediaError: if none of the files can be read.
    """
    data = feature_settings(recipe)
    if len(data.features) > 1:
        raise ConfigError(
            f"the run joins {len(data.features)} sets of features; name the videos in an"
            " annotation file, without actions, and use `untrimmed evaluate`",
            path="data.features",
        )
    archives = [source.file for source in sources if isinstance(source, Entry)]
    files = replace(data.features[0], path=(archives or [Path()])[0], prefix="", suffix=None)
    return FeatureStore.open([files], videos=map(id_alone, sources), readers=READERS)


def id_alone(source: Path | Entry) -> str:
    """What `open_alone` calls the video of a file or an entry."""
    return source.name if isinstance(source, Entry) else str(source.absolute().with_suffix(""))


def detect_alone(
    recipe: Recipe,
    store: FeatureStore,
    fps: float | None,
    detector: Detector,
    source: Path | Entry,
    device: torch.device,
) -> tuple[Detections, float]:
    """What is found in a file of features, or an entry, and the seconds that they cover.

    Raises:
        ConfigError: if nothing says at what rate the video was encoded, or how long it is.
        MediaError: if the file cannot be read.
    """
    data = feature_settings(recipe)
    place = source.file if isinstance(source, Entry) else source.parent
    grid = _grid_alone(data, [replace(data.features[0], path=place)])
    video = Video(id=id_alone(source), duration_s=math.inf, fps=fps)
    duration_s = grid.covered_s(video, store.rows(video.id))
    sample = whole_video(store, video, grid)
    return found_in(recipe, detector, sample, duration_s=duration_s, device=device), duration_s


def detect_given(
    recipe: Recipe,
    features: Float[np.ndarray, "T C"],
    fps: float | None,
    detector: Detector,
    device: torch.device,
) -> tuple[Detections, float]:
    """What is found in features at hand, and the seconds that they cover.

    Raises:
        ConfigError: as `detect_alone`.
        ValueError: if there is no cell.
    """
    data = feature_settings(recipe)
    grid = _grid_alone(data, data.features)
    video = Video(id="array", duration_s=math.inf, fps=fps)
    duration_s = grid.covered_s(video, len(features))
    values = np.array(features, np.float32)
    if grid.resize is not None:
        values = resized(values, grid.resize)
    sample = FeatureSample(
        video.id,
        grid.grid_of(video, len(features)),
        torch.from_numpy(np.ascontiguousarray(values.T)),
        Targets(torch.zeros(0, 2), torch.zeros(0, dtype=torch.long)),
    )
    return found_in(recipe, detector, sample, duration_s=duration_s, device=device), duration_s


def _grid_alone(data: FeatureData, files: Sequence[FeatureFiles]) -> FeatureGrid:
    """Where rows lie of which no annotation says how long their video is.

    Raises:
        ConfigError: if nothing else says it.
    """
    grid = completed(data.grid, files)
    if grid.step_frames is None:
        raise ConfigError(
            "needed, for features alone do not say how long their video is",
            path="data.grid.step_frames",
        )
    return grid
