"""The data set of a recipe, opened: annotations joined with readable media.

A video that is missing or broken costs only itself: it is listed, and the others go on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from untrimmed.core.annotations import Annotations, Video
from untrimmed.core.errors import ConfigError, FormatError, MediaError
from untrimmed.data.windows import WindowShape
from untrimmed.recipes.recipe import Data
from untrimmed.runs.formats import FORMATS, read_with
from untrimmed.sources.media import Media, find


@dataclass(frozen=True)
class OpenData:
    """A data set ready to be read.

    Args:
        annotations: of all splits.
        media: opens the frames of a video.
        failed: what is wrong with each video that cannot be read.
    """

    annotations: Annotations
    media: Media
    failed: dict[str, str]

    def readable(self, videos: Annotations) -> list[Video]:
        """Those of some videos that can be read."""
        return [video for video in videos.videos.values() if video.id not in self.failed]


def read_annotations(data: Data) -> Annotations:
    """The annotations of a data set, in whatever format it names.

    Raises:
        ConfigError: if there is no such format.
        FormatError: if the file is missing or does not hold it.
    """
    module = FORMATS.module(data.format)
    if not data.annotations.exists():
        raise FormatError("no such annotation file; set data.annotations", file=data.annotations)
    return read_with(
        module, data.annotations, settings=data.format_settings, place="data.format_settings"
    )


def split_of(annotations: Annotations, name: str, *, setting: str) -> Annotations:
    """The videos of a split, whatever the case of its name.

    Raises:
        ConfigError: if there is no such split, or it has no video.
    """
    for split in annotations.splits:
        if split.lower() == name.lower():
            return annotations.split(split)
    there = ", ".join(filter(None, annotations.splits)) or "none"
    raise ConfigError(f"the annotations have no split {name}; there are: {there}", path=setting)


def open_media(data: Data, videos: Iterable[str]) -> Media:
    """What opens the frames of some videos at the rate and size of a recipe.

    Raises:
        MediaError: if the folder is missing.
    """
    return Media(
        find(data.media, videos),
        fps=data.windows.fps,
        size=data.size,
        prepared=data.prepared,
    )


def open_data(data: Data, *, splits: Iterable[str]) -> OpenData:
    """Annotations and media of some splits; every video of them is opened once.

    Raises:
        ConfigError: if a split is not there.
        FormatError: if the annotations cannot be read.
        MediaError: if the folder of videos is missing, or none of the videos can be read.
    """
    annotations = read_annotations(data)
    wanted = [
        video
        for split in splits
        for video in split_of(annotations, split, setting="data.splits").videos.values()
    ]
    media = open_media(data, (video.id for video in wanted))
    failed = {}
    for video in wanted:
        try:
            media(video.id)
        except MediaError as error:
            failed[video.id] = str(error)
    if len(failed) == len(wanted):
        first = next(iter(failed.values()), "the splits are empty")
        raise MediaError(f"none of the {len(wanted)} videos can be read: {first}", file=data.media)
    return OpenData(annotations, media, failed)


def window_shape(data: Data, *, stride: int) -> WindowShape:
    """The windows of a recipe, for an encoder of that stride.

    Raises:
        ConfigError: if a clip is not a whole number of strides.
    """
    windows = data.windows
    if windows.clip_frames % stride:
        raise ConfigError(
            f"{windows.clip_frames} frames are not a whole number of strides of {stride},"
            " as the encoder has them",
            path="data.windows.clip_frames",
        )
    return WindowShape(
        fps=windows.fps, clip_frames=windows.clip_frames, clips=windows.clips, stride=stride
    )
