"""Proposals without a class, and what a video shows as a whole: together, detections.

A detector of one class says where something happens, a classifier of whole videos what; each
proposal becomes a detection of every class that is likely for its video.  So ActionFormer and
TALLFormer detect on ActivityNet.  Suppression comes before (`detect.postprocess`), regardless of
class.

Classifiers of others are heard through their files: `read_class_scores` for JSON by video,
`read_score_rows` for an array with a row for each video.

Shapes: N proposals, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float64, Int64

from untrimmed.core.detections import Detections
from untrimmed.core.errors import FormatError
from untrimmed.sources.json_tree import Value, read_json


def classified(
    proposals: Detections,
    class_scores: Float64[np.ndarray, " K"],
    *,
    classes: int = 2,
    most: int | None = 200,
    combine: Literal["geometric_mean", "product"] = "geometric_mean",
) -> Detections:
    """Each of the surest proposals as a detection of each of the likeliest classes, surest first.

    Of classes with equal scores the lower goes first, of proposals the earlier; detections with
    equal scores are in the order of their classes' likelihood, then of their proposals.

    Args:
        proposals: of one video; their labels are not looked at.
        class_scores: of the same video, at least 0, by index of the class.
        classes: how many of the likeliest classes a proposal is given.
        most: how many of the surest proposals are taken; all, if None.
        combine: a detection scores the square root of proposal times class, or the product.

    Raises:
        ValueError: if there are not that many classes, or a score is below 0.

    Source: ActionFormer's code takes 200 proposals, 2 classes and the geometric mean; AFSD's
    (Lin et al., CVPR 2021) and TALLFormer's all proposals, 1 or 2 classes and the product.
    """
    if not 1 <= classes <= len(class_scores):
        raise ValueError(f"{classes} classes for each proposal, of {len(class_scores)}")
    if most is not None and most < 1:
        raise ValueError(f"{most} proposals; it must be at least 1, or None to take all")
    if not (np.all(class_scores >= 0) and np.all(proposals.scores >= 0)):
        raise ValueError("a score below 0 or not a number; wanted at least 0")
    surest = proposals.by_score()[:most]
    likeliest = np.argsort(-class_scores, kind="stable")[:classes]

    scores = class_scores[likeliest][:, None] * surest.scores  # (classes, N)
    if combine == "geometric_mean":
        scores = np.sqrt(scores)
    return Detections(
        np.tile(surest.segments_s, (classes, 1)),
        np.repeat(likeliest, len(surest)),
        scores.reshape(-1),
    ).by_score()


def read_class_scores(
    file: Path, *, classes: Sequence[str] | None = None
) -> dict[str, Float64[np.ndarray, " K"]]:
    """Class scores by video of a JSON file, such as `{"results": {"video": [0.1, 0.9]}}`.

    The object of videos may also be the whole file.  Names of videos must be those of the
    annotations, which cannot be checked here.

    Args:
        classes: names in the order of the annotations.  A file that names its classes, in an array
            `class` beside `results`, is put in that order; the scores of any other must be in it.

    Raises:
        FormatError: if the file is not so, names other classes, videos differ in the number of
            classes, or a score is below 0.

    Source: the files for ActivityNet that go round since its challenge of 2017, as ActionFormer
    reads them.
    """
    whole = read_json(file)
    videos = (whole.optional("results") or whole).members()
    scores = {video: _vector(value) for video, value in videos.items()}
    count = len(next(iter(scores.values()), ()))
    for video, vector in scores.items():
        if len(vector) != count:
            raise videos[video].wrong(
                f"scores of {len(vector)} classes, where the first video has {count}"
            )
    named = whole.optional("class") if "results" in whole.members() else None
    if named is None or classes is None:
        return scores
    columns = _columns(named, classes, count=count)
    return {video: vector[columns] for video, vector in scores.items()}


def _columns(named: Value, classes: Sequence[str], *, count: int) -> Int64[np.ndarray, " K"]:
    """Where the scores of each class are, in a file that names its classes."""
    names = [element.name() for element in named.elements()]
    if sorted(names) != sorted(classes) or len(names) != count:
        strange = sorted(set(names) ^ set(classes))
        raise named.wrong(
            f"{len(names)} classes for scores of {count} and annotations of {len(classes)}; only"
            f" one of them has: {', '.join(strange[:5]) or 'none'}.  If the order is that of the"
            " annotations, take the names out of the file"
        )
    return np.array([names.index(name) for name in classes], np.int64)


def _vector(value: Value) -> Float64[np.ndarray, " K"]:
    vector = np.array([element.number() for element in value.elements()], dtype=np.float64)
    if (vector < 0).any():
        raise value.elements()[int(np.argmax(vector < 0))].not_a("a score of at least 0")
    return vector


def read_score_rows(
    file: Path, *, video: str, columns: Sequence[int]
) -> dict[str, Float64[np.ndarray, " K"]]:
    """Class scores by video of a numpy file with a row for each video, numbered from 1.

    Args:
        file: an array (videos, columns) in a `.npy` file.
        video: name of a video by its number, as in `video_test_{:07d}`.
        columns: for each class in the order of the annotations, its column, from 0.

    Raises:
        FormatError: if the file is no such array, lacks a column, or a score is not finite or
            below 0.

    Source: the UntrimmedNet scores for THUMOS14 that are published with G-TAD; its 101 columns
    are the classes of UCF101, of which the data set has 20.
    """
    try:
        rows = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise FormatError(f"cannot be read as a numpy array: {error}", file=file) from error
    if not (isinstance(rows, np.ndarray) and rows.ndim == 2 and rows.dtype.kind == "f"):
        wanted = "wanted an array of numbers with two axes, videos and classes"
        raise FormatError(f"{wanted}, got {_described(rows)}", file=file)
    lacking = [column for column in columns if not 0 <= column < rows.shape[1]]
    if lacking:
        raise FormatError(f"there is no column {lacking[0]} among {rows.shape[1]}", file=file)
    scores = rows[:, list(columns)].astype(np.float64)
    wrong = ~(np.isfinite(scores) & (scores >= 0)).all(1)
    if wrong.any():
        number = int(np.argmax(wrong))
        raise FormatError(
            "wanted finite scores of at least 0; one is not", file=file, place=f"row {number}"
        )
    return {video.format(number): row for number, row in enumerate(scores, start=1)}


def _described(read: object) -> str:
    return f"{read.dtype} {read.shape}" if isinstance(read, np.ndarray) else "an archive of several"
