"""TALLFormer's tables 2 and 5 in the small: what each idea is worth on composed UCF101, or drawn.

    python -m benchmarks.compose UCF101 --out DIR --background ApplyEyeMakeup BandMarching \\
      Basketball Biking BlowDryHair BlowingCandles BoxingSpeedBag BrushingTeeth CleanAndJerk
    python -m benchmarks.tables --data DIR --weights WEIGHTS --seeds 0 1
    python -m benchmarks.tables --data DIR --weights WEIGHTS --only tallformer frozen

    untrimmed demo-data DIR
    python -m benchmarks.tables --study demo --data DIR --out runs/demo_tables

Every row is a run of a study's recipe with some settings changed (`benchmarks/table_rows.py`),
trained, scored on the test split and written to `--out`; one that is there is not run again.
WEIGHTS is a file of ImageNet weights of MobileNetV2.  Where no weights are given, the encoder is
formed first, as the recipe says, once for each seed and frame rate; every row goes on from it.

- Table 2: long memory against its rivals that encode as many frames in a step, and so take as much
  memory for it: an encoder that is never trained, short windows, few frames per second.  All rows
  train the head for as many steps from features made beforehand, before the encoder joins.
- Table 5a: the clip sampling rate.  5b: without the temporal consistency module, that is with none
  of its layers and all else the same.  5c: how long windows are, at three encoded clips each.

`memory` and `processor` are of one training step of the library on black frames: the most bytes
alive in tensors at once, and the median of five.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.footprint import Footprint
from benchmarks.table_rows import STUDIES, Study
from untrimmed import api
from untrimmed.core.files import written_whole
from untrimmed.data.collate import Batch
from untrimmed.data.sampling import clips_to_encode
from untrimmed.data.windows import window_at
from untrimmed.recipes.data import Windows
from untrimmed.recipes.recipe import Recipe, read_recipe
from untrimmed.runs.networks import build_detector, window_shape
from untrimmed.runs.video_data import video_settings
from untrimmed.sources.bank import FeatureBank
from untrimmed.tensors import Targets
from untrimmed.train.clips import ClipLessons
from untrimmed.train.memory import fill
from untrimmed.train.optimizer import optimizer_for

TIOUS = ("0.3", "0.5", "0.7")
MIB = 2**20
REPEATS = 5
Result = dict[str, Any]


def settings_of(
    study: Study,
    name: str,
    *,
    data: Path,
    weights: Path | None,
    seed: int,
    extra: Sequence[str] = (),
) -> tuple[str, ...]:
    """All settings of a row.

    Args:
        data: folder of `benchmarks.compose` or of `untrimmed demo-data`.
        weights: of the encoder; none if it is formed.
        extra: settings that are changed last.
    """
    own = study.rows[name].settings
    given = () if weights is None else (f"encoder_weights.path={weights.absolute()}",)
    return (
        f"data.annotations={data.absolute() / 'annotations.json'}",
        f"data.media={data.absolute() / 'videos'}",
        *given,
        f"seed={seed}",
        *own,
        f"data.prepared={data.absolute() / f'prepared-{_fps(study.recipe_of(name)):g}'}",
        *extra,
    )


def made(
    study: Study, name: str, settings: Sequence[str], out: Path, *, seed: int, split: str
) -> Result:
    """The result of a row, read if it is there.

    Raises:
        SystemExit: if it is there with other settings.
    """
    file = out / f"{name}-{seed}-{split}.json"
    if file.exists():
        result: Result = json.loads(file.read_text(encoding="utf-8"))
        if result["settings"] == list(settings):
            return result
        raise SystemExit(f"{file} is of other settings; give --out another folder, or delete it")
    recipe = read_recipe(study.recipe, settings=settings)
    api.prepare(study.recipe, kind="frames", settings=settings)
    formed = None if recipe.pretrain is None else _formed(study, name, settings, out, seed=seed)
    run = out / f"{name}-{seed}"
    began, busy = time.perf_counter(), time.process_time()
    trained = api.train(study.recipe, run, settings=settings, encoder_weights=formed)
    seconds, processor_s = time.perf_counter() - began, time.process_time() - busy
    scores = api.evaluate(run, split=split).scores
    result = {
        "row": name,
        "seed": seed,
        "settings": list(settings),
        "split": split,
        "average": float(scores.average),
        "mAP": {
            f"{tiou:g}": float(value)
            for tiou, value in zip(scores.tious, scores.mean_ap, strict=True)
        },
        "validation": trained.best_map,
        "train_s": seconds,
        "train_processor_s": processor_s,
        **cost(recipe, classes=len(scores.classes)),
    }
    with written_whole(file) as path:
        path.write_text(json.dumps(result, indent=1), encoding="utf-8")
    return result


def _formed(study: Study, name: str, settings: Sequence[str], out: Path, *, seed: int) -> Path:
    """The encoder that rows of this seed and frame rate go on from, formed if it is not there."""
    folder = out / f"encoder-{_fps(study.recipe_of(name)):g}-{seed}"
    encoder = folder / "encoder.safetensors"
    if not encoder.exists():
        api.pretrain(study.recipe, folder, settings=settings)
    return encoder


def cost(recipe: Recipe, *, classes: int) -> Result:
    """Bytes and processor time of a training step after the head's own, on black frames."""
    data = video_settings(recipe)
    assert data.memory is not None
    detector = build_detector(recipe, classes=classes).train()
    assert detector.encoder is not None
    shape = window_shape(data, stride=detector.encoder.stride)
    bank = FeatureBank.create(None, {"black": shape.cells}, channels=detector.encoder.channels)
    fill(bank, "black", [torch.zeros(detector.encoder.channels, shape.cells)])
    optimizer = optimizer_for(detector, recipe.train.optimizer)
    lesson = ClipLessons(
        detector=detector,
        bank=bank,
        augmentation=replace(data.augment, photometric=0, rotation=0, flip=0),
        generator=torch.Generator(),
        device=torch.device("cpu"),
    )
    B, M = recipe.train.batch, clips_to_encode(shape.clips, keep=data.memory.keep)
    window = window_at("black", 0, video_frames=shape.frames, fps=_fps(recipe), shape=shape)
    targets = Targets(torch.tensor([[0.1, 0.3]]) * shape.cells, torch.tensor([0]))
    batch = Batch(
        (window,) * B,
        torch.zeros(B, M, 3, shape.clip_frames, *data.size, dtype=torch.uint8),
        torch.arange(M).expand(B, M),
        (targets,) * B,
        (),
    )

    def step() -> float:
        began = time.process_time()
        learnt = lesson(batch, 0)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(torch.stack(list(learnt.losses.values())).sum())
        optimizer.step()
        learnt.remember()
        return time.process_time() - began

    step()
    with Footprint(torch.device("cpu")) as footprint:
        footprint.hold([*detector.parameters(), *detector.buffers(), batch.frames])
        footprint.hold(value for state in optimizer.state.values() for value in state.values())
        footprint.reset()
        step()
    seconds = statistics.median(step() for _ in range(REPEATS))
    return {"clips": B * M, "step_mib": footprint.most / MIB, "step_processor_s": seconds}


