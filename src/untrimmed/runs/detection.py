"""Find actions in videos, or features of videos, that nobody annotated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from untrimmed.core.detections import Detections
from untrimmed.core.errors import MediaError, UserError
from untrimmed.nn.detector import Detector
from untrimmed.recipes.data import VideoData
from untrimmed.recipes.recipe import Recipe
from untrimmed.report.html import Report, VideoEntry, write_report
from untrimmed.runs.evaluation import told_apart
from untrimmed.runs.feature_data import detect_alone, features_in, open_alone
from untrimmed.runs.folder import RunFolder
from untrimmed.runs.networks import build_detector, device_here
from untrimmed.runs.progress import Job, Progress
from untrimmed.runs.video_data import detect_in, video_settings
from untrimmed.sources.formats import activitynet, csv
from untrimmed.sources.media import videos_in
from untrimmed.sources.video import open_video
from untrimmed.train.state import load_weights


@dataclass(frozen=True)
class Detected:
    """What was found in some videos.

    Args:
        classes: names, by label.
        detections: by the file's name without its ending.
        failed: what is wrong with each file that could not be read.
        durations_s: of the videos that could.
    """

    classes: tuple[str, ...]
    detections: dict[str, Detections]
    durations_s: dict[str, float]
    failed: dict[str, str]


def named_files(
    paths: Sequence[Path], *, inside: Callable[[Path], dict[str, Path]] = videos_in
) -> dict[str, Path]:
    """The files that are meant, by name without ending; a folder means those in it.

    A file that was named outright is taken whatever its ending, and if it is missing that shows
    when it is opened.

    Args:
        inside: finds the files of a folder.

    Raises:
        UserError: if two files have the same name, or a folder has none.
    """
    files: dict[str, Path] = {}
    for path in paths:
        meant = inside(path) if path.is_dir() else {path.stem: path}
        if not meant:
            raise UserError(f"{path}: no file to detect in, in this folder")
        for id, file in meant.items():
            if id in files and files[id] != file:
                raise UserError(f"two files are called {id}: {files[id]} and {file}; rename one")
            files[id] = file
    return files


def detect(
    folder: RunFolder, paths: Sequence[Path], *, output: Path, fps: float | None = None
) -> Job[Detected]:
    """Detect in files; `output` gets detections as JSON and CSV, and a page to look at.

    A file that cannot be read costs only itself.

    Args:
        folder: of a trained run.
        paths: videos, or files of features if the run was trained on those; or folders of them.
        output: a folder.
        fps: frames per second of the videos that features were made of, where the recipe does not
            say it.

    Raises:
        UserError: if the folder holds no trained run, or no file is meant.
    """
    recipe = folder.read_recipe()
    classes = told_apart(recipe, folder.read_classes())
    on_videos = isinstance(recipe.data, VideoData)
    files = named_files(paths, inside=videos_in if on_videos else features_in)
    device = device_here()
    look: Look
    if on_videos:
        detector = build_detector(recipe, classes=len(classes))
        look = partial(_in_video, recipe)
    else:
        store = open_alone(recipe, files)
        detector = build_detector(recipe, classes=len(classes), channels=store.channels)
        look = partial(detect_alone, recipe, store, fps)
    load_weights(detector, folder.weights)
    detector.to(device).eval()
    found: dict[str, Detections] = {}
    durations_s: dict[str, float] = {}
    failed: dict[str, str] = {}
    yield Progress("detect", 0, len(files))
    for number, (id, file) in enumerate(files.items(), start=1):
        try:
            found[id], durations_s[id] = look(detector, file, device)
        except MediaError as error:
            failed[id] = str(error)
        yield Progress("detect", number, len(files), {"video": id})
    result = Detected(classes, found, durations_s, failed)
    _write(result, files if on_videos else {}, output)
    return result


Look = Callable[[Detector, Path, torch.device], tuple[Detections, float]]
"""What is found in a file, and the seconds that it lasts."""


def _in_video(
    recipe: Recipe, detector: Detector, file: Path, device: torch.device
) -> tuple[Detections, float]:
    data = video_settings(recipe)
    with open_video(file, fps=data.windows.fps, size=data.size) as frames:
        return detect_in(detector, frames, recipe=recipe, device=device), frames.duration_s


def _write(result: Detected, files: dict[str, Path], output: Path) -> None:
    activitynet.write_detections(result.detections, result.classes, output / "detections.json")
    csv.write_detections(result.detections, result.classes, output / "detections.csv")
    videos = tuple(
        VideoEntry(id=id, duration_s=result.durations_s[id], detections=found, media=files.get(id))
        for id, found in result.detections.items()
    )
    write_report(
        Report(title="detections", classes=result.classes, videos=videos), output / "report.html"
    )
