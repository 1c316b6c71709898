"""Compose untrimmed videos, of which the actions are known exactly, of short trimmed clips.

    python -m benchmarks.compose CLIPS --out DIR --background Biking BrushingTeeth

CLIPS is a folder with a table `clips.csv`: `file` (below CLIPS, or below `clips/` in it), `class`,
and, where there are such, `split` (train or test) and `group` (clips of one recording; no group
comes into two splits).  DIR gets `videos/` and `annotations.json`, or, with `--form csv`,
`times.csv`.  The same clips, settings and seed give the same files.

Every video is background, action, background, action, ..., background.  Background and actions
alike are made of one to some pieces of clips, and every join of two pieces is a cross-fade of
random length, also within background and within an action: so a join says nothing about a border.
What it cannot hide is that the pictures change; therefore background is made of classes of its
own, never annotated, which look like actions too.  A border lies in the middle of its fade.

Shapes: n frames, H W pixels.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from jaxtyping import UInt8

from benchmarks.pieces import (
    SPLITS,
    Clip,
    Piece,
    Settings,
    actions_of,
    partition,
    planned,
    read_clips,
)
from untrimmed.core.actions import Actions
from untrimmed.core.annotations import Annotations, Video
from untrimmed.core.files import written_whole
from untrimmed.sources.formats import activitynet, csv
from untrimmed.sources.video import open_video


def shown(pieces: Sequence[Piece], clips: Clips) -> Iterator[UInt8[np.ndarray, "n H W 3"]]:
    """The frames of a video, some at a time, with neighbours blended into each other."""
    tail = None
    for piece, after in pairwise([*pieces, None]):
        assert piece is not None
        frames = clips(piece.file)[piece.first : piece.first + piece.frames]
        if piece.mirrored:
            frames = frames[:, :, ::-1]
        if tail is not None and piece.fade:
            share = np.arange(1, piece.fade + 1)[:, None, None, None] / (piece.fade + 1)
            blended = (1 - share) * tail + share * frames[: piece.fade]
            yield np.rint(blended).astype(np.uint8)
        kept = piece.frames - (after.fade if after is not None else 0)
        yield frames[piece.fade : kept]
        tail = frames[kept:]


class Clips:
    """Decoded clips at the rate and size of the videos; the last 256 are held."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._read = lru_cache(maxsize=256)(self._decoded)

    def __call__(self, file: Path) -> UInt8[np.ndarray, "n H W 3"]:
        """All frames of a clip."""
        return self._read(file)

    def frames_of(self, files: Iterable[Path]) -> dict[Path, int]:
        """Frames of each file at this rate."""
        return {file: open_video(file, fps=self.settings.fps).count for file in files}

    def _decoded(self, file: Path) -> UInt8[np.ndarray, "n H W 3"]:
        video = open_video(file, fps=self.settings.fps, size=self.settings.size)
        return video.read(np.arange(video.count))


def compose(
    clips: Mapping[str, Mapping[str, Sequence[Clip]]],
    folder: Path,
    *,
    background: Sequence[str],
    videos: Mapping[str, int],
    settings: Settings,
    seed: int = 0,
) -> Iterator[Video]:
    """Write the videos of a data set, giving each once its file is whole.

    Each has a random stream of its own, so that asking for more leaves the others as they are.

    Args:
        clips: by split and class.
        background: names of the classes that are never annotated.
        videos: how many of each split.

    Raises:
        ValueError: if a split lacks clips of background or of actions.
    """
    classes = class_names(clips, background=background)
    labels = {name: label for label, name in enumerate(classes)}
    reader = Clips(settings)
    for split, count in videos.items():
        files = {clip.file for some in clips[split].values() for clip in some}
        frames_of = reader.frames_of(files)
        for number in range(count):
            pieces = planned(
                clips[split],
                background=background,
                frames_of=frames_of,
                settings=settings,
                random=np.random.default_rng([seed, SPLITS.index(split), number]),
            )
            id = f"{split}-{number:03d}"
            with written_whole(folder / "videos" / f"{id}.mp4") as path:
                _encode(path, shown(pieces, reader), settings)
            actions = actions_of(pieces, fps=settings.fps)
            frames = sum(piece.frames - piece.fade for piece in pieces)
            yield Video(
                id=id,
                duration_s=frames / settings.fps,
                actions=Actions(
                    [(start_s, end_s) for start_s, end_s, _ in actions],
                    [labels[label] for *_, label in actions],
                ),
                split=split,
                fps=settings.fps,
            )


