"""What `untrimmed view` serves: the page of a view, its videos, news, and corrections."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

from untrimmed.core.actions import Actions
from untrimmed.core.annotations import Annotations, Video
from untrimmed.core.errors import UserError
from untrimmed.report.html import Live, encoded_data, page
from untrimmed.report.media import browser_copy
from untrimmed.report.training_curves import TrainingCurves
from untrimmed.runs.correcting import Corrections, exported, writable_formats
from untrimmed.runs.seen_files import Sources
from untrimmed.runs.viewing import View, course, look_at

GOING_S = 120.0
"""A training goes on if its journal was written to so many seconds ago, or less."""


class ViewSite:
    """A `report.server.Site` of a view; looked at anew once there are new results.

    Raises:
        UserError: if there is nothing to be seen, or a file cannot be read.
    """

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._lock = Lock()
        self._copying = Lock()
        self._stamp = sources.stamp()
        self._view = look_at(sources)
        self._data = encoded_data(self._view.report)
        self._corrections = self._opened(self._view)
        self._course = _Course(self._view.run)

    @property
    def view(self) -> View:
        """What is shown."""
        return self._view

    def page(self, token: str) -> str:
        """The page with the corrections as they stand."""
        with self._lock:
            stamp = self._sources.stamp()
            if stamp != self._stamp:
                view = look_at(self._sources)
                self._corrections = self._opened(view)
                self._stamp, self._view, self._data = stamp, view, encoded_data(view.report)
            live = Live(
                token=token,
                formats=writable_formats(),
                folder=str(self._corrections.path),
            )
            report = self._view.corrected(self._corrections.kept)
            return page(report, {}, live=live, data=self._data)

    def media(self, id: str) -> Path | None:
        """The file of a video."""
        return next(
            (video.media for video in self._view.report.videos if video.id == id),
            None,
        )

    def copy(self, id: str) -> Path | None:
        """A copy of it that every browser plays, kept for the next time."""
        file = self.media(id)
        if file is None:
            return None
        with self._copying:  # one after the other: each takes all cores
            try:
                return browser_copy(id, file, self._view.copies)
            except OSError as error:
                raise UserError(f"{self._view.copies}: {error.strerror}") from error

    def news(self, seen: str) -> dict[str, Any]:
        """The course of the training if it went on, and a stamp of the results."""
        training = self._course.read()
        return {
            "seen": self._course.stamp,
            "results": self._sources.stamp(),
            "training": None if seen == self._course.stamp else training,
            "going": self._course.going,
        }

    def correct(self, request: Mapping[str, Any]) -> None:
        """Keep the labels of a video, `{"video": ..., "labels": [[start, end, name], ...]}`."""
        self._corrections.put(self._known(request.get("video")), request.get("labels"))

    def export(self, request: Mapping[str, Any]) -> tuple[str, bytes]:
        """Annotations of the corrected videos, or with `all` of all videos.

        Those that nobody has corrected are taken as they stand: with the actions that are known,
        or else the detections of `model` from `threshold` on.
        """
        kept = self._corrections.kept
        videos: dict[str, Video] = {}
        for id, video in self._view.videos.items():
            if id in kept.videos:
                actions = kept.videos[id].actions
            elif request.get("all") is True:
                actions = self._standing(id, request)
            else:
                continue
            videos[id] = replace(video, actions=actions)
        media = {video.id: video.media for video in self._view.report.videos if video.media}
        return exported(Annotations(kept.classes, videos), str(request.get("format")), media=media)

    def _standing(self, id: str, request: Mapping[str, Any]) -> Actions:
        report = self._view.report
        entry = next(video for video in report.videos if video.id == id)
        if entry.actions is not None:
            return entry.actions[~entry.actions.ignored]
        found = entry.detections
        if request.get("model") == 1 and report.rival is not None:
            found = report.rival.detections.get(id, found[:0])
        sure = found[found.scores >= float(request.get("threshold", 0.0))].clipped(entry.duration_s)
        return Actions(sure.segments_s, sure.labels)

    def _known(self, id: Any) -> Video:
        video = self._view.videos.get(id) if isinstance(id, str) else None
        if video is None:
            raise ValueError("there is no such video")
        return video

    def _opened(self, view: View) -> Corrections:
        return Corrections(view.corrections, classes=view.report.classes)


class _Course:
    """The course of a training, read again when it went on, but not all the time."""

    def __init__(self, run: Path | None) -> None:
        self._run = run
        self._lock = Lock()
        self._curves: TrainingCurves | None = None
        self._due_s = 0.0
        self.stamp = ""

    @property
    def going(self) -> bool:
        """Whether somebody is writing it."""
        changed_s = max((file.stat().st_mtime for file in self._files()), default=0.0)
        return time.time() - changed_s < GOING_S

    def read(self) -> TrainingCurves | None:
        """The curves; None if there is nothing to draw."""
        with self._lock:
            began_s = time.monotonic()
            stamp = " ".join(str(file.stat().st_size) for file in self._files())
            if self._run is not None and stamp != self.stamp and began_s >= self._due_s:
                self._curves = course(self._run)
                self.stamp = stamp
                # A tenth of the time at most goes into reading a long one.
                self._due_s = began_s + 10 * (time.monotonic() - began_s)
            return self._curves

    def _files(self) -> list[Path]:
        return [] if self._run is None else sorted(self._run.glob("*.jsonl"))
