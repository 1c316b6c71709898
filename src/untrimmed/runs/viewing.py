"""What there is to see of a run or of results, gathered for a page.

A run that is still trained has the course of its training, and the actions of a split; one that
has been evaluated has detections; and detections alone, whoever made them, are enough.  Nothing is
detected here: `runs.evaluation` and `runs.detection` do that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from untrimmed import __version__
from untrimmed.core.actions import Actions
from untrimmed.core.annotations import Annotations, Video
from untrimmed.core.detections import Detections
from untrimmed.core.errors import MediaError, UserError
from untrimmed.metrics import protocols
from untrimmed.metrics.average_precision import Scores, precision_recall
from untrimmed.report.charts import NamedCurve
from untrimmed.report.html import Report, Rival, VideoEntry
from untrimmed.report.media import copies_of
from untrimmed.report.proxy import duration_s
from untrimmed.report.training_curves import TrainingCurves, training_curves
from untrimmed.runs.correcting import Corrections
from untrimmed.runs.scoring import protocol_of, read_detections, read_truth
from untrimmed.runs.seen_files import (
    Sources,
    classes_in,
    detections_of,
    is_run,
    split_of_run,
    told_by_detect,
)
from untrimmed.sources.media import find
from untrimmed.train import journal

CURVE_TIOU = 0.5
_LEAST_DURATION_S = 0.1  # of a video of which nothing is known at all


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """What is seen.

    Args:
        report: for the page; without corrections.
        corrections: what people have said so far; reading it is left to whoever shows it.
        videos: those of the report, with their splits.
        run: the folder of the run; None if there is none.
        copies: folder for copies of videos.
    """

    report: Report
    corrections: Path
    videos: Mapping[str, Video]
    run: Path | None
    copies: Path

    def with_corrections(self) -> Report:
        """The report with what people have said.

        Raises:
            FormatError: if the file of corrections holds something else.
        """
        return self.corrected(Corrections(self.corrections, classes=self.report.classes).kept)

    def corrected(self, kept: Annotations) -> Report:
        """The report with the labels of `Corrections`."""
        added = kept.classes[len(self.report.classes) :]
        return replace(self.report, corrections=kept.actions, added_classes=added)


def look_at(sources: Sources) -> View:
    """Gather what there is to see.

    Raises:
        UserError: if there is nothing to be seen, or a file cannot be read.
    """
    if sources.media is not None and not sources.media.is_dir():
        raise MediaError("no such folder of videos", file=sources.media)
    if is_run(sources.main):
        return _of_run(sources)
    return _of_results(sources)


def course(run: Path) -> TrainingCurves | None:
    """How the training of a run went so far; None before its first step."""
    from untrimmed.runs.folder import RunFolder  # imports torch, as all that knows recipes does

    folder = RunFolder(run)
    steps, scores = (
        journal.read(path) if path.exists() else []
        for path in (folder.journal, folder.validation_journal)
    )
    return training_curves(steps, validations=scores)


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
    split, detections = split_of_run(folder, sources.split, recipe.data.splits)
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
        found.append(read_detections(detections_of(sources.other, split), classes))
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
    return View(
        report=replace(report, training=course(folder.path)),
        corrections=folder.path / f"corrections-{split}.json",
        videos=content.videos,
        run=folder.path,
        copies=copies_of(folder.report),
    )


def _of_results(sources: Sources) -> View:
    files = [detections_of(path, sources.split) for path in (sources.main, sources.other) if path]
    known = None
    if sources.annotations is not None:
        known = read_truth(sources.annotations, format=sources.format, split=sources.split)
    classes = known.classes if known is not None else classes_in(files)
    found = tuple(read_detections(file, classes) for file in files)
    ids = list(
        dict.fromkeys([*(known.videos if known else ()), *(id for some in found for id in some)])
    )
    if not ids:
        raise UserError(f"{files[0]}: there is no video in it to look at")
    told = told_by_detect(files[0].parent)
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
        report=_report(content, sources, title=sources.names[0], facts={}),
        corrections=folder / f"{stem}corrections.json",
        videos=content.videos,
        run=None,
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
    names = sources.names
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
