"""Detect in the videos of a split and score what was found."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import torch

from untrimmed import __version__
from untrimmed.core.annotations import Annotations, Video
from untrimmed.core.detections import Detections
from untrimmed.core.errors import MediaError
from untrimmed.core.files import written_whole
from untrimmed.data.windows import WindowShape
from untrimmed.detect.video import detect_video
from untrimmed.metrics import protocols
from untrimmed.metrics.average_precision import Scores, precision_recall
from untrimmed.nn.detector import Detector
from untrimmed.recipes.recipe import Recipe
from untrimmed.report.charts import NamedCurve
from untrimmed.report.html import Report, VideoEntry, write_report
from untrimmed.runs.dataset import OpenData, open_data, split_of
from untrimmed.runs.folder import RunFolder
from untrimmed.runs.networks import device_here, load_detector
from untrimmed.runs.progress import Job, Progress
from untrimmed.runs.scoring import protocol_of
from untrimmed.sources.formats import activitynet, csv

CURVE_TIOU = 0.5


@dataclass(frozen=True)
class Evaluation:
    """The result of a split.

    Args:
        scores: over the videos that could be read.
        detections: by video.
        failed: what is wrong with each video that could not be read; it is not scored.
    """

    split: str
    scores: Scores
    detections: dict[str, Detections]
    failed: dict[str, str]


def detect_all(
    detector: Detector,
    data: OpenData,
    videos: list[Video],
    *,
    recipe: Recipe,
    shape: WindowShape,
    device: torch.device,
) -> Job[dict[str, Detections]]:
    """Detections of every video that can be decoded; the others join `data.failed`."""
    found: dict[str, Detections] = {}
    for number, video in enumerate(videos, start=1):
        try:
            found[video.id] = detect_video(
                detector,
                data.media(video.id),
                shape=shape,
                config=recipe.detect,
                crop=recipe.data.augment.crop,
                device=device,
                bf16=recipe.train.bf16,
            )
        except MediaError as error:
            data.failed[video.id] = str(error)
        yield Progress("detect", number, len(videos))
    return found


def score(recipe: Recipe, truth: Annotations, found: dict[str, Detections]) -> Scores:
    """Average precision over the videos in which was looked, by ActivityNet's rules."""
    actions = {id: truth.videos[id].actions for id in found}
    rules = protocol_of(None, tious=recipe.tious)
    return protocols.score(actions, found, protocol=rules, classes=truth.classes)


def evaluate(
    folder: RunFolder, *, split: str | None = None, weights: Path | None = None
) -> Job[Evaluation]:
    """Score a trained run on a split; the folder gets detections, scores and a report.

    Args:
        split: the recipe's test split if not given.
        weights: those of the folder if not given.

    Raises:
        UserError: if the folder holds no trained run, or the data cannot be read.
    """
    recipe, classes = folder.read_recipe(), folder.read_classes()
    split = split or recipe.data.splits.test
    data = open_data(recipe.data, splits=[split])
    truth = split_of(data.annotations, split, setting="data.splits.test")
    device = device_here()
    detector, shape = load_detector(
        recipe, weights or folder.weights, classes=len(classes), device=device
    )
    found = yield from detect_all(
        detector, data, data.readable(truth), recipe=recipe, shape=shape, device=device
    )
    result = Evaluation(split, score(recipe, truth, found), found, data.failed)
    write_evaluation(folder, result, truth, data=data)
    return result


def write_evaluation(
    folder: RunFolder, result: Evaluation, truth: Annotations, *, data: OpenData
) -> None:
    """Detections as JSON and CSV, scores as JSON, and the page to look at."""
    detections = folder.detections(result.split)
    activitynet.write_detections(result.detections, truth.classes, detections)
    csv.write_detections(result.detections, truth.classes, detections.with_suffix(".csv"))
    with written_whole(folder.scores(result.split)) as path:
        path.write_text(json.dumps(_plain(result), indent=1, ensure_ascii=False), encoding="utf-8")
    actions = {id: truth.videos[id].actions for id in result.detections}
    model = type(folder.read_recipe().model).__module__.rpartition(".")[2]
    curves = []
    for label, name in enumerate(truth.classes):
        curve = precision_recall(actions, result.detections, tiou=CURVE_TIOU, label=label)
        curves.append(NamedCurve(name, curve.recall, curve.precision))
    videos = [
        VideoEntry(
            id=id,
            duration_s=truth.videos[id].duration_s,
            actions=truth.videos[id].actions,
            detections=found,
            media=data.media.files.get(id),
        )
        for id, found in result.detections.items()
    ]
    write_report(
        Report(
            title=f"{model}, {result.split} split",
            classes=truth.classes,
            videos=tuple(videos),
            scores=result.scores,
            curves=tuple(curves),
            facts={
                "run": folder.path.name,
                "split": result.split,
                "videos": str(len(videos)),
                "model": model,
                "protocol": result.scores.protocol,
                "date": date.today().isoformat(),
                "untrimmed": __version__,
            },
        ),
        folder.report,
    )


def _plain(result: Evaluation) -> dict[str, object]:
    """Scores as JSON; a class without actions has null."""
    table = result.scores
    return {
        "split": result.split,
        "videos": len(result.detections),
        "failed": result.failed,
        "protocol": result.scores.protocol,
        "average_mAP": table.average,
        "mAP": dict(zip(map(str, table.tious), table.mean_ap.tolist(), strict=True)),
        "AP": {
            name: [None if value != value else value for value in column]
            for name, column in zip(table.classes, table.ap.T.tolist(), strict=True)
        },
    }
