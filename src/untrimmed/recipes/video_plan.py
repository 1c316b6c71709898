"""A TALLFormer for videos of one's own: every size from the data, with its reason.

Pure: a `Survey` and what the files say of themselves give a tree of settings
(`recipes.commented`).  Published data sets have recipes of their own (`recipes.presets`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from untrimmed.recipes.commented import Chosen, Tree
from untrimmed.recipes.effort import Effort, steps_for
from untrimmed.recipes.encoder_choice import Encoder, encoder_for
from untrimmed.recipes.survey import Machine, Survey, VideoFiles

SHORT_CELLS = 2
"""Cells of the pyramid that a short action covers: the shortest anchor is as long."""

REACH = 5.8
"""Positions of the coarsest level that the longest anchor overlaps enough: 2 * 2^(4/5) / 0.6."""

_RATES = (5.0, 6.0, 7.5, 8.0, 10.0, 12.0, 12.5, 15.0, 20.0, 24.0, 25.0, 30.0, 50.0, 60.0)
_LEAST_CELLS, _MOST_CELLS = 64, 256
_KERNELS = (7, 7, 5, 5, 5, 5, 5)
_FEWEST_LEVELS = 5
_PIXEL_S = 4e-7  # of a core of 2023: a small encoder forward and back, and what follows it
_ALIKE = 1.4  # a window that much longer than a video is mostly padding


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How videos are sampled and cut.

    Args:
        fps: at which they are read.
        reduce: cells of the encoder per cell of the pyramid.
        cell_s: seconds of a cell of the pyramid.
        levels: of the pyramid.
        clips: of a window.
        window_s: seconds of a window.
    """

    fps: float
    reduce: int
    cell_s: float
    levels: int
    clips: int
    window_s: float


def timing_for(survey: Survey, files: VideoFiles, encoder: Encoder) -> Timing:
    """A rate so high that short actions cover cells, a window in which long ones lie whole."""
    needed = SHORT_CELLS * encoder.stride / survey.short_s
    rates = [rate for rate in _RATES if rate <= files.fps * 1.02] or [files.fps]
    fps = next((rate for rate in rates if rate >= max(needed, encoder.fps) - 1e-6), rates[-1])
    reduce = 1
    while reduce < 4 and SHORT_CELLS * encoder.stride * 2 * reduce / fps <= survey.short_s:
        reduce *= 2
    cell_s = encoder.stride * reduce / fps
    longest_video_s = survey.facts.durations_s.most
    wanted_s = max(_LEAST_CELLS * cell_s, 1.5 * survey.long_s)
    window_s = min(wanted_s, _ALIKE * longest_video_s, _MOST_CELLS * cell_s)
    window_s = max(window_s, min(1.2 * survey.long_s, longest_video_s))
    levels = max(_FEWEST_LEVELS, 1 + math.ceil(math.log2(survey.long_s / cell_s / REACH)))
    levels = min(levels, 1 + len(_KERNELS))
    # Every level must have whole cells, and a window whole clips.
    unit = 2 ** (levels - 1) * reduce * encoder.stride
    clips = math.ceil(window_s * fps / encoder.clip_frames)
    while clips * encoder.clip_frames % unit:
        clips += 1
    return Timing(
        fps=fps,
        reduce=reduce,
        cell_s=cell_s,
        levels=levels,
        clips=clips,
        window_s=clips * encoder.clip_frames / fps,
    )


def video_plan(
    survey: Survey,
    files: VideoFiles,
    machine: Machine,
    *,
    data: Tree,
    effort: Effort | None = None,
) -> Tree:
    """The settings of a recipe.

    Args:
        data: settings of the data that are known: annotations, media, format, splits.
        effort: all that the data ask for if not given.
    """
    effort = effort or Effort()
    encoder = encoder_for(machine, smaller=effort.smaller)
    timing = timing_for(survey, files, encoder)
    tree: dict[str, Any] = {
        "data": {**data, **_data(survey, files, machine, encoder, timing)},
        "model": _model(survey, encoder, timing, effort),
    }
    if encoder.weights is not None:
        tree["encoder_weights"] = Chosen({"name": encoder.weights}, "Found in the cache.")
    if encoder.forms:
        tree["pretrain"] = _pretrain(survey, files, machine, encoder, effort)
    clips = timing.clips * _keep(machine)
    pixels = encoder.clip_frames * math.prod(frame_size(files, encoder))
    tree["train"] = _train(survey, machine, encoder, effort, pixels_of_a_window=clips * pixels)
    most = min(max(100, 10 * survey.busiest), 2000)
    tree["detect"] = {
        "suppression": Chosen(
            {"most": most}, f"Up to {survey.busiest} actions in a video; ten times as many kept."
        )
    }
    return tree


