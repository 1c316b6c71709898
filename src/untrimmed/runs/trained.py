"""A trained detector, opened to look at videos, or features of videos, that nobody annotated.

`runs.detection` looks at many files and writes what it found; `untrimmed.detector` is for Python.

Shapes: P pictures, H W pixels, T cells, C channels.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from jaxtyping import Float, UInt8

from untrimmed.core.errors import MediaError, UnlikeError
from untrimmed.nn.detector import Detector
from untrimmed.recipes.data import VideoData
from untrimmed.runs.feature_data import feature_settings
from untrimmed.runs.finished import Looked
from untrimmed.runs.folder import RunFolder
from untrimmed.runs.inputs import Source, place, shown_fps
from untrimmed.runs.lone_features import detect_alone, detect_given, id_alone, open_alone
from untrimmed.runs.networks import build_detector, device_here, own_classes
from untrimmed.runs.thresholds import Threshold, kept
from untrimmed.runs.video_data import detect_in, video_settings
from untrimmed.sources.frames import Frames
from untrimmed.sources.pictures import Pictures, frames_of, open_pictures
from untrimmed.sources.video import open_video
from untrimmed.train.state import load_weights

Looking = Generator[tuple[int, int], None, Looked]
"""Yields how much of a video is done, of how much, and returns what was found."""


class TrainedRun:
    """The detector of a run; its network is built when it is first needed.

    Args:
        folder: of the run.
        device: the first GPU if there is one, else the CPU, if not given.

    Raises:
        UserError: if the folder holds no trained run.
    """

    def __init__(self, folder: RunFolder, *, device: torch.device | None = None) -> None:
        self.folder = folder
        self.recipe = folder.read_recipe()
        self.weights = folder.weights
        self.classes = own_classes(self.recipe, folder.read_classes())
        self.device = device_here() if device is None else device
        self._network: tuple[Detector, tuple[int, ...] | None] | None = None

    @property
    def on_videos(self) -> bool:
        """Whether it looks at videos, and not at features."""
        return isinstance(self.recipe.data, VideoData)

    @property
    def threshold(self) -> Threshold | None:
        """The least score that was best in validation; None if there was no validation."""
        return kept(self.folder.path)

    def look(self, source: Source, *, fps: float | None = None) -> Looking:
        """Find actions in a file, or in pictures.

        Args:
            fps: of pictures, or of the video that features were made of, where nothing else says
                it.

        Raises:
            UserError: if nothing says how fast pictures follow, or features were made.
            MediaError: if it cannot be read.
        """
        if self.on_videos:
            with self._opened(source, fps) as frames:
                return (yield from self.look_at(frames))
        if isinstance(source, Pictures):
            raise MediaError("pictures, but the run is on features", file=source.folder)
        store = open_alone(self.recipe, source)
        store.rows(id_alone(source))  # so that its width is known
        network = self._built(store.channels, str(source))
        return Looked(*detect_alone(self.recipe, store, fps, network, source, self.device))

    def look_at(self, frames: Frames) -> Looking:
        """Find actions in frames at the rate and size of the run."""
        network = self._built(None, "")
        found = yield from detect_in(network, frames, recipe=self.recipe, device=self.device)
        return Looked(found, frames.duration_s)

    def look_at_pixels(self, pixels: UInt8[np.ndarray, "P H W 3"], *, fps: float) -> Looking:
        """Find actions in pictures, RGB, shown at `fps`.

        Raises:
            ConfigError: if the run is on features.
        """
        data = video_settings(self.recipe)
        frames = frames_of(pixels, shown_fps=fps, fps=data.windows.fps, size=data.size)
        return (yield from self.look_at(frames))

    def look_at_features(
        self, features: Float[np.ndarray, "T C"], *, fps: float | None = None
    ) -> Looked:
        """Find actions in features, a row for each cell, made as those of the run.

        Args:
            fps: of the video that they were made of, where the recipe does not say it.

        Raises:
            ConfigError: if the run is on videos, or nothing says how fast features were made.
            MediaError: if they are not as wide as those of the run.
        """
        feature_settings(self.recipe)
        network = self._built((features.shape[1],), "array")
        return Looked(*detect_given(self.recipe, features, fps, network, self.device))

    def _opened(self, source: Source, fps: float | None) -> AbstractContextManager[Frames]:
        data = video_settings(self.recipe)
        if not isinstance(source, Pictures):
            return open_video(place(source), fps=data.windows.fps, size=data.size)
        rate = shown_fps(source, fps)
        return nullcontext(
            open_pictures(source, shown_fps=rate, fps=data.windows.fps, size=data.size)
        )

    def _built(self, channels: tuple[int, ...] | None, file: str) -> Detector:
        """The network; of features, for those of a width."""
        if self._network is None:
            network = build_detector(self.recipe, classes=len(self.classes), channels=channels)
            try:
                load_weights(network, self.weights)
            except UnlikeError as error:
                if channels is None:
                    raise
                # The first file that is looked at must not cost the others.
                raise MediaError(f"features of width {channels}, but {error}", file=file) from error
            self._network = network.to(self.device).eval(), channels
        network, built = self._network
        if built != channels:
            raise MediaError(f"features of width {channels}; wanted {built}", file=file)
        return network
