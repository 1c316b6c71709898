"""What there is to see of a run or of results, gathered for a page.

A run that is still trained has the course of its training, and the actions of a split; one that
has been evaluated has detections; and detections alone, whoever made them, are enough.  Nothing is
detected here: `runs.evaluation` and `runs.detection` do that.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from untrimmed import __version__
from untrimmed.core.actions import Actions
from untrimmed.core.annotations import Annotations, Video
from untrimmed.core.detections import Detections
from untrimmed.core.errors import FormatError, MediaError, UserError
from untrimmed.metrics import protocols
from untrimmed.metrics.average_precision import Scores, precision_recall
from untrimmed.report.charts import NamedCurve
from untrimmed.report.html import Report, Rival, VideoEntry
from untrimmed.report.media import copies_of
from untrimmed.report.proxy import duration_s
from untrimmed.report.training_curves import training_curves
from untrimmed.runs.correcting import Corrections
from untrimmed.runs.scoring import protocol_of, read_detections, read_truth
from untrimmed.sources.formats import csv
from untrimmed.sources.json_tree import read_json
from untrimmed.sources.media import find
from untrimmed.sources.table import read_rows
from untrimmed.train import journal

if TYPE_CHECKING:
    from untrimmed.recipes.data import Splits
    from untrimmed.runs.folder import RunFolder

CURVE_TIOU = 0.5
DETECTIONS = "detections.json"
"""What `untrimmed detect` calls its detections."""

_LEAST_DURATION_S = 0.1  # of a video of which nothing is known at all


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What a page is made of, as files.

    Args:
        main: folder of a run, output folder of `detect`, or a file of detections.
        other: a second one, to be compared.
        annotations: of the videos; those of the run if not given.
        format: of the annotations; by the file's ending if not given.
        split: of the annotations; the run's test split if not given.
        media: folder of the video files; those of the run, or those detected in, if not given.
    """

    main: Path
    other: Path | None = None
    annotations: Path | None = None
    format: str | None = None
    split: str | None = None
    media: Path | None = None

    def stamp(self) -> str:
        """Changes when there are new results."""
        paths = [self.main] if self.other is None else [self.main, self.other]
        files = (file for path in paths for file in _files_of_detections(path))
        return " ".join(f"{file.name}:{file.stat().st_mtime_ns}" for file in files)


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """What is seen.

    Args:
        report: for the page; without corrections.
        corrections: what people have said so far; reading it is left to whoever shows it.
        videos: those of the report, with their splits.
        journal: of the run; None if there is no run.
        copies: folder for copies of videos.
    """

    report: Report
    corrections: Path
    videos: Mapping[str, Video]
    journal: Path | None
    copies: Path

    def with_corrections(self) -> Report:
        """The report with what people have said.

        Raises:
            FormatError: if the file of corrections holds something else.
        """
        kept = Corrections(self.corrections, classes=self.report.classes)
        return replace(self.report, corrections=kept.actions)


def look_at(sources: Sources) -> View:
    """Gather what there is to see.

    Raises:
        UserError: if there is nothing to be seen, or a file cannot be read.
    """
    if sources.media is not None and not sources.media.is_dir():
        raise MediaError("no such folder of videos", file=sources.media)
    if _is_run(sources.main):
        return _of_run(sources)
    return _of_results(sources)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Content:
    """What both kinds have in common, before it is scored and compared.

    truth: actions by video; a video that is not there is not judged.
    found: detections by video of one or two models.
    """

    classes: tuple[str, ...]
    videos: Mapping[str, Video]
    truth: Mapping[str, Actions]
    found: tuple[Mapping[str, Detections], ...]
    media: Mapping[str, Path]
    protocol: protocols.Protocol