def _minutes(pixels: float, machine: Machine, effort: Effort) -> str:
    """How long so many pixels take to learn from with a small encoder, where no GPU helps."""
    if machine.gpu_gib is not None or effort.why:
        return ""
    return f" Some {max(1, round(pixels * _PIXEL_S / 60))} minutes of one core."


def frame_size(files: VideoFiles, encoder: Encoder) -> tuple[int, int]:
    """Height and width of the frames that are read: the shape of the videos, at most two to one."""
    height, width = files.size
    scale = encoder.short_side / min(height, width)
    longest = 2 * encoder.short_side
    sides = [min(side * scale, longest) for side in (height, width)]
    return tuple(encoder.multiple * round(side / encoder.multiple) for side in sides)  # type: ignore[return-value]


def _data(
    survey: Survey, files: VideoFiles, machine: Machine, encoder: Encoder, timing: Timing
) -> Tree:
    height, width = frame_size(files, encoder)
    if encoder.crop is not None:
        height = width = encoder.short_side
    short = survey.short_s / timing.cell_s
    rate = (
        f"fps {timing.fps:g} of {files.fps:g}: a cell of the network is {timing.cell_s:.2f} s, and"
        f" 19 of 20 actions last {survey.short_s:.2f} s or more, {short:.1f} cells."
    )
    if short < SHORT_CELLS:
        rate += " The videos have no more frames; shorter actions will be missed."
    window = (
        f" A window of {timing.clips} clips is {timing.window_s:.1f} s; the longest action is"
        f" {survey.long_s:.1f} s."
    )
    tree: dict[str, Any] = {
        "prepared": Chosen(
            "prepared", "Small copies, if `untrimmed prepare` has written them: reading is faster."
        ),
        "size": Chosen([height, width], f"The videos are {files.size[0]} x {files.size[1]}."),
        "windows": Chosen(
            {
                "fps": timing.fps,
                "clip_frames": encoder.clip_frames,
                "clips": timing.clips,
            },
            rate + window,
        ),
        "memory": Chosen(
            {"keep": _keep(machine)},
            "The share of clips that each step encodes; the others are remembered."
            + (
                f" A clip takes some {encoder.clip_gib:g} GiB of {machine.gpu_gib:.0f}."
                if machine.gpu_gib
                else " The paper's least, for a step without a GPU takes long."
            ),
        ),
        "augment": Chosen(_augment(survey, encoder), _why_augment(survey)),
        "workers": Chosen(
            min(4, machine.cores - 1) if machine.gpu_gib else 0,
            f"{machine.cores} cores" + ("." if machine.gpu_gib else ", which the network needs."),
        ),
    }
    if survey.facts.covered < 0.3:
        tree["redraws"] = Chosen(
            3, f"Something happens in {100 * survey.facts.covered:.0f} % of the time only."
        )
    return tree


def _keep(machine: Machine) -> float:
    return 0.15 if machine.gpu_gib is None or machine.gpu_gib < 16 else 0.3


def _augment(survey: Survey, encoder: Encoder) -> dict[str, Any]:
    return {
        "crop": None if encoder.crop is None else [encoder.crop, encoder.crop],
        "brightness_by": 24,
        "contrast_by": [0.7, 1.3],
        "saturation_by": [0.7, 1.3],
        "rotation": 0,
        "flip": 0 if survey.sided else 0.5,
    }


