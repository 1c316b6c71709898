"""Write the detector of a run for other runtimes, and hold it against PyTorch on real videos.

The graphs end at candidates in cells; `runs.exported_settings` says what they need besides.
"""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import torch

from untrimmed.core.detections import Detections
from untrimmed.core.errors import UserError
from untrimmed.core.files import written_whole
from untrimmed.detect.agreement import difference
from untrimmed.detect.exported import Run, opened, stand_in
from untrimmed.detect.graphs import (
    Encoding,
    Graph,
    Lengths,
    Locating,
    Padding,
    Whole,
    traced,
    write_onnx,
)
from untrimmed.recipes.data import VideoData
from untrimmed.recipes.recipe import Recipe
from untrimmed.runs.exported_settings import described, pixels_of
from untrimmed.runs.folder import RunFolder
from untrimmed.runs.networks import own_classes, window_shape
from untrimmed.runs.progress import Job, Progress
from untrimmed.runs.samples import Sample, Samples, samples, start_of

BOUND = 1e-4
"""Largest difference from PyTorch: in scores, and in times, in seconds or in parts of the time."""

Form = Literal["onnx", "torch"]

_MOST = 2000
"""Candidates that are compared before suppression, the surest."""

_ENDINGS: dict[Form, str] = {"onnx": ".onnx", "torch": ".pt2"}


@dataclass(frozen=True)
class Checked:
    """How one video went.

    Args:
        length: clips, or cells, that the graph was given at once.
        found: detections of PyTorch.
        candidates, detections: largest differences, before and after suppression.
    """

    video: str
    length: int
    found: int
    candidates: float
    detections: float


@dataclass(frozen=True)
class Exported:
    """What was written, and how far it is from PyTorch.

    Args:
        files: the graphs, then what describes them.
    """

    files: tuple[Path, ...]
    checked: tuple[Checked, ...]


@dataclass(frozen=True)
class _Plan:
    """The graphs of a detector by name, how long each may be, and what it takes besides."""

    graphs: dict[str, Graph]
    lengths: dict[str, Lengths]
    sizes: dict[str, tuple[int, ...]]


