"""A trained detector in Python.

    from untrimmed import Detector

    detector = Detector.load("runs/first")
    found = detector("match.mp4")
    found.filter(threshold=0.5).to_pandas()
    found.save_html("match.html")

For whole folders, with files of results and resumption, there is `untrimmed.api.detect`.

Shapes: P pictures, H W pixels, T cells, C channels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self, overload

import numpy as np
import torch
from jaxtyping import Float, UInt8

from untrimmed.core.errors import UserError
from untrimmed.report.found import Found
from untrimmed.runs.finished import Looked
from untrimmed.runs.folder import RunFolder
from untrimmed.runs.hub import bundle_folder
from untrimmed.runs.inputs import Source, named_sources
from untrimmed.runs.progress import finish
from untrimmed.runs.thresholds import UNKNOWN
from untrimmed.runs.trained import TrainedRun

Pixels = UInt8[np.ndarray, "P H W 3"]
Features = Float[np.ndarray, "T C"]
Several = list[str] | list[Path] | tuple[str | Path, ...]


class Detector:
    """A trained detector, ready for videos; made by `load`."""

    def __init__(self, run: TrainedRun) -> None:
        self._run = run
        calibrated = run.threshold
        self.threshold = UNKNOWN if calibrated is None else calibrated.score

    @classmethod
    def load(cls, path: str | Path, *, device: str | torch.device | None = None) -> Self:
        """The detector of a run, or of a bundle.

        Args:
            path: the folder, or `hf://OWNER/NAME@REVISION` for a bundle on the Hugging Face Hub,
                which is fetched if it is not here.
            device: as PyTorch names it; the first GPU if there is one, else the CPU, if not given.

        Raises:
            UserError: if the folder holds no trained run, or the Hub has no such bundle.
        """
        chosen = None if device is None else torch.device(device)
        return cls(TrainedRun(RunFolder(finish(bundle_folder(path))), device=chosen))

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of what it finds, by label."""
        return self._run.classes

    @overload
    def __call__(
        self, video: str | Path | Pixels | Features, *, fps: float | None = None
    ) -> Found: ...
    @overload
    def __call__(self, video: Several, *, fps: float | None = None) -> list[Found]: ...
    def __call__(
        self,
        video: str | Path | Pixels | Features | Several,
        *,
        fps: float | None = None,
    ) -> Found | list[Found]:
        """Find actions in a video, or in each of several.

        Args:
            video: a file, a folder of numbered pictures, an array of pictures, RGB, 0 to 255, or,
                for a run on features, a file or an array of those, a row for each cell.
            fps: of pictures, or of the video that features were made of, where nothing else says
                it.

        Returns:
            What was found; for a list of files a list, in their order.

        Raises:
            UserError: if a video cannot be read, or nothing says the rate.
            ValueError: if an array is neither pictures nor features.
        """
        if isinstance(video, (str, Path)):
            return self._of_path(Path(video), fps)
        if isinstance(video, (list, tuple)):
            return [self._of_path(Path(each), fps) for each in video]
        return self._of_array(np.asarray(video), fps)

    def _of_path(self, path: Path, fps: float | None) -> Found:
        sources = named_sources([path], pictures=self._run.on_videos)
        if len(sources) != 1:
            raise UserError(f"{path}: {len(sources)} videos; give one, or a list of files")
        id, source = next(iter(sources.items()))
        looked = finish(self._run.look(source, fps=fps))
        return self._found(id, looked, source)

    def _of_array(self, array: np.ndarray, fps: float | None) -> Found:
        if array.ndim == 4 and array.shape[3] == 3 and array.dtype == np.uint8:
            if fps is None:
                raise UserError("an array of pictures does not say how fast they follow; give fps")
            return self._found("array", finish(self._run.look_at_pixels(array, fps=fps)))
        if array.ndim == 2 and array.dtype.kind == "f":
            return self._found("array", self._run.look_at_features(array, fps=fps))
        raise ValueError(
            f"an array {array.dtype} {array.shape}; wanted pictures, uint8 (P, H, W, 3), or"
            " features, float (T, C)"
        )

    def _found(self, id: str, looked: Looked, source: Source | None = None) -> Found:
        return Found(
            video=id,
            duration_s=looked.duration_s,
            classes=self.classes,
            detections=looked.detections,
            threshold=self.threshold,
            media=source if self._run.on_videos and isinstance(source, Path) else None,
        )
