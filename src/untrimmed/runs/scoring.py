"""Score files: detections against annotations, by the rules of a benchmark.

Needs no network and no torch, whoever made the detections.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from untrimmed.core.annotations import Annotations, Fault
from untrimmed.core.detections import Detections
from untrimmed.core.errors import ConfigError, FormatError
from untrimmed.detect.classify import classified, read_class_scores
from untrimmed.metrics.average_precision import Scores
from untrimmed.metrics.protocols import PROTOCOLS, Protocol, recall, score
from untrimmed.metrics.recall import TopRecall
from untrimmed.runs.formats import FORMATS, read_with
from untrimmed.sources.formats import activitynet, csv


@dataclass(frozen=True)
class Scored:
    """The score of some files.

    Args:
        scores: by threshold and class, with the rules.
        videos: how many were scored.
        faults: actions that the annotations state and that are not scored, for they cannot be.
        recall: Recall@kx, where the rules have it.
    """

    scores: Scores
    videos: int
    faults: tuple[Fault, ...]
    recall: TopRecall | None = None

    def json(self) -> str:
        """One object; a class without actions has null."""
        table = self.scores
        return json.dumps(
            {
                "average_mAP": table.average,
                "mAP": {f"{t:g}": v for t, v in zip(table.tious, table.mean_ap, strict=True)},
                "AP": {
                    f"{tiou:g}": {
                        name: None if value != value else value
                        for name, value in zip(table.classes, row, strict=True)
                    }
                    for tiou, row in zip(table.tious, table.ap.tolist(), strict=True)
                },
                "protocol": table.protocol,
                "videos": self.videos,
                **({} if self.recall is None else {"recall": recall_by_multiple(self.recall)}),
            },
            ensure_ascii=False,
        )


def recall_by_multiple(recall: TopRecall) -> dict[str, dict[str, float]]:
    """Mean recall by multiple and threshold, as JSON has it."""
    return {
        f"{multiple}x": {f"{t:g}": v for t, v in zip(recall.tious, column, strict=True)}
        for multiple, column in zip(recall.multiples, recall.mean.T.tolist(), strict=True)
    }


def tious_of(text: str) -> tuple[float, ...]:
    """Thresholds as people write them: `0.5`, `0.3,0.5,0.7`, or `0.3:0.1:0.7` with both ends.

    Raises:
        ConfigError: if it is none of these, or a threshold is not in (0, 1].
    """
    try:
        if ":" in text:
            first, step, last = (float(part) for part in text.split(":"))
            count = round((last - first) / step) + 1
            values = [round(first + n * step, 9) for n in range(count)]
        else:
            values = [float(part) for part in text.split(",")]
    except (ValueError, ZeroDivisionError) as error:
        raise ConfigError(
            f"wanted first:step:last or numbers, got {text!r}", path="tiou"
        ) from error
    if not values or not all(0 < value <= 1 for value in values):
        raise ConfigError(f"thresholds must be in (0, 1], got {text!r}", path="tiou")
    return tuple(values)


def protocol_of(name: str | None, *, tious: tuple[float, ...] | None) -> Protocol:
    """A benchmark's rules by name, ActivityNet's if none is given, at thresholds of one's own.

    Without a name and thresholds, the thresholds are 0.3, 0.4, ..., 0.7.

    Raises:
        ConfigError: if there is no such protocol; lists those there are.
    """
    if name is not None and name not in PROTOCOLS:
        near = difflib.get_close_matches(name, PROTOCOLS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(PROTOCOLS)}"
        raise ConfigError(f"no protocol is called {name}; {hint}", path="protocol")
    if name is None:
        tious = tious or tious_of("0.3:0.1:0.7")
    rules = PROTOCOLS[name or "activitynet13"]
    return rules if tious is None else replace(rules, tious=tious)


def score_files(
    annotations: Path,
    detections: Path,
    *,
    format: str | None = None,
    split: str | None = None,
    protocol: Protocol,
    class_scores: Path | None = None,
    top_classes: int = 2,
) -> Scored:
    """Average precision of a file of detections.

    Args:
        class_scores: what a classifier of whole videos says (`detect.classify`): the detections
            are then taken without their labels, each as one of the `top_classes` likeliest of its
            video, and score the geometric mean.  The result says so.
        format: of the annotations; ActivityNet's for .json and CSV for .csv if not given.
        split: the part of the annotations that is scored; may be left out if there is but one.

    Raises:
        ConfigError: if the format is unknown, or the split missing or unknown.
        FormatError: if a file cannot be read.
    """
    truth, found = read_pair(annotations, detections, format=format, split=split)
    rules = protocol
    if class_scores is not None:
        found = _fused(found, class_scores, classes=len(truth.classes), top=top_classes)
        rules = replace(protocol, name=f"{protocol.name} with class scores of {class_scores.name}")
    table = score(truth.actions, found, protocol=rules, classes=truth.classes)
    shown = recall(truth.actions, found, protocol=rules, classes=truth.classes)
    return Scored(table, len(truth.videos), truth.faults, shown)


def read_pair(
    annotations: Path, detections: Path, *, format: str | None, split: str | None
) -> tuple[Annotations, dict[str, Detections]]:
    """A split of the annotations, and the detections; see `score_files`."""
    truth = read_truth(annotations, format=format, split=split)
    return truth, read_detections(detections, truth.classes)


def read_truth(path: Path, *, format: str | None, split: str | None) -> Annotations:
    """A split of annotations; see `score_files`."""
    return _split(_truth(path, format), split)


def read_detections(path: Path, classes: Sequence[str]) -> dict[str, Detections]:
    """Detections of a file in ActivityNet's form, or of a table.

    Raises:
        FormatError: if it is none, or a label is not among the classes.
    """
    if path.suffix.lower() == ".csv":
        return csv.read_detections(path, classes)
    return activitynet.read_detections(path, classes)


def _fused(
    found: dict[str, Detections], file: Path, *, classes: int, top: int
) -> dict[str, Detections]:
    scores = read_class_scores(file)
    for id in found:
        if id not in scores or len(scores[id]) != classes:
            told = f"{len(scores[id])} scores" if id in scores else "no scores"
            raise FormatError(f"{told} for the video {id}, wanted {classes}", file=file, place=id)
    top = min(top, classes)
    return {id: classified(some, scores[id], classes=top) for id, some in found.items()}


def _truth(path: Path, format: str | None) -> Annotations:
    if format is None and path.suffix.lower() == ".csv":
        return csv.read(path)
    if format is None or format == "activitynet":
        return activitynet.read(path, durations_needed=False)
    return read_with(FORMATS.module(format), path, settings={}, place="format")


def _split(truth: Annotations, name: str | None) -> Annotations:
    if name is None and len(truth.splits) <= 1:
        return truth
    there = ", ".join(filter(None, truth.splits)) or "none"
    if name is None:
        raise ConfigError(
            f"the annotations have several splits, choose one of: {there}", path="split"
        )
    for split in truth.splits:
        if split.casefold() == name.casefold():
            return truth.split(split)
    raise ConfigError(f"the annotations have no split {name}; there are: {there}", path="split")