def _of_run(sources: Sources) -> View:
    # These import torch, which results do not need.
    from untrimmed.runs.dataset import read_annotations, split_of
    from untrimmed.runs.evaluation import told_apart
    from untrimmed.runs.folder import RunFolder

    folder = RunFolder(sources.main)
    recipe = folder.read_recipe()
    split, detections = _split_of_run(folder, sources.split, recipe.data.splits)
    if sources.annotations is not None:
        known = read_truth(sources.annotations, format=sources.format, split=split)
    else:
        known = split_of(read_annotations(recipe.data), split, setting="--split")
    classes = told_apart(recipe, known.classes)
    truth = known.actions
    if classes != known.classes:
        truth = {id: some.of_one_class() for id, some in truth.items()}
    found = [read_detections(detections, classes)] if detections is not None else [{}]
    ids = list(found[0]) if detections is not None else list(known.videos)
    if sources.other is not None:
        found.append(read_detections(_detections_of(sources.other, split), classes))
    _check_known(ids, known.videos, detections)
    media = sources.media or recipe.data.media
    content = _Content(
        classes=classes,
        videos={id: known.videos[id] for id in ids},
        truth={id: truth[id] for id in ids},
        found=tuple(found),
        media=find(media, ids) if media is not None and media.is_dir() else {},
        protocol=protocol_of(recipe.protocol, tious=recipe.tious),
    )
    model = type(recipe.model).__module__.rpartition(".")[2]
    facts = {"run": folder.path.name, "split": split, "model": model}
    if detections is None:
        facts["detections"] = "none yet: `untrimmed evaluate` makes them"
    report = _report(content, sources, title=f"{model}, {split} split", facts=facts)
    course = training_curves(journal.read(folder.journal)) if folder.journal.exists() else None
    return View(
        report=replace(report, training=course),
        corrections=folder.path / f"corrections-{split}.json",
        videos=content.videos,
        journal=folder.journal,
        copies=copies_of(folder.report),
    )


def _of_results(sources: Sources) -> View:
    files = [_detections_of(path, sources.split) for path in (sources.main, sources.other) if path]
    known = None
    if sources.annotations is not None:
        known = read_truth(sources.annotations, format=sources.format, split=sources.split)
    classes = known.classes if known is not None else _classes_in(files)
    found = tuple(read_detections(file, classes) for file in files)
    ids = list(
        dict.fromkeys([*(known.videos if known else ()), *(id for some in found for id in some)])
    )
    if not ids:
        raise UserError(f"{files[0]}: there is no video in it to look at")
    told = _told_by_detect(files[0].parent)
    media = {id: file for id, (file, _) in told.items() if file is not None and id in ids}
    if sources.media is not None:
        media |= find(sources.media, ids)
    content = _Content(
        classes=classes,
        videos={id: _video(id, known, found, told, media) for id in ids},
        truth={} if known is None else known.actions,
        found=found,
        media=media,
        protocol=protocol_of(None, tious=None),
    )
    own_folder = sources.main.is_dir()
    folder = files[0].parent
    stem = "" if own_folder else f"{files[0].stem}."
    return View(
        report=_report(content, sources, title=_names(sources)[0], facts={}),
        corrections=folder / f"{stem}corrections.json",
        videos=content.videos,
        journal=None,
        copies=copies_of(folder / "report.html"),
    )


def _report(content: _Content, sources: Sources, *, title: str, facts: Mapping[str, str]) -> Report:
    """The report of what has been gathered, scored where it is known what happens."""
    entries = tuple(
        VideoEntry(
            id=id,
            duration_s=video.duration_s,
            detections=content.found[0].get(id, Detections.none()),
            actions=content.truth.get(id),
            media=content.media.get(id),
        )
        for id, video in content.videos.items()
    )
    scored = [_scored(content, some) for some in content.found]
    names = _names(sources)
    rival = None
    if len(content.found) > 1:
        rival = Rival(
            name=names[1], detections=content.found[1], scores=scored[1][0], curves=scored[1][1]
        )
        title = f"{names[0]} and {names[1]}"
    about = {**facts, "videos": str(len(entries))}
    if scored[0][0] is not None:
        about["protocol"] = scored[0][0].protocol
    return Report(
        title=title,
        classes=content.classes,
        videos=entries,
        scores=scored[0][0],
        curves=scored[0][1],
        facts={**about, "untrimmed": __version__},
        name=names[0] if rival is not None else "",
        rival=rival,
    )


def _scored(
    content: _Content, found: Mapping[str, Detections]
) -> tuple[Scores | None, tuple[NamedCurve, ...]]:
    """Scores and curves; none where nobody knows what happens, or nothing is found."""
    if not content.truth or not found:
        return None, ()
    known = {id: found[id] for id in found if id in content.truth}
    actions = dict(content.truth)
    scores = protocols.score(actions, known, protocol=content.protocol, classes=content.classes)
    curves = [
        precision_recall(actions, known, tiou=CURVE_TIOU, label=label)
        for label in range(len(content.classes))
    ]
    return scores, tuple(
        NamedCurve(name, curve.recall, curve.precision)
        for name, curve in zip(content.classes, curves, strict=True)
    )


