"""Train ActionFormer on real features, fold by fold, and score it.

    python -m benchmarks.features sbhar --data DIR                    # 21 people train, 9 test
    python -m benchmarks.features sbhar --data DIR --folds people     # each person left out once
    python -m benchmarks.features gtea --data DIR                     # each cook left out once

DIR is a folder with the data, which this repository may not hold: for SBHAR `annotations.json`
(ActivityNet's form, with the `subject` of each recording), `signals_acc_gyro.npz` (an array of six
columns for each recording) and `splits.json` (`uci_train_subjects`, `uci_test_subjects`); for GTEA
`annotations.json`, `features_splitN.npz` (an array for each video) and `splits.json` (for each fold
`train` and `test`).  Runs go to --out and are resumed there.

Beside the mAP of each fold, all folds' detections are scored together where every video is tested
once; `normalised` is DETAD's average mAP of them.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from untrimmed import api
from untrimmed.core.actions import Actions
from untrimmed.core.detections import Detections
from untrimmed.metrics.errors import error_profile
from untrimmed.recipes.recipe import read_recipe
from untrimmed.runs.dataset import read_annotations

HERE = Path(__file__).parent
TIOUS = (0.3, 0.4, 0.5, 0.6, 0.7)


@dataclass(frozen=True)
class Fold:
    """A part of a data set to train on and one to test on: settings of its recipe."""

    name: str
    settings: tuple[str, ...]


def sbhar(data: Path, out: Path, *, people: bool) -> list[Fold]:
    """The official split, or each person left out once; the parts are written to `out`."""
    database = json.loads((data / "annotations.json").read_text())["database"]
    person = {id: entry["subject"] for id, entry in database.items()}
    said = json.loads((data / "splits.json").read_text())
    held_out = {"official": said["uci_test_subjects"]}
    if people:
        held_out = {f"person{number:02}": [number] for number in sorted(set(person.values()))}
    folds = {
        name: {
            "train": [id for id, each in person.items() if each not in tested],
            "test": [id for id, each in person.items() if each in tested],
        }
        for name, tested in held_out.items()
    }
    file = out / "folds.json"
    file.write_text(json.dumps(folds))
    common = (
        f"data.annotations={data / 'annotations.json'}",
        f"data.splits.file={file}",
        f"data.features.0.path={data / 'signals_acc_gyro.npz'}",
    )
    return [Fold(name, (*common, f"data.splits.fold={name}")) for name in folds]


def gtea(data: Path) -> list[Fold]:
    """Each cook left out once, with the features that have not seen that one."""
    common = (
        f"data.annotations={data / 'annotations.json'}",
        f"data.splits.file={data / 'splits.json'}",
    )
    folds = []
    for name in json.loads((data / "splits.json").read_text()):
        features = data / f"features_{name}.npz"
        folds.append(
            Fold(name, (*common, f"data.splits.fold={name}", f"data.features.0.path={features}"))
        )
    return folds


def trained(recipe: Path, fold: Fold, out: Path, *, seed: int, extra: tuple[str, ...]) -> Row:
    """Train and score one fold; a finished run is only scored."""
    settings = (*fold.settings, *extra, f"seed={seed}")
    run = out / f"{fold.name}-{seed}"
    began = time.perf_counter()
    api.train(recipe, run, settings=settings)
    seconds = time.perf_counter() - began
    result = api.evaluate(run)
    truth = read_annotations(read_recipe(recipe, settings=settings).data).actions
    tested = {id: truth[id] for id in result.detections}
    return Row(fold.name, seed, result.scores.mean_ap, seconds, tested, result.detections)


@dataclass(frozen=True)
class Row:
    """The score of a fold and seed."""

    fold: str
    seed: int
    mean_ap: np.ndarray
    seconds: float
    actions: Mapping[str, Actions]
    detections: Mapping[str, Detections]


def normalised(rows: list[Row]) -> float:
    """DETAD's average mAP of all folds' detections together, in percent."""
    actions = {id: some for row in rows for id, some in row.actions.items()}
    found = {id: some for row in rows for id, some in row.detections.items()}
    return 100 * float(np.mean(error_profile(actions, found, tious=TIOUS).mean_ap))


def table(rows: list[Row]) -> Iterator[str]:
    """Markdown: a line for each fold and seed, the means, and what they come to together."""
    yield "| fold | seed | " + " | ".join(f"{tiou:g}" for tiou in TIOUS) + " | average | train, s |"
    yield "| --- " * (len(TIOUS) + 4) + "|"
    for row in rows:
        cells = [f"{100 * ap:.1f}" for ap in row.mean_ap]
        average = f"{100 * row.mean_ap.mean():.1f}"
        yield f"| {row.fold} | {row.seed} | {' | '.join(cells)} | {average} | {row.seconds:.0f} |"
    mean = np.mean([row.mean_ap for row in rows], axis=0)
    cells = [f"{100 * ap:.1f}" for ap in mean]
    yield f"| mean | | {' | '.join(cells)} | {100 * mean.mean():.1f} | |"
    for seed in sorted({row.seed for row in rows}):
        some = [row for row in rows if row.seed == seed]
        yield f"\nnormalised, seed {seed}, {len(some)} folds together: {normalised(some):.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("dataset", choices=["sbhar", "gtea"])
    parser.add_argument("--data", type=Path, required=True, help="folder with the data")
    parser.add_argument("--out", type=Path, help="folder of the runs; runs/DATASET if not given")
    parser.add_argument("--folds", choices=["official", "people"], default="official")
    parser.add_argument("--only", nargs="*", help="names of some folds")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--set", action="append", default=[], help="change a setting")
    given = parser.parse_args()
    out = (given.out or Path("runs") / given.dataset).absolute()
    out.mkdir(parents=True, exist_ok=True)
    data = given.data.absolute()
    if given.dataset == "sbhar":
        folds = sbhar(data, out, people=given.folds == "people")
    else:
        folds = gtea(data)
    rows = []
    for fold in folds:
        if given.only and fold.name not in given.only:
            continue
        for seed in given.seeds:
            recipe = HERE / f"{given.dataset}.yaml"
            rows.append(trained(recipe, fold, out, seed=seed, extra=tuple(given.set)))
            print(f"{fold.name}, seed {seed}: {100 * rows[-1].mean_ap.mean():.2f}", flush=True)
    print("\n".join(table(rows)))


if __name__ == "__main__":
    main()
