"""Detect in the videos of a split and score what was found."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import torch

from untrimmed import __version__
from untrimmed.core.actions import Actions
from untrimmed.core.annotations import Annotations, Video
from untrimmed.core.detections import Detections
from untrimmed.core.errors import ConfigError, MediaError
from untrimmed.core.files import written_whole
from untrimmed.detect.classify import classified
from untrimmed.metrics import protocols
from untrimmed.metrics.average_precision import Scores, precision_recall
from untrimmed.metrics.recall import TopRecall
from untrimmed.nn.detector import Detector
from untrimmed.recipes.recipe import ClassScores, Recipe
from untrimmed.report.charts import NamedCurve
from untrimmed.report.html import Report, VideoEntry, write_report
from untrimmed.runs.class_scores import check_class_scores, class_scores_of
from untrimmed.runs.dataset import OpenData, readable, split_of
from untrimmed.runs.folder import RunFolder
from untrimmed.runs.networks import classes_itself, device_here, own_classes, unclassified
from untrimmed.runs.opening import open_data
from untrimmed.runs.progress import Job, Progress
from untrimmed.runs.scoring import protocol_of, recall_by_multiple
from untrimmed.runs.thresholds import Threshold, chosen, keep
from untrimmed.sources.formats import activitynet, csv
from untrimmed.train.state import load_weights

CURVE_TIOU = 0.5


@dataclass(frozen=True)
class Evaluation:
    """The result of a split.

    Args:
        scores: over the videos that could be read.
        detections: by video.
        failed: what is wrong with each video that could not be read; it is not scored.
        recall: Recall@kx, where the recipe's protocol has it.
        own_classes: scores of the same videos by the detector's own classifier of videos, where
            `scores` are by that of others.
    """

    split: str
    scores: Scores
    detections: dict[str, Detections]
    failed: dict[str, str]
    recall: TopRecall | None = None
    own_classes: Scores | None = None


def detect_all(
    detector: Detector,
    data: OpenData,
    videos: list[Video],
    *,
    recipe: Recipe,
    device: torch.device,
) -> Job[dict[str, Detections]]:
    """Detections of every video that can be read; the others join `data.failed`.

    Raises:
        ConfigError: if the recipe's class scores are of other classes.
        FormatError: if they cannot be read.
    """
    classes = recipe.class_scores
    shown = class_scores_of(recipe, data.annotations)
    if classes is not None:
        detector = unclassified(detector)
    found: dict[str, Detections] = {}
    for number, video in enumerate(videos, start=1):
        try:
            some = data.detect(detector, video, device=device)
            if classes is not None:
                if video.id not in shown:
                    raise MediaError(f"no class scores of the video {video.id}", file=classes.file)
                some = classified(
                    some,
                    shown[video.id],
                    classes=classes.classes,
                    most=classes.most,
                    combine=classes.combine,
                )
            found[video.id] = some
        except MediaError as error:
            data.failed[video.id] = str(error)
        yield Progress("detect", number, len(videos))
    return found


def check_scoring(recipe: Recipe, annotations: Annotations) -> None:
    """Refuse a recipe that says not how to score, or could not score its validation split.

    Raises:
        ConfigError: if there is no such protocol, or class scores are of other classes or videos.
        FormatError: if class scores cannot be read.
    """
    _rules(recipe)
    name = recipe.data.splits.validation
    if name is not None:
        truth = split_of(annotations, name, setting="data.splits.validation")
        check_class_scores(recipe, truth, name=name)


def score(recipe: Recipe, truth: Annotations, found: dict[str, Detections]) -> Scores:
    """Average precision over the videos in which was looked, by the rules of the recipe.

    A detector of one class without class scores is scored for finding actions of whatever class.
    """
    actions, names = _scored(recipe, truth, found)
    return protocols.score(actions, found, protocol=_rules(recipe), classes=names)


def recall(recipe: Recipe, truth: Annotations, found: dict[str, Detections]) -> TopRecall | None:
    """Recall@kx over the same videos; None if the rules of the recipe have none."""
    actions, names = _scored(recipe, truth, found)
    return protocols.recall(actions, found, protocol=_rules(recipe), classes=names)


def threshold(
    recipe: Recipe, truth: Annotations, found: dict[str, Detections], *, split: str
) -> Threshold | None:
    """The least score that gives the largest F1 over the same videos; None without a hit.

    Nor is there one with class scores of others, which new videos do not have.
    """
    if recipe.class_scores is not None:
        return None
    actions, names = _scored(recipe, truth, found)
    return chosen(actions, found, classes=names, split=split)


def _rules(recipe: Recipe) -> protocols.Protocol:
    return protocol_of(recipe.protocol, tious=recipe.tious)


def _scored(
    recipe: Recipe, truth: Annotations, found: dict[str, Detections]
) -> tuple[dict[str, Actions], tuple[str, ...]]:
    """Actions that are scored against, and the classes that are told apart."""
    actions = {id: truth.videos[id].actions for id in found}
    names = told_apart(recipe, truth.classes)
    if names != truth.classes:
        actions = {id: some.of_one_class() for id, some in actions.items()}
    return actions, names


def told_apart(recipe: Recipe, classes: tuple[str, ...]) -> tuple[str, ...]:
    """The classes of a recipe's detections: those of the annotations, or the only one."""
    return classes if recipe.class_scores is not None else own_classes(recipe, classes)