def _names(sources: Sources) -> list[str]:
    """What the models are called: the folder or file, with what is above it if that is the same."""
    paths = [path.resolve() for path in (sources.main, sources.other) if path is not None]
    names = [path.name if path.is_dir() else path.stem for path in paths]
    if len(set(names)) < len(names):
        return [f"{path.parent.name}/{name}" for path, name in zip(paths, names, strict=True)]
    return names


def _is_run(path: Path) -> bool:
    return (path / "recipe.yaml").exists()


def _files_of_detections(path: Path) -> list[Path]:
    """Files in which a run or results may keep detections; those that exist."""
    if path.is_dir():
        pattern = "detections-*.json" if _is_run(path) else DETECTIONS
        return sorted(path.glob(pattern))
    return [path] if path.exists() else []


def _split_of_run(folder: RunFolder, split: str | None, splits: Splits) -> tuple[str, Path | None]:
    """Which split of a run to show, and its detections if there are any.

    Without a wish, the first of the test and validation splits that has been evaluated; else the
    one whose actions are shown while the training goes on.
    """
    wanted = [split] if split is not None else [splits.test, splits.validation]
    for name in filter(None, wanted):
        if folder.detections(name).exists():
            return name, folder.detections(name)
    return split or splits.validation or splits.test, None


def _detections_of(path: Path, split: str | None) -> Path:
    """The one file of detections that a path means.

    Raises:
        UserError: if there is none, or several.
    """
    if not path.exists():
        raise UserError(f"{path}: no such file or folder")
    files = _files_of_detections(path)
    if split is not None and _is_run(path):
        files = [file for file in files if file.stem == f"detections-{split}"] or files
    if len(files) == 1:
        return files[0]
    if files:
        there = ", ".join(file.stem.removeprefix("detections-") for file in files)
        raise UserError(f"{path} was evaluated on several splits, choose one of: {there} (--split)")
    if _is_run(path):
        raise UserError(f"{path} has no detections yet: run `untrimmed evaluate {path}` first")
    raise UserError(
        f"{path} is no folder of a run (it has no recipe.yaml) nor of results (it has no"
        f" {DETECTIONS})"
    )


def _classes_in(files: Iterable[Path]) -> tuple[str, ...]:
    """All labels of some files of detections, sorted."""
    names: set[str] = set()
    for file in files:
        if file.suffix.lower() == ".csv":
            rows = read_rows(file, csv.DETECTION_COLUMNS)
            names |= {row.cells["label"] for row in rows} - {""}
        else:
            for video in read_json(file).member("results").members().values():
                names |= {row.member("label").name() for row in video.elements()}
    return tuple(sorted(names))


def _told_by_detect(folder: Path) -> dict[str, tuple[Path | None, float | None]]:
    """By video, the file that was looked into and the seconds it lasts, as `detect` wrote it."""
    told: dict[str, tuple[Path | None, float | None]] = {}
    for path in sorted((folder / "videos").glob("*.json")):
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise FormatError("wanted JSON", file=path) from error
        if not isinstance(said, dict):
            continue
        file, length_s = said.get("file"), said.get("duration_s")
        id = said.get("video", path.stem)
        told[str(id)] = (
            Path(file) if isinstance(file, str) and Path(file).is_file() else None,
            float(length_s) if isinstance(length_s, int | float) and length_s > 0 else None,
        )
    return told


def _video(
    id: str,
    known: Annotations | None,
    found: Sequence[Mapping[str, Detections]],
    told: Mapping[str, tuple[Path | None, float | None]],
    media: Mapping[str, Path],
) -> Video:
    """A video of results, as long as somebody says, or else as it has detections."""
    if known is not None and id in known.videos:
        return known.videos[id]
    length_s = told[id][1] if id in told else None
    if length_s is None and id in media:
        try:
            length_s = duration_s(media[id]) or None
        except MediaError:
            length_s = None  # the page says what is wrong with the file
    if length_s is None:
        ends = (some[id].segments_s.max(initial=0.0) for some in found if id in some)
        length_s = max([_LEAST_DURATION_S, *map(float, ends)])
    return Video(id=id, duration_s=length_s)


def _check_known(ids: Iterable[str], videos: Mapping[str, Video], file: Path | None) -> None:
    for id in ids:
        if id not in videos:
            raise UserError(f"{file}: the video {id} is not among the annotations of the split")
