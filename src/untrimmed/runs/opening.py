"""Open the data set of a recipe, of whichever kind it is."""

from __future__ import annotations

from collections.abc import Sequence

from untrimmed.recipes.data import VideoData
from untrimmed.recipes.recipe import Recipe
from untrimmed.runs.dataset import OpenData
from untrimmed.runs.feature_data import open_features
from untrimmed.runs.video_data import open_videos


def open_data(recipe: Recipe, *, splits: Sequence[str]) -> OpenData:
    """Annotations and files of some splits; every video of them is looked at once.

    Raises:
        ConfigError: if a split is not there.
        FormatError: if the annotations cannot be read.
        MediaError: if the folder of files is missing, or none of the videos can be read.
    """
    if isinstance(recipe.data, VideoData):
        return open_videos(recipe, splits=splits)
    return open_features(recipe, splits=splits)
