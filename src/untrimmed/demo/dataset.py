"""Write the demo data: H.264 videos and annotations in the form of ActivityNet.

    folder/annotations.json
    folder/videos/training-000.mp4 ...

Each video has a random stream of its own, so that asking for more of them leaves the others as
they are.

Shapes: H W pixels.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any

import av
import numpy as np
from jaxtyping import UInt8

from untrimmed.core.files import written_whole
from untrimmed.demo.motions import CLASSES
from untrimmed.demo.render import pictures
from untrimmed.demo.scene import FPS, HEIGHT, LENGTHS_S, WIDTH, Scene, plan

ANNOTATIONS = "annotations.json"
SPLITS = ("training", "validation", "testing")
VIDEOS: Mapping[str, int] = MappingProxyType({"training": 128, "validation": 16, "testing": 20})
"""Videos of each split unless told otherwise."""


def write_demo_data(
    folder: Path,
    *,
    seed: int = 0,
    videos: Mapping[str, int] = VIDEOS,
    lengths_s: tuple[float, float] = LENGTHS_S,
) -> Path:
    """Draw a data set into a folder, and give the path of its annotations."""
    for _ in drawn_videos(folder, seed=seed, videos=videos, lengths_s=lengths_s):
        pass
    return folder / ANNOTATIONS


def drawn_videos(
    folder: Path,
    *,
    seed: int = 0,
    videos: Mapping[str, int] = VIDEOS,
    lengths_s: tuple[float, float] = LENGTHS_S,
) -> Iterator[int]:
    """Draw a data set into a folder, giving the number of videos done after each.

    The annotations are written last and whole: where they are, the videos are.  Files of the same
    names are replaced; others are left alone.

    Args:
        seed: the same seed gives the same pictures and the same annotations.
        videos: how many of each of `SPLITS`; a split that is not named gets none.
        lengths_s: shortest and longest video.

    Raises:
        ValueError: if a split is not one of `SPLITS`, or its count is negative.
    """
    for split, count in videos.items():
        if split not in SPLITS or count < 0:
            raise ValueError(f"{count} videos of split {split!r}: known are {', '.join(SPLITS)}")
    wanted = [(split, n) for split in SPLITS for n in range(videos.get(split, 0))]

    def write_one(place: tuple[str, int]) -> tuple[str, dict[str, Any]]:
        split, n = place
        scene = plan(np.random.default_rng([seed, SPLITS.index(split), n]), lengths_s=lengths_s)
        name = f"{split}-{n:03d}"
        with written_whole(folder / "videos" / f"{name}.mp4") as path:
            _encode(path, pictures(scene))
        return name, _entry(scene, split)

    database: dict[str, Any] = {}
    with ThreadPoolExecutor(max_workers=2) as pool:  # numpy and the encoder let go of the GIL
        for name, entry in pool.map(write_one, wanted):
            database[name] = entry
            if len(database) < len(wanted):
                yield len(database)

    with written_whole(folder / ANNOTATIONS) as path:
        content = {"version": f"untrimmed demo, seed {seed}", "taxonomy": [], "database": database}
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    yield len(database)


def _entry(scene: Scene, split: str) -> dict[str, Any]:
    """One video in the form of ActivityNet."""
    return {
        "duration": scene.duration_s,
        "subset": split,
        "resolution": f"{WIDTH}x{HEIGHT}",
        "fps": FPS,
        "annotations": [
            {"label": CLASSES[label], "segment": [start_s, end_s]}
            for start_s, end_s, label in scene.actions
        ],
    }


def _encode(path: Path, frames: Iterable[UInt8[np.ndarray, "H W 3"]]) -> None:
    """H.264 that browsers play, a key frame each second, the same bytes for the same pictures."""
    with av.open(path, "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream(
            "libx264",
            rate=FPS,
            options={"preset": "superfast", "crf": "25", "bf": "0", "threads": "1"},
        )
        stream.width, stream.height = WIDTH, HEIGHT
        stream.pix_fmt = "yuv420p"
        stream.gop_size = FPS
        stream.codec_context.time_base = Fraction(1, FPS)
        for picture in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