def class_names(
    clips: Mapping[str, Mapping[str, Sequence[Clip]]], *, background: Sequence[str]
) -> tuple[str, ...]:
    """Names of the actions of all splits, sorted.

    Raises:
        ValueError: if a class of the background has no clip in any split.
    """
    known = {label for some in clips.values() for label in some}
    if unknown := set(background) - known:
        raise ValueError(f"no clips of {', '.join(sorted(unknown))}; there are {sorted(known)}")
    return tuple(sorted(known - set(background)))


def _encode(path: Path, frames: Iterable[UInt8[np.ndarray, "n H W 3"]], settings: Settings) -> None:
    """H.264 that browsers play, a key frame each second, the same bytes for the same pictures."""
    with av.open(path, "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream(
            "libx264",
            rate=settings.fps,
            options={"preset": "superfast", "crf": "23", "bf": "0", "threads": "1"},
        )
        stream.height, stream.width = settings.size
        stream.pix_fmt = "yuv420p"
        stream.gop_size = settings.fps
        stream.codec_context.time_base = Fraction(1, settings.fps)
        for some in frames:
            for picture in some:
                shot = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
                container.mux(stream.encode(shot))
        container.mux(stream.encode(None))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    plain = Settings()
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("clips", type=Path, help="folder with clips.csv")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--background", nargs="+", required=True, help="classes never annotated")
    parser.add_argument("--form", choices=["activitynet", "csv"], default="activitynet")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--videos", type=int, nargs=3, default=[32, 8, 24], metavar="N")
    parser.add_argument("--validation", type=float, default=0.2, help="share of training groups")
    parser.add_argument("--test", type=float, default=0.25, help="share of groups without a split")
    parser.add_argument("--fps", type=int, default=plain.fps)
    parser.add_argument("--size", type=int, nargs=2, default=plain.size, metavar="PIXELS")
    for name in ("length_s", "piece_s", "fade_s"):
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=float, nargs=2, default=getattr(plain, name))
    for name in ("action_pieces", "background_pieces"):
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=int, nargs=2, default=getattr(plain, name))
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Compose a data set as the command line says."""
    given = _options(arguments)
    settings = Settings(
        fps=given.fps,
        size=tuple(given.size),
        length_s=tuple(given.length_s),
        piece_s=tuple(given.piece_s),
        fade_s=tuple(given.fade_s),
        action_pieces=tuple(given.action_pieces),
        background_pieces=tuple(given.background_pieces),
    )
    parts = partition(read_clips(given.clips), validation=given.validation, test=given.test)
    videos = {
        video.id: video
        for video in compose(
            parts,
            given.out,
            background=given.background,
            videos=dict(zip(SPLITS, given.videos, strict=True)),
            settings=settings,
            seed=given.seed,
        )
    }
    annotations = Annotations(class_names(parts, background=given.background), videos)
    if given.form == "csv":
        csv.write(annotations, given.out / "times.csv")
    else:
        activitynet.write(annotations, given.out / "annotations.json")
    for split in SPLITS:
        some = annotations.split(split).videos.values()
        seconds = sum(video.duration_s for video in some)
        print(f"{split}: {len(some)} videos, {seconds:.0f} s,", end=" ")
        print(f"{sum(len(video.actions) for video in some)} actions")


if __name__ == "__main__":
    main()