def evaluate(
    folder: RunFolder,
    *,
    split: str | None = None,
    weights: Path | None = None,
    class_scores: ClassScores | None = None,
) -> Job[Evaluation]:
    """Score a trained run on a split; the folder gets detections, scores and a report.

    On the validation split the threshold of the run is found as well.

    Args:
        split: the recipe's test split if not given.
        weights: those of the folder if not given.
        class_scores: of others; those of the recipe if not given.  With them a detector that has a
            classifier of videos detects twice, for its own has scores of its own.

    Raises:
        UserError: if the folder holds no trained run, or the data cannot be read.
    """
    recipe = folder.read_recipe()
    if class_scores is not None:
        recipe = replace(recipe, class_scores=class_scores)
    split = split or recipe.data.splits.test
    data = open_data(recipe, splits=[split])
    truth = split_of(data.annotations, split, setting="data.splits.test")
    _check_same(folder, data.annotations.classes)
    device = device_here()
    detector = data.build()
    load_weights(detector, weights or folder.weights)
    detector.to(device).eval()
    found = yield from detect_all(
        detector, data, readable(data, truth), recipe=recipe, device=device
    )
    own = None
    if recipe.class_scores is not None and classes_itself(detector):
        without = replace(recipe, class_scores=None)
        videos = [truth.videos[id] for id in found]
        others = yield from detect_all(detector, data, videos, recipe=without, device=device)
        own = score(without, truth, others)
    result = Evaluation(
        split,
        score(recipe, truth, found),
        found,
        data.failed,
        recall(recipe, truth, found),
        own,
    )
    write_evaluation(folder, result, truth, data=data, recipe=recipe)
    if weights is None and class_scores is None and split == recipe.data.splits.validation:
        keep(threshold(recipe, truth, found, split=split), folder.path)
    return result


def _check_same(folder: RunFolder, classes: tuple[str, ...]) -> None:
    trained = folder.read_classes()
    if trained != classes:
        raise ConfigError(
            f"{folder.path} was trained for other classes ({len(trained)}) than the annotations"
            f" now hold ({len(classes)})",
            path="data.annotations",
        )


def write_evaluation(
    folder: RunFolder, result: Evaluation, truth: Annotations, *, data: OpenData, recipe: Recipe
) -> None:
    """Detections as JSON and CSV, scores as JSON, and the page to look at."""
    detections = folder.detections(result.split)
    actions, classes = _scored(recipe, truth, result.detections)
    activitynet.write_detections(result.detections, classes, detections)
    csv.write_detections(result.detections, classes, detections.with_suffix(".csv"))
    with written_whole(folder.scores(result.split)) as path:
        path.write_text(json.dumps(_plain(result), indent=1, ensure_ascii=False), encoding="utf-8")
    model = type(recipe.model).__module__.rpartition(".")[2]
    curves = []
    for label, name in enumerate(classes):
        curve = precision_recall(actions, result.detections, tiou=CURVE_TIOU, label=label)
        curves.append(NamedCurve(name, curve.recall, curve.precision))
    videos = [
        VideoEntry(
            id=id,
            duration_s=truth.videos[id].duration_s,
            actions=actions[id],
            detections=found,
            media=data.file(id),
        )
        for id, found in result.detections.items()
    ]
    write_report(
        Report(
            title=f"{model}, {result.split} split",
            classes=classes,
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
    own = result.own_classes
    return {
        "split": result.split,
        "videos": len(result.detections),
        "failed": result.failed,
        "protocol": result.scores.protocol,
        **_table(result.scores),
        **({} if result.recall is None else {"recall": recall_by_multiple(result.recall)}),
        **({} if own is None else {"own_classes": _table(own)}),
    }


def _table(scores: Scores) -> dict[str, object]:
    return {
        "average_mAP": scores.average,
        "mAP": dict(zip(map(str, scores.tious), scores.mean_ap.tolist(), strict=True)),
        "AP": {
            name: [None if value != value else value for value in column]
            for name, column in zip(scores.classes, scores.ap.T.tolist(), strict=True)
        },
    }
