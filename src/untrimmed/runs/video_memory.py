"""The long memory of a training on videos: opened where the run stands, and filled by the encoder.

What it does in a step is in `train.memory`, how it is kept in `sources.bank`.  What cannot be read
of a video stays as it is in memory: never written at first, as old as it is later on.

Shapes: C channels, n cells of a piece of a video.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from untrimmed.core.annotations import Video
from untrimmed.core.errors import FormatError, MediaError, UserError
from untrimmed.data.windows import WindowShape
from untrimmed.detect.features import encode_video
from untrimmed.nn.detector import Detector
from untrimmed.recipes.data import Memory, VideoData
from untrimmed.runs.dataset import Stage
from untrimmed.runs.progress import Job, Progress
from untrimmed.sources.bank import FeatureBank
from untrimmed.sources.bank_files import Dtype
from untrimmed.sources.media import Media
from untrimmed.train.device_bank import DeviceBank
from untrimmed.train.memory import Bank, fill

CLIPS_AT_ONCE = 4
"""That are encoded in one call; if one of them cannot be read, none of them is written."""


@dataclass(frozen=True, kw_only=True)
class Filling:
    """How the memory of some videos is filled by the encoder as it is.

    Args:
        failed: what is wrong with each video that cannot be read, wholly or in part; those that
            are found on filling are added.
        bf16: encode in bfloat16, as the training does.
    """

    settings: VideoData
    media: Media
    failed: dict[str, str]
    detector: Detector
    videos: Sequence[Video]
    shape: WindowShape
    at: Stage
    bf16: bool

    def new(self, folder: Path | None, *, dtype: Dtype) -> FeatureBank:
        """A memory in which nothing is written yet."""
        assert self.detector.encoder is not None
        cells = {video.id: self.shape.cells_of(self.media(video.id).count) for video in self.videos}
        return FeatureBank.create(
            folder, cells, channels=self.detector.encoder.channels, dtype=dtype
        )

    def fill(self, bank: Bank, *, step: int) -> Job[None]:
        """Write every cell that can be read; each process encodes some videos, all write all.

        Raises:
            MediaError: if nothing of any video can be read; in every process.
        """
        processes, total = self.at.processes, len(self.videos)
        failed: dict[str, str] = {}
        is_any_read = False
        self.detector.eval()
        for first in range(0, total, processes.count):
            own = self.videos[first : first + processes.count][processes.number :][:1]
            encoded = [self._encoded(video) for video in own]
            for each in (each for part in processes.gathered(encoded) for each in part):
                for first_cell, piece in each.pieces:
                    fill(bank, each.video, [piece], first_cell=first_cell, step=step)
                    is_any_read = True
                if each.message is not None:
                    failed[each.video] = each.message
            yield Progress("fill the memory", min(first + processes.count, total), total)
        self.detector.train()
        self.failed.update(failed)
        if failed and not is_any_read:
            raise MediaError(
                f"none of the {total} videos can be read: {next(iter(failed.values()))}",
                file=self.settings.media,
            )

    def _encoded(self, video: Video) -> _Encoded:
        """Features of what can be read of a video; behind what cannot be, it goes on."""
        pieces: list[tuple[int, Tensor]] = []
        message = None
        per_clip = self.shape.clip_frames // self.shape.stride
        first_clip = 0
        while first_clip * per_clip < self.shape.cells_of(self.media(video.id).count):
            try:
                for piece in self._pieces(video, first_clip):
                    pieces.append((first_clip * per_clip, piece))
                    first_clip += CLIPS_AT_ONCE
            except MediaError as error:
                message = message or str(error)
                first_clip += CLIPS_AT_ONCE
        return _Encoded(video.id, pieces, message)

    def _pieces(self, video: Video, first_clip: int) -> Iterator[Float[Tensor, "C n"]]:
        assert self.detector.encoder is not None
        for piece in encode_video(
            self.detector.encoder,
            self.media(video.id),
            first_clip=first_clip,
            clip_frames=self.shape.clip_frames,
            crop=self.settings.augment.crop,
            clips_at_once=CLIPS_AT_ONCE,
            device=self.at.device,
            bf16=self.bf16,
        ):
            yield piece if self.at.processes.count == 1 else piece.cpu()


def open_memory(filling: Filling, memory: Memory) -> Job[Bank]:
    """The memory that was saved at this step, or a new one, filled.

    Raises:
        UserError: if the saved one is missing or damaged.
        MediaError: if nothing of any video can be read.
    """
    at, is_new, on_disk = filling.at, filling.at.step == 0, memory.where == "disk"
    if at.processes.is_first:
        shutil.rmtree(at.folder.bank, ignore_errors=True)
        if on_disk and is_new:
            filling.new(at.folder.bank, dtype=memory.dtype)
        elif on_disk:
            _saved(at, in_memory=False).copy_to(at.folder.bank)
    at.processes.gathered(None)  # now it is there
    bank: Bank
    if on_disk:
        bank = FeatureBank.open(at.folder.bank, writable=True)
    else:
        bank = filling.new(None, dtype=memory.dtype) if is_new else _saved(at, in_memory=True)
    if memory.where == "device":
        bank = DeviceBank(bank, at.device)
    if is_new:
        yield from filling.fill(bank, step=0)
    return bank


def _saved(at: Stage, *, in_memory: bool) -> FeatureBank:
    """The memory that belongs to the state that a run is resumed from."""
    try:
        return FeatureBank.open(at.folder.bank_saved(at.step), in_memory=in_memory)
    except FormatError as error:
        raise UserError(
            f"{error}; this is the memory of step {at.step}, without which the run cannot go on:"
            f" bring it back from a copy, or delete {at.folder.path} or give --run another folder,"
            " to train from the start"
        ) from error


class _Encoded(NamedTuple):
    """What can be read of a video, each piece with its first cell, and what is wrong with it."""

    video: str
    pieces: list[tuple[int, Tensor]]
    message: str | None
