"""A data set of videos: opened, trained on clip by clip, detected in.

The long memory is opened, filled and saved here; what it does in a step is in `train.memory`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from untrimmed.core.annotations import Annotations, Video
from untrimmed.core.detections import Detections
from untrimmed.core.errors import ConfigError, MediaError
from untrimmed.data.collate import Batch, batches, collate
from untrimmed.data.dataset import TrainingWindows
from untrimmed.data.windows import WindowShape
from untrimmed.detect.features import encode_video
from untrimmed.detect.video import detect_video
from untrimmed.nn.detector import Detector
from untrimmed.recipes.data import VideoData
from untrimmed.recipes.recipe import Recipe
from untrimmed.runs.dataset import Stage, read_annotations, videos_of
from untrimmed.runs.networks import build_detector, window_shape
from untrimmed.runs.progress import Job, Progress
from untrimmed.sources.bank import FeatureBank
from untrimmed.sources.check import VideoFacts
from untrimmed.sources.frames import Frames
from untrimmed.sources.media import Media, find
from untrimmed.train.clips import ClipLessons
from untrimmed.train.loop import Lesson
from untrimmed.train.memory import fill


@dataclass(frozen=True)
class OpenVideos:
    """Annotations joined with readable videos.

    Args:
        media: opens the frames of a video.
        failed: what is wrong with each video that cannot be read.
    """

    recipe: Recipe
    annotations: Annotations
    media: Media
    failed: dict[str, str]

    @property
    def settings(self) -> VideoData:
        """Those of the data."""
        return video_settings(self.recipe)

    def facts(self) -> Mapping[str, VideoFacts]:
        """What the files of the readable videos say of them."""
        opened = {id: self.media(id) for id in self.media.files if id not in self.failed}
        return {id: VideoFacts(each.duration_s, each.fps, each.size) for id, each in opened.items()}

    def build(self) -> Detector:
        """The untrained detector of the recipe, drawn from its seed."""
        return build_detector(self.recipe, classes=len(self.annotations.classes))

    def lessons(
        self, detector: Detector, videos: Sequence[Video], *, at: Stage
    ) -> Job[VideoLessons]:
        """What `detector` is trained with; the memory is the saved one, or filled anew."""
        assert detector.encoder is not None
        memory, train = self.settings.memory, self.recipe.train
        shape = window_shape(self.settings, stride=detector.encoder.stride)
        bank = yield from self._bank(detector, videos, shape=shape, at=at)
        return VideoLessons(
            windows=TrainingWindows(
                videos,
                self.media,
                shape=shape,
                keep=memory.keep if memory else 1.0,
                redraws=self.settings.redraws,
                seed=self.recipe.seed,
                one_class=self.settings.one_class,
            ),
            clips=ClipLessons(
                detector=detector,
                bank=bank,
                augmentation=self.settings.augment,
                generator=at.generator,
                head_only_steps=train.head_only_steps,
                bf16=train.bf16,
                device=at.device,
            ),
            workers=self.settings.workers,
            stage=at,
        )

    def _bank(
        self, detector: Detector, videos: Sequence[Video], *, shape: WindowShape, at: Stage
    ) -> Job[FeatureBank | None]:
        """The memory that was saved at this step, or a new one filled by the encoder as it is."""
        memory, encoder, folder = self.settings.memory, detector.encoder, at.folder
        if memory is None or encoder is None:
            return None
        shutil.rmtree(folder.bank, ignore_errors=True)
        if at.step:
            FeatureBank.open(folder.bank_saved(at.step), writable=False).copy_to(folder.bank)
            return FeatureBank.open(folder.bank, writable=True)
        cells = {video.id: shape.cells_of(self.media(video.id).count) for video in videos}
        bank = FeatureBank.create(folder.bank, cells, channels=encoder.channels, dtype=memory.dtype)
        detector.eval()
        for number, video in enumerate(videos, start=1):
            pieces = encode_video(
                encoder,
                self.media(video.id),
                clip_frames=shape.clip_frames,
                crop=self.settings.augment.crop,
                device=at.device,
                bf16=self.recipe.train.bf16,
            )
            fill(bank, video.id, pieces)
            yield Progress("fill the memory", number, len(videos))
        return bank

    def detect(self, detector: Detector, video: Video, *, device: torch.device) -> Detections:
        """Actions found in one video; raises MediaError if it cannot be read."""
        return detect_in(detector, self.media(video.id), recipe=self.recipe, device=device)

    def file(self, video: str) -> Path | None:
        """The file of a video, if there is one."""
        return self.media.files.get(video)


@dataclass(frozen=True)
class VideoLessons:
    """What a detector is trained with on clips of videos."""

    windows: TrainingWindows
    clips: ClipLessons
    workers: int
    stage: Stage

    def batches(self, keys: Sequence[list[tuple[int, int]]]) -> Iterator[Batch]:
        """Batches by their keys."""
        return batches(self.windows, keys, collate=collate, workers=self.workers)

    def __call__(self, batch: Batch, number: int) -> Lesson:
        """Losses of a batch in step `number`, from 0."""
        return self.clips(batch, number)

    def save(self, step: int) -> None:
        """Keep a copy of the memory for the state of that step."""
        if self.clips.bank is not None:
            self.clips.bank.copy_to(self.stage.folder.bank_saved(step))

    def clean(self, step: int) -> None:
        """Let go of the copies of the steps before."""
        folder = self.stage.folder
        for old in folder.path.glob(folder.bank_saved("*").name):
            if old != folder.bank_saved(step):
                shutil.rmtree(old)


def video_settings(recipe: Recipe) -> VideoData:
    """The data of a recipe that must be of videos.

    Raises:
        ConfigError: if it is of features.
    """
    if not isinstance(recipe.data, VideoData):
        raise ConfigError("this is about videos, but the recipe is of features", path="data")
    return recipe.data


def open_videos(recipe: Recipe, *, splits: Sequence[str]) -> OpenVideos:
    """Annotations and media of some splits; every video of them is opened once.

    Raises:
        ConfigError: if a split is not there.
        FormatError: if the annotations cannot be read.
        MediaError: if the folder of videos is missing, or none of the videos can be read.
    """
    data = video_settings(recipe)
    annotations = read_annotations(data)
    wanted = videos_of(annotations, splits)
    media = Media(
        find(data.media, (video.id for video in wanted)),
        fps=data.windows.fps,
        size=data.size,
        prepared=data.prepared,
    )
    failed = {}
    for video in wanted:
        try:
            media(video.id)
        except MediaError as error:
            failed[video.id] = str(error)
    if len(failed) == len(wanted):
        first = next(iter(failed.values()), "the splits are empty")
        raise MediaError(f"none of the {len(wanted)} videos can be read: {first}", file=data.media)
    return OpenVideos(recipe, annotations, media, failed)


def detect_in(
    detector: Detector, frames: Frames, *, recipe: Recipe, device: torch.device
) -> Detections:
    """Actions found in one video by the settings of a recipe."""
    assert detector.encoder is not None
    data = video_settings(recipe)
    return detect_video(
        detector,
        frames,
        shape=window_shape(data, stride=detector.encoder.stride),
        config=recipe.detect,
        crop=data.augment.crop,
        device=device,
        bf16=recipe.train.bf16,
    )
