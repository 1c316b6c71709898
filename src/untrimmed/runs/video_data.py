"""A data set of videos: opened, trained on clip by clip, detected in.

The long memory is opened, filled and saved here; what it does in a step is in `train.memory`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from untrimmed.core.annotations import Annotations, Video
from untrimmed.core.detections import Detections
from untrimmed.core.errors import ConfigError, MediaError
from untrimmed.data.collate import Batch, batches, collate
from untrimmed.data.dataset import TrainingWindows
from untrimmed.data.sampling import steps_of
from untrimmed.data.windows import WindowShape
from untrimmed.detect.features import encode_video
from untrimmed.detect.video import Detecting, detect_video
from untrimmed.nn.detector import Detector
from untrimmed.recipes.data import Memory, VideoData
from untrimmed.recipes.recipe import Recipe
from untrimmed.runs.dataset import Stage, read_annotations, videos_of
from untrimmed.runs.networks import build_detector, window_shape
from untrimmed.runs.progress import Job, Progress, finish
from untrimmed.sources.bank import Dtype, FeatureBank
from untrimmed.sources.check import VideoFacts
from untrimmed.sources.frames import Frames
from untrimmed.sources.media import Media, find
from untrimmed.train.clips import ClipLessons
from untrimmed.train.device_bank import DeviceBank
from untrimmed.train.loop import Lesson
from untrimmed.train.memory import Bank, fill


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
        filling = _Filling(self, detector, videos, shape, at)
        bank = None if memory is None else (yield from _bank(filling, memory))
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
    filling: _Filling

    def batches(self, keys: Sequence[list[tuple[int, int]]]) -> Iterator[Batch]:
        """Batches by their keys."""
        return batches(self.windows, keys, collate=collate, workers=self.workers)

    def __call__(self, batch: Batch, number: int) -> Lesson:
        """Losses of a batch in step `number`, from 0."""
        return self.clips(batch, number)

    def renew(self, step: int) -> Job[None]:
        """Fill the memory anew, if that is due."""
        data = self.filling.data
        memory, bank, train = data.settings.memory, self.clips.bank, data.recipe.train
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


@dataclass(frozen=True)
class _Filling:
    """How the memory of some videos is filled by the encoder as it is."""

    data: OpenVideos
    detector: Detector
    videos: Sequence[Video]
    shape: WindowShape
    at: Stage

    def new(self, folder: Path | None, *, dtype: Dtype) -> FeatureBank:
        """A memory in which nothing is written yet."""
        assert self.detector.encoder is not None
        media = self.data.media
        cells = {video.id: self.shape.cells_of(media(video.id).count) for video in self.videos}
        return FeatureBank.create(
            folder, cells, channels=self.detector.encoder.channels, dtype=dtype
        )

    def fill(self, bank: Bank, *, step: int) -> Job[None]:
        """Write every cell; each process encodes some videos, and all write all."""
        processes, total = self.at.processes, len(self.videos)
        self.detector.eval()
        for first in range(0, total, processes.count):
            own = self.videos[first : first + processes.count][processes.number :][:1]
            encoded = [(video.id, list(self._pieces(video))) for video in own]
            for part in processes.gathered(encoded):
                for id, pieces in part:
                    fill(bank, id, pieces, step=step)
            yield Progress("fill the memory", min(first + processes.count, total), total)
        self.detector.train()

    def _pieces(self, video: Video) -> Iterator[Tensor]:
        assert self.detector.encoder is not None
        settings = self.data.settings
        for piece in encode_video(
            self.detector.encoder,
            self.data.media(video.id),
            clip_frames=self.shape.clip_frames,
            crop=settings.augment.crop,
            device=self.at.device,
            bf16=self.data.recipe.train.bf16,
        ):
            yield piece if self.at.processes.count == 1 else piece.cpu()


def _bank(filling: _Filling, memory: Memory) -> Job[Bank]:
    """The memory that was saved at this step, or a new one."""
    at, is_new, on_disk = filling.at, filling.at.step == 0, memory.where == "disk"
    saved = at.folder.bank_saved(at.step)
    if at.processes.is_first:
        shutil.rmtree(at.folder.bank, ignore_errors=True)
        if on_disk and is_new:
            filling.new(at.folder.bank, dtype=memory.dtype)
        elif on_disk:
            FeatureBank.open(saved).copy_to(at.folder.bank)
    at.processes.gathered(None)  # now it is there
    bank: Bank
    if on_disk:
        bank = FeatureBank.open(at.folder.bank, writable=True)
    else:
        bank = (
            filling.new(None, dtype=memory.dtype)
            if is_new
            else FeatureBank.open(saved, in_memory=True)
        )
    if memory.where == "device":
        bank = DeviceBank(bank, at.device)
    if is_new:
        yield from filling.fill(bank, step=0)
    return bank


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
