"""Look at a data set of which nothing is known: its format, its files, what fits what.

Nothing is decided here but what must be guessed to read anything at all, and every guess is noted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from untrimmed.core.annotations import Annotations, Video
from untrimmed.core.config import load
from untrimmed.core.errors import MediaError, UserError
from untrimmed.data.torch_file import READERS
from untrimmed.recipes.survey import FeatureRows, VideoFiles
from untrimmed.runs.inspection import video_facts
from untrimmed.runs.progress import Job, Progress
from untrimmed.runs.reading import Read, with_durations, without_idle_classes
from untrimmed.sources.arrays import ARCHIVES, KINDS
from untrimmed.sources.check import Problem, VideoFacts
from untrimmed.sources.feature_files import FeatureFiles
from untrimmed.sources.feature_grid import FeatureGrid, completed
from untrimmed.sources.features import FeatureStore
from untrimmed.sources.grid_fit import described, fitting_grids
from untrimmed.sources.media import videos_in

_SURE = 0.8  # share of the videos that a guessed grid must explain


@dataclass(frozen=True, kw_only=True)
class Looked:
    """A data set, looked at.

    Args:
        path, format, format_settings: of the annotations.
        media: of videos or features.
        annotations: with the durations that files say, where the annotations say none, and
            without classes that never happen.
        readable: ids of the videos with files that can be read.
        facts: what the files say of videos; None for features.
        videos, rows: one of the two.
        problems: of the files.
        notes: what was guessed.
    """

    path: Path
    format: str
    format_settings: Mapping[str, Any]
    media: Path
    annotations: Annotations
    readable: tuple[str, ...]
    facts: Mapping[str, VideoFacts | str] | None = None
    videos: VideoFiles | None = None
    rows: FeatureRows | None = None
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def usable(self) -> Annotations:
        """The videos that can be read."""
        videos = {id: self.annotations.videos[id] for id in self.readable}
        return replace(self.annotations, videos=videos)


def holds_videos(media: Path) -> bool:
    """Whether a folder is of videos; files of features beside them do not count."""
    return media.is_dir() and bool(videos_in(media))


def look_at_videos(read: Read, folder: Path) -> Job[Looked]:
    """Open the file of every video.

    Raises:
        MediaError: if none of the videos has a file that can be read.
    """
    facts = yield from video_facts(read.annotations, folder)
    readable = {id: each for id, each in facts.items() if isinstance(each, VideoFacts)}
    if not readable:
        _none_fits(read, folder, sorted(videos_in(folder)), facts)
    durations_s = {id: each.duration_s for id, each in readable.items()}
    read, notes = without_idle_classes(*with_durations(read, durations_s))
    sizes = np.array([each.size for each in readable.values()])
    height, width = np.median(sizes, axis=0).astype(int).tolist()
    unnamed = len(set(videos_in(folder))) - len(facts)
    if unnamed > 0:
        notes = (*notes, f"{unnamed} files of {folder} are of no video of the annotations")
    return Looked(
        path=read.path,
        format=read.format,
        format_settings=read.settings,
        media=folder,
        annotations=read.annotations,
        readable=tuple(readable),
        facts=facts,
        videos=VideoFiles(
            fps=float(np.median([each.fps for each in readable.values()])), size=(height, width)
        ),
        notes=notes,
    )


def look_at_features(read: Read, media: Path, *, grid: Mapping[str, float]) -> Job[Looked]:
    """Look at the features of every video, and find out where their rows lie in time.

    Args:
        grid: what is known of it.

    Raises:
        MediaError: if none of the videos has features that can be read.
        ConfigError: if the grid is no grid.
        UserError: if nothing says where rows lie.
    """
    ids = list(read.annotations.videos)
    files = _feature_files(media, ids)
    store = FeatureStore.open(files, videos=ids, readers=READERS)
    rows: dict[str, int] = {}
    found: list[Problem] = []
    for number, id in enumerate(ids, start=1):
        try:
            rows[id] = store.rows(id)
        except MediaError as error:
            found.append(Problem("no features", id, str(error), "error"))
        yield Progress("look at the features", number, len(ids))
    if not rows:
        names = sorted(path.stem for path in media.iterdir()) if media.is_dir() else []
        _none_fits(read, media, names, {each.video: each.message for each in found})
    stated = completed(load(FeatureGrid, grid, source="--grid"), files)
    stated, guess = _grid(read, rows, stated)
    stated = _with_rate(stated, [read.annotations.videos[id] for id in rows])
    durations_s = {
        id: stated.covered_s(read.annotations.videos[id], count) for id, count in rows.items()
    }
    read, notes = without_idle_classes(*with_durations(read, durations_s))
    row_s = [
        stated.grid_of(read.annotations.videos[id], count).step_s for id, count in rows.items()
    ]
    return Looked(
        path=read.path,
        format=read.format,
        format_settings=read.settings,
        media=media,
        annotations=read.annotations,
        readable=tuple(rows),
        rows=FeatureRows(
            files=files,
            columns=store.channels,
            grid=stated,
            row_s=float(np.median(row_s)),
            longest=max(rows.values()),
        ),
        problems=tuple(found),
        notes=(*guess, *notes),
    )


def _none_fits(
    read: Read, media: Path, names: list[str], wrong: Mapping[str, VideoFacts | str]
) -> None:
    """Refuse a folder in which no file belongs to a video of the annotations, or none is whole."""
    ids = list(read.annotations.videos)
    wanted = ", ".join(ids[:3]) or "none"
    broken = next((each for each in wrong.values() if isinstance(each, str)), None)
    there = ", ".join(names[:3]) or "none"
    raise MediaError(
        f"none of the {len(ids)} videos of {read.path} has a file here that can be read: wanted are"
        f" {wanted}, there are {there}" + (f"; {broken}" if broken else ""),
        file=media,
    )


def _feature_files(media: Path, ids: list[str]) -> tuple[FeatureFiles, ...]:
    """The sets of features in a folder or archive: one for each ending that many videos have."""
    if media.is_file():
        if media.suffix.lower() not in ARCHIVES:
            raise MediaError(
                f"neither a folder nor an archive of features: {', '.join(ARCHIVES)}", file=media
            )
        return (_turned(FeatureFiles(path=media), ids),)
    kinds = (*KINDS, *READERS)
    names = [each.name for each in sorted(media.iterdir()) if each.suffix.lower() in kinds]
    sets: list[FeatureFiles] = []
    for prefix in ("", "v_"):
        known = {f"{prefix}{id}" for id in ids}
        endings: dict[str, int] = {}
        for name in names:
            for cut in range(1, len(name)):
                if name[:cut] in known and not name[cut].isalnum():
                    endings[name[cut:]] = endings.get(name[cut:], 0) + 1
        most = max(endings.values(), default=0)
        sets += [
            FeatureFiles(path=media, prefix=prefix, suffix=suffix)
            for suffix, count in sorted(endings.items())
            if count > 0.5 * most
        ]
        if sets:
            break
    return tuple(_turned(each, ids) for each in sets) or (FeatureFiles(path=media),)


def _turned(files: FeatureFiles, ids: list[str]) -> FeatureFiles:
    """The same, `transposed` if more videos can be read so."""
    few = ids[:20]

    def readable(each: FeatureFiles) -> int:
        store = FeatureStore.open([each], videos=few, readers=READERS)
        count = 0
        for id in few:
            try:
                count += store.rows(id) > 0
            except MediaError:
                continue
        return count

    other = replace(files, transposed=True)
    return other if readable(other) > readable(files) else files


def _with_rate(grid: FeatureGrid, videos: Sequence[Video]) -> FeatureGrid:
    """The grid with the rate that all videos have: nobody says that of a video to detect in."""
    rates = {video.fps for video in videos}
    if grid.step_frames is None or grid.fps is not None or len(rates) > 1:
        return grid
    return replace(grid, fps=rates.pop())


def _grid(
    read: Read, rows: Mapping[str, int], grid: FeatureGrid
) -> tuple[FeatureGrid, tuple[str, ...]]:
    """Where rows lie, as stated, or as the lengths of the videos say."""
    if grid.step_frames is not None:
        return replace(grid, clip_frames=grid.clip_frames or grid.step_frames), ()
    videos = list(read.annotations.videos.values())
    fits = fitting_grids(videos, rows, fps=grid.fps)
    if not fits or fits[0].share < _SURE:
        raise UserError(
            f"nothing says where rows of the features lie in time, nor do the lengths of the"
            f" videos in {read.path}: give --grid fps=25 --grid clip_frames=16"
            " --grid step_frames=16 with your numbers"
        )
    best = fits[0].grid
    share = f"{100 * fits[0].share:.0f} % of the videos"
    return best, (f"by the lengths of {share}, rows are {described(best)}; --grid says otherwise",)
