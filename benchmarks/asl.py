"""Sign language as data of one's own: hand tracks become a folder of features and a table of times.

    python -m benchmarks.asl --data DIR --out asl
    untrimmed plan asl/features asl/signs.csv --output asl/recipe.yaml
    untrimmed train asl/recipe.yaml --run runs/asl && untrimmed evaluate runs/asl

DIR is a folder with the hand tracks of RWTH-BOSTON-104 as they come with Udacity's AIND-Recognizer:
`hands_condensed.csv` (positions of hands and nose in each frame) and `train_words.csv` and
`test_words.csv` (first and last frame of each sign).  A row of features has 8 numbers: where both
hands are as seen from the nose, and how far they have moved since the frame before.  Signs that
are trained on fewer than ten times are left out.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

FPS = 30.0  # no file says it
LEAST = 10
_HEAD = 50.0  # pixels, about the height of a head
_HANDS = ("left-x", "left-y", "right-x", "right-y")


def tracks(file: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Each video, and its features (frames, 8)."""
    found: dict[str, dict[int, list[float]]] = defaultdict(dict)
    with file.open(newline="") as lines:
        for row in csv.DictReader(lines):
            nose = (float(row["nose-x"]), float(row["nose-y"])) * 2
            hands = [float(row[name]) for name in _HANDS]
            places = [(hand - at) / _HEAD for hand, at in zip(hands, nose, strict=True)]
            found[row["video"]][int(row["frame"])] = places
    for video, frames in found.items():
        places = np.array([frames[number] for number in range(len(frames))], np.float32)
        moved = 5 * np.diff(places, axis=0, prepend=places[:1])
        yield video, np.concatenate([places, moved], axis=1)


def signs(folder: Path) -> Iterator[tuple[str, str, str, float, float]]:
    """Video, split, word, start and end in seconds of every sign."""
    for split in ("train", "test"):
        with (folder / f"{split}_words.csv").open(newline="") as lines:
            for row in csv.DictReader(lines):
                start_s, end_s = int(row["startframe"]) / FPS, (int(row["endframe"]) + 1) / FPS
                yield row["video"], split, row["word"], start_s, end_s


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the hand tracks")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    given = parser.parse_args()
    (given.out / "features").mkdir(parents=True, exist_ok=True)
    durations_s = {}
    for video, features in tracks(given.data / "hands_condensed.csv"):
        np.save(given.out / "features" / f"{video}.npy", features)
        durations_s[video] = len(features) / FPS
    every = list(signs(given.data))
    count = Counter(word for _, split, word, _, _ in every if split == "train")
    kept = [sign for sign in every if count[sign[2]] >= LEAST]
    split_of = {video: split for video, split, *_ in every}
    silent = sorted(split_of.keys() - {video for video, *_ in kept}, key=int)
    with (given.out / "signs.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("video", "split", "label", "start", "end", "duration"))
        table.writerows((*sign, durations_s[sign[0]]) for sign in kept)
        table.writerows((v, split_of[v], "", "", "", durations_s[v]) for v in silent)
    words = len({sign[2] for sign in kept})
    print(f"{len(split_of)} videos, {len(kept)} signs of {words} words: {given.out}")


if __name__ == "__main__":
    main()
