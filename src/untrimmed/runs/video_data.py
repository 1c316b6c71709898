"""A data set of videos: opened, trained on clip by clip, detected in.

The long memory is opened and filled in `runs.video_memory`.  A window is trained on only where all
of it is remembered: the others are of videos that could not be read, and go with those.
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
from untrimmed.data.dataset import Failed, TrainingWindows
from untrimmed.data.sampling import steps_of
from untrimmed.detect.video import Detecting, detect_video
from untrimmed.nn.detector import Detector
from untrimmed.recipes.data import VideoData
from untrimmed.recipes.recipe import Recipe, Train
from untrimmed.runs.dataset import Stage, read_annotations, videos_of
from untrimmed.runs.networks import build_detector, window_shape
from untrimmed.runs.progress import Job, finish
from untrimmed.runs.video_memory import Filling, open_memory
from untrimmed.sources.check import VideoFacts
from untrimmed.sources.frames import Frames
from untrimmed.sources.media import Media, find
from untrimmed.train.clips import ClipLessons
from untrimmed.train.loop import Lesson
from untrimmed.train.memory import is_known


@dataclass(frozen=True)
class OpenVideos:
    """Annotations joined with readable videos.

    Args:
        media: opens the frames of a video.
        failed: what is wrong with each video that cannot be read, wholly or in part.
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
        filling = Filling(
            settings=self.settings,
            media=self.media,
            failed=self.failed,
            detector=detector,
            videos=videos,
            shape=shape,
            at=at,
            bf16=train.bf16,
        )
        bank = None if memory is None else (yield from open_memory(filling, memory))
        return VideoLessons(
            windows=TrainingWindows(
                videos,
                self.media,
                shape=shape,
                keep=memory.keep if memory else 1.0,
                redraws=self.settings.redraws,
                seed=self.recipe.seed,
                one_class=self.settings.one_class,
                clips=memory.clips if memory else "uniform",
            ),
            clips=ClipLessons(
                detector=detector,
                bank=bank,
                augmentation=self.settings.augment,
                generator=at.generator,
                head_only_steps=train.head_only_steps,
                bf16=train.bf16,
                device=at.device,
                processes=at.processes,
            ),
            workers=self.settings.workers,
            filling=filling,
            train=train,
        )

    def detect(self, detector: Detector, video: Video, *, device: torch.device) -> Detections:
        """Actions found in one video; raises MediaError if it cannot be read."""
        frames = self.media(video.id)
        return finish(detect_in(detector, frames, recipe=self.recipe, device=device))

    def file(self, video: str) -> Path | None:
        """The file of a video, if there is one."""
        return self.media.files.get(video)


@dataclass(frozen=True)
class VideoLessons:
    """What a detector is trained with on clips of videos."""

    windows: TrainingWindows
    clips: ClipLessons
    workers: int
    filling: Filling
    train: Train

    def batches(self, keys: Sequence[list[tuple[int, int]]]) -> Iterator[Batch]:
        """Batches by their keys; windows that are not wholly remembered are among the failed."""
        read = batches(self.windows, keys, collate=collate, workers=self.workers)
        return map(self._remembered, read)

    def __call__(self, batch: Batch, number: int) -> Lesson:
        """Losses of a batch in step `number`, from 0."""
        return self.clips(batch, number)

    def renew(self, step: int) -> Job[None]:
        """Fill the memory anew, if that is due."""
        memory, bank, train = self.filling.settings.memory, self.clips.bank, self.train
        if memory is None or bank is None or memory.refresh_every is None:
            return
        count = len(self.windows)
        every = max(1, steps_of(count, batch=train.batch, epochs=memory.refresh_every))
        if step % every == 0 and step < steps_of(count, batch=train.batch, epochs=train.epochs):
            yield from self.filling.fill(bank, step=step)

    def save(self, step: int) -> None:
        """Keep a copy of the memory for the state of that step."""
        if self.clips.bank is not None:
            self.clips.bank.copy_to(self.filling.at.folder.bank_saved(step))

    def clean(self, step: int) -> None:
        """Let go of the copies of the steps before."""
        folder = self.filling.at.folder
        for old in folder.path.glob(folder.bank_saved("*").name):
            if old != folder.bank_saved(step):
                shutil.rmtree(old)

    def _remembered(self, batch: Batch) -> Batch:
        """The part of a batch of which the memory knows every cell."""
        bank = self.clips.bank
        known = [bank is None or is_known(bank, window) for window in batch.windows]
        if all(known):
            return batch
        rows = [row for row, each in enumerate(known) if each]
        failed = [
            self._forgotten(video)
            for video, each in zip(batch.videos, known, strict=True)
            if not each
        ]
        return Batch(
            tuple(batch.windows[row] for row in rows),
            batch.frames[rows],
            batch.place[rows],
            tuple(batch.targets[row] for row in rows),
            (*batch.failed, *failed),
        )

    def _forgotten(self, video: str) -> Failed:
        """Why a video is not remembered; a resumed run no longer knows the frame at fault."""
        file = self.filling.media.files.get(video, video)
        told = (
            f"{file}: could not be read, wholly or in part, when the memory was filled; leave it"
            " out, or mend it and train into another folder"
        )
        return Failed(video, self.filling.failed.get(video, told))


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
) -> Detecting:
    """Find actions in one video by the settings of a recipe; see `detect.video.detect_video`."""
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