def _why_augment(survey: Survey) -> str:
    if survey.sided:
        return "Light and colour change; not left and right, for a class is called so."
    return "Light and colour change, and left and right, which no class is called by."


def _model(survey: Survey, encoder: Encoder, timing: Timing, effort: Effort) -> Tree:
    coarsest_s = timing.cell_s * 2 ** (timing.levels - 1)
    large = encoder.width >= 512
    return {
        "name": Chosen("tallformer", "Sees long windows, and encodes few clips of them in a step."),
        "encoder": Chosen(encoder.settings, encoder.why + effort.of_size),
        "head": {
            "name": "anchor",
            "width": 256 if large else 128,
            "stacked": Chosen(4 if large else 2, "Convolutions; fewer for a small encoder."),
        },
        "width": encoder.width,
        "reduce": Chosen(
            timing.reduce,
            f"Cells of the encoder in one of the pyramid, {timing.cell_s:.2f} s; the shortest"
            f" anchor has {SHORT_CELLS}.",
        ),
        "consistency_layers": 3 if large else 2,
        "consistency_heads": 16 if large else 4,
        "pyramid_kernels": Chosen(
            list(_KERNELS[: timing.levels - 1]),
            f"{timing.levels} levels: the longest action, {survey.long_s:.1f} s, covers"
            f" {survey.long_s / coarsest_s:.1f} positions of the coarsest; {REACH} are its reach.",
        ),
        "pyramid_heads": 8 if large else 4,
        "fpn_width": 256 if large else 128,
        "clips_at_once": Chosen(8, "Clips in one call of the encoder: bounds the memory."),
    }


def _pretrain(
    survey: Survey, files: VideoFiles, machine: Machine, encoder: Encoder, effort: Effort
) -> Tree:
    public = encoder.weights is not None
    actions = survey.facts.actions
    classes = sum(one.actions > 0 for one in survey.facts.classes)
    steps = 600 if public else int(min(max(100 * classes + 1.5 * actions, 600), 2400))
    steps = max(1, int(steps * effort.share))
    batch, pixels = 16, encoder.clip_frames * math.prod(frame_size(files, encoder))
    return {
        "steps": Chosen(
            steps,
            f"Batches of short clips of {actions} actions, {classes} classes, and what is between"
            " them, on which the encoder learns what happens before it detects."
            + effort.of_forming
            + _minutes(steps * batch * pixels, machine, effort),
        ),
        "batch": batch,
        "optimizer": {"lr": 3.0e-4 if public else 2.0e-3, "weight_decay": 0.05},
        "schedule": {"kind": "cosine", "warmup_steps": min(50, steps // 4)},
    }


def _train(
    survey: Survey,
    machine: Machine,
    encoder: Encoder,
    effort: Effort,
    *,
    pixels_of_a_window: float,
) -> Tree:
    videos, actions = survey.facts.videos, survey.facts.actions
    batch = max(1, min(4, videos // 2))
    steps = steps_for(actions, videos=videos, batch=batch)
    epochs = max(1, int(math.ceil(steps * batch / videos) * effort.share))
    steps = epochs * videos // batch
    return {
        "epochs": Chosen(
            epochs,
            f"{steps} steps: a window of each of {videos} videos is an epoch."
            + effort.why
            + _minutes(steps * batch * pixels_of_a_window, machine, effort),
        ),
        "batch": batch,
        "optimizer": Chosen(
            {"lr": 1.0e-3, "encoder_lr": 1.0e-4, "weight_decay": 0.05}
            if encoder.forms
            else {"lr": 2.0e-4, "encoder_lr": 2.0e-5, "weight_decay": 0.05},
            "The encoder has learnt already and moves slowly, or its memory would be wrong.",
        ),
        "schedule": {"kind": "cosine", "warmup_steps": min(50, steps // 10)},
        "ema": Chosen(0.99, "Averages the last hundred steps or so."),
        "head_only_steps": Chosen(
            steps // 15, "First all but the encoder, from memory: it must not follow a blind head."
        ),
        "bf16": machine.gpu_gib is not None,
        "validate_every": Chosen(max(1, epochs // 5), "Five times in the run."),
    }
