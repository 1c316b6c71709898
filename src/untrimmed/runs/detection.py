"""Find actions in videos that nobody annotated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from untrimmed.core.detections import Detections
from untrimmed.core.errors import MediaError, UserError
from untrimmed.detect.video import detect_video
from untrimmed.report.html import Report, VideoEntry, write_report
from untrimmed.runs.folder import RunFolder
from untrimmed.runs.networks import device_here, load_detector
from untrimmed.runs.progress import Job, Progress
from untrimmed.sources.formats import activitynet, csv
from untrimmed.sources.media import videos_in
from untrimmed.sources.video import open_video


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


def video_files(paths: Sequence[Path]) -> dict[str, Path]:
    """The files that are meant, by name without ending; a folder means the videos in it.

    A file that was named outright is taken whatever its ending, and if it is missing that shows
    when it is opened.

    Raises:
        UserError: if two files have the same name, or a folder has no video.
    """
    files: dict[str, Path] = {}
    for path in paths:
        inside = videos_in(path) if path.is_dir() else {path.stem: path}
        if not inside:
            raise UserError(f"{path}: no video file in this folder")
        for id, file in inside.items():
            if id in files and files[id] != file:
                raise UserError(f"two videos are called {id}: {files[id]} and {file}; rename one")
            files[id] = file
    return files


def detect(folder: RunFolder, paths: Sequence[Path], *, output: Path) -> Job[Detected]:
    """Detect in video files; `output` gets detections as JSON and CSV, and a page to look at.

    A file that cannot be read costs only itself.

    Args:
        folder: of a trained run.
        paths: files, and folders of files.
        output: a folder.

    Raises:
        UserError: if the folder holds no trained run, or no file is meant.
    """
    files = video_files(paths)
    recipe, classes = folder.read_recipe(), folder.read_classes()
    device = device_here()
    detector, shape = load_detector(recipe, folder.weights, classes=len(classes), device=device)
    found: dict[str, Detections] = {}
    durations_s: dict[str, float] = {}
    failed: dict[str, str] = {}
    yield Progress("detect", 0, len(files))
    for number, (id, file) in enumerate(files.items(), start=1):
        try:
            with open_video(file, fps=recipe.data.windows.fps, size=recipe.data.size) as frames:
                found[id] = detect_video(
                    detector,
                    frames,
                    shape=shape,
                    config=recipe.detect,
                    crop=recipe.data.augment.crop,
                    device=device,
                    bf16=recipe.train.bf16,
                )
                durations_s[id] = frames.duration_s
        except MediaError as error:
            failed[id] = str(error)
        yield Progress("detect", number, len(files), {"video": id})
    result = Detected(classes, found, durations_s, failed)
    _write(result, files, output)
    return result


def _write(result: Detected, files: dict[str, Path], output: Path) -> None:
    activitynet.write_detections(result.detections, result.classes, output / "detections.json")
    csv.write_detections(result.detections, result.classes, output / "detections.csv")
    videos = tuple(
        VideoEntry(id=id, duration_s=result.durations_s[id], detections=found, media=files[id])
        for id, found in result.detections.items()
    )
    write_report(
        Report(title="detections", classes=result.classes, videos=videos), output / "report.html"
    )