def _fps(recipe: Recipe) -> float:
    windows = video_settings(recipe).windows
    assert isinstance(windows, Windows)
    return windows.fps


def tables(study: Study, results: Sequence[Result]) -> Iterator[str]:
    """Markdown: every table with the means over seeds, and each seed's average mAP, in percent."""
    for table in dict.fromkeys(table for row in study.rows.values() for table in row.tables):
        chosen = {
            name: found
            for name, row in study.rows.items()
            if table in row.tables and (found := [r for r in results if r["row"] == name])
        }
        if not chosen:
            continue
        yield f"Table {table}\n"
        yield "| row | " + " | ".join(TIOUS) + " | average | seeds | memory | processor |"
        yield "| --- " * (len(TIOUS) + 5) + "|"
        for name, found in chosen.items():
            means = [statistics.mean(100 * each["mAP"][tiou] for each in found) for tiou in TIOUS]
            averages = [100 * each["average"] for each in found]
            cells = [
                study.rows[name].text,
                *(f"{value:.1f}" for value in means),
                f"{statistics.mean(averages):.1f}",
                ", ".join(f"{value:.1f}" for value in averages),
                f"{found[0]['step_mib']:.0f} MiB",
                f"{statistics.median(each['step_processor_s'] for each in found):.2f} s",
            ]
            yield "| " + " | ".join(cells) + " |"
        yield ""


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--study", choices=list(STUDIES), default="ucf101")
    parser.add_argument("--data", type=Path, required=True, help="folder of the videos")
    parser.add_argument("--weights", type=Path, help="of the encoder; needed for ucf101")
    parser.add_argument("--out", type=Path, default=Path("runs/tables"))
    parser.add_argument("--only", nargs="+", help="rows; all unless given")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--split", help="that is scored; that for tests if not given")
    parser.add_argument("--set", action="append", default=[], help="change a setting")
    given = parser.parse_args(arguments)
    rows = list(STUDIES[given.study].rows)
    if unknown := set(given.only or ()) - set(rows):
        parser.error(f"no such rows: {', '.join(sorted(unknown))}; there are {', '.join(rows)}")
    if given.study == "ucf101" and given.weights is None:
        parser.error("ucf101 needs --weights, a file of ImageNet weights of MobileNetV2")
    given.only = given.only or rows
    given.split = given.split or STUDIES[given.study].split
    return given


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is not there yet, and write the tables of all that is."""
    given = _options(arguments)
    study = STUDIES[given.study]
    given.out.mkdir(parents=True, exist_ok=True)
    results = []
    for seed in given.seeds:
        for name in given.only:
            settings = settings_of(
                study, name, data=given.data, weights=given.weights, seed=seed, extra=given.set
            )
            results.append(made(study, name, settings, given.out, seed=seed, split=given.split))
            print(f"{name}, seed {seed}: {100 * results[-1]['average']:.2f}", flush=True)
    text = "\n".join(tables(study, results))
    with written_whole(given.out / "tables.md") as path:
        path.write_text(text, encoding="utf-8")
    with written_whole(given.out / "tables.json") as path:
        path.write_text(json.dumps(results, indent=1), encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