def export(
    folder: RunFolder,
    output: Path,
    *,
    to: Form = "onnx",
    apart: bool = False,
    on: Sequence[Path] = (),
    fps: float | None = None,
) -> Job[Exported]:
    """Write the graphs of a detector, with a description beside them; nothing if they are wrong.

    Args:
        folder: of a trained run, or a bundle.
        output: a file for the whole detector, or a folder for its graphs.
        to: `onnx`, or the format of `torch.export`.
        apart: write encoder and what follows it as two graphs, so that every clip of a long video
            is encoded once.
        on: videos, or files of features, to hold it against PyTorch on; else some of the test
            split.
        fps: of the videos that features in `on` were made of, where nothing else says it.

    Raises:
        UserError: if the run is not trained, the network cannot be exported, or what was exported
            finds something else than PyTorch.
    """
    recipe = folder.read_recipe()
    names = own_classes(recipe, folder.read_classes())
    if apart and not isinstance(recipe.data, VideoData):
        raise UserError("a run on features has no encoder to be apart: leave --apart out")
    if apart and output.suffix in _ENDINGS.values():
        raise UserError(f"{output}: two graphs need a folder, not a file")
    chosen = samples(folder, recipe, on=on, fps=fps)
    plan = _planned(recipe, chosen, apart=apart)
    ending = _ENDINGS[to]
    is_file = output.suffix == ending
    target = output.parent if is_file else output
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target, prefix=".export-") as made:
        files = {}
        for number, (name, graph) in enumerate(plan.graphs.items()):
            yield Progress("export", number, len(plan.graphs))
            files[name] = Path(made) / f"{output.stem if is_file else name}{ending}"
            program = traced(graph, plan.sizes[name], lengths=plan.lengths[name])
            if to == "onnx":
                write_onnx(program, graph, files[name])
            else:
                torch.export.save(program, files[name])
        yield Progress("export", len(plan.graphs), len(plan.graphs))
        checked = yield from _check(recipe, chosen, plan, files)
        for each in Path(made).iterdir():
            shutil.move(each, target / each.name)
    description = target / f"{output.name if is_file else f'detector{ending}'}.json"
    said = described(folder, recipe, names, chosen.detector)
    said["graphs"] = {
        name: {"file": files[name].name, "length": plan.lengths[name]._asdict()} for name in files
    }
    said["checked"] = [asdict(each) for each in checked]
    with written_whole(description) as path:
        path.write_text(json.dumps(said, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return Exported((*(target / each.name for each in files.values()), description), checked)


def _planned(recipe: Recipe, chosen: Samples, *, apart: bool) -> _Plan:
    """Which graphs a detector is cut into."""
    detector = chosen.detector
    locating = Locating(detector).eval()
    strides = math.lcm(*detector.temporal.strides)
    if not isinstance(recipe.data, VideoData):
        lengths = padding_rule(recipe.model.padded, cells=recipe.data.cells)
        graph = locating if lengths.unit % strides == 0 else Padding(locating, unit=strides).eval()
        return _Plan({"detector": graph}, {"detector": lengths}, {"detector": (chosen.channels,)})
    encoder = detector.encoder
    assert encoder is not None
    shape = window_shape(recipe.data, stride=encoder.stride)
    pixels, clips = pixels_of(recipe.data), Lengths(1, shape.clips)
    size = (3, shape.clip_frames, *pixels)
    encoding, padding = Encoding(encoder).eval(), Padding(locating, unit=strides).eval()
    if not apart:
        whole = Whole(encoding, padding).eval()
        return _Plan({"detector": whole}, {"detector": clips}, {"detector": size})
    return _Plan(
        {"encoder": encoding, "locator": padding},
        {"encoder": clips._replace(most=None), "locator": Lengths(1, shape.cells)},
        {"encoder": size, "locator": (encoder.channels,)},
    )


def _check(
    recipe: Recipe, chosen: Samples, plan: _Plan, files: Mapping[str, Path]
) -> Job[tuple[Checked, ...]]:
    """What both find in each video.

    Raises:
        UserError: if that differs.
    """
    runs = {name: opened(path) for name, path in files.items()}
    checked = []
    for number, sample in enumerate(chosen.videos):
        yield Progress("compare with PyTorch", number, len(chosen.videos))
        one = _compared(recipe, chosen, plan, runs, sample, fewer=number)
        if not one.candidates <= BOUND:
            raise UserError(
                f"what was exported differs from PyTorch by {one.candidates:.2g} in {sample.video},"
                f" more than {BOUND:g}; nothing is written"
            )
        checked.append(one)
    yield Progress("compare with PyTorch", len(chosen.videos), len(chosen.videos))
    return tuple(checked)


def _compared(
    recipe: Recipe,
    chosen: Samples,
    plan: _Plan,
    runs: Mapping[str, Run],
    sample: Sample,
    *,
    fewer: int,
) -> Checked:
    """Both at the same video: at its start, of another length each time, or at the whole."""
    looks: tuple[Callable[[Recipe], Detections], ...]
    if isinstance(plan.graphs.get("detector"), Whole):
        assert chosen.detector.encoder is not None
        own = Whole(Encoding(chosen.detector.encoder), Locating(chosen.detector))
        clips = max((plan.lengths["detector"].most or 1) - fewer, 1)
        with start_of(sample, recipe, chosen.detector, clips=clips) as start:
            looks = tuple(partial(start.look, run) for run in (own, runs["detector"]))
            return _distant(recipe, looks, video=sample.video, length=len(start.frames))
    copy = stand_in(
        chosen.detector,
        encode=runs.get("encoder"),
        locate=runs["locator" if "locator" in runs else "detector"],
    )
    looks = tuple(partial(sample.look, network) for network in (chosen.detector, copy))
    return _distant(recipe, looks, video=sample.video, length=sample.length)


def _distant(
    recipe: Recipe,
    looks: tuple[Callable[[Recipe], Detections], ...],
    *,
    video: str,
    length: int,
) -> Checked:
    own = recipe.detect.suppression
    every = replace(own, method="none", voting=None, class_agnostic=False, most=_MOST)
    distances, found = [], 0
    for suppression in (every, own):
        detect = replace(recipe.detect, suppression=suppression)
        told = replace(recipe, detect=detect, train=replace(recipe.train, bf16=False))
        a, b = (look(told) for look in looks)
        found = len(a)
        least = own.least_score if suppression is every else max(own.least_score, own.min_score)
        distances.append(difference(a, b, least_score=least, most=suppression.most, bound=BOUND))
    return Checked(video, length, found, *distances)


def padding_rule(padded: Callable[..., int], *, cells: int) -> Lengths:
    """The lengths to which a model pads videos, told from what it does.

    Args:
        padded: from a number of cells to that which the network is to have.
        cells: of the window in training.

    Raises:
        UserError: if they are not the multiples of a number.
    """
    tried = range(cells + 1, 3 * cells + 2)
    unit = math.gcd(*(padded(length, cells=cells) for length in (1, *tried)))
    if any(padded(length, cells=cells) != -(-length // unit) * unit for length in tried):
        raise UserError("this model pads videos by no rule that can be written down")
    return Lengths(padded(1, cells=cells), None, unit)
