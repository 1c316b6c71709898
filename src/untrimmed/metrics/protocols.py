"""The rules by which benchmarks score: data, and the one function that applies it.

Tables of the same benchmark differ by a point when thresholds, videos or the cleaning of the
annotations do.  So a rule is a named option of `Protocol`, a benchmark is a `Protocol`, and
`Scores.protocol` says beside the numbers which rules made them.  What average precision is, is in
`metrics.average_precision` and `metrics.thumos_challenge`; reading annotations and choosing the
split is the caller's.

A variant of a benchmark is `dataclasses.replace(PROTOCOLS["thumos14"], duplicates="keep")`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Literal

import numpy as np
from jaxtyping import Int64

from untrimmed.core.actions import Actions, without_repeats, without_short
from untrimmed.core.detections import Detections
from untrimmed.metrics import average_precision, thumos_challenge
from untrimmed.metrics.average_precision import Scores
from untrimmed.metrics.matching import Ties, UnknownVideos
from untrimmed.metrics.recall import TopRecall, top_recall


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How a benchmark scores detections.

    Args:
        name: its key in `PROTOCOLS`, or one of your own.
        source: where the rules are defined.
        splits: what is customarily scored, in lower case; files may name it otherwise.
        tious: thresholds; the headline number is the mean over them.
        matching: "detections_choose" as in `metrics.average_precision`, surest first;
            "actions_choose" as in `metrics.thumos_challenge`.
        duplicates: whether actions of one video and class both of whose ends agree within
            `core.actions.SAME_S` all count, or the first of them alone.
        no_length: whether actions shorter than `core.actions.SHORTEST_S` count.  One of length 0
            cannot be hit: where they are kept, even perfect detections score below 1.
        ignored_actions: whether they excuse detections, or are as if they were not there.
        unknown_labels: what becomes of detections of a class without actions.  "drop": they have
            no influence.  "collide": ActionFormer's evaluator numbers the classes that have
            actions anew, from 0 and in their order, but not these detections; one whose label is
            below the number of such classes counts for the class that has taken its number.  An
            earlier evaluator of EPIC-Kitchens did the same.
        unknown_videos: whether detections in videos without an entry count as false alarms.
        ties: which of equal scores goes first; "actions_choose" has an order of its own.
        blocked_videos: left out, of actions and detections.
        external_classifier: whether published scores commonly take class and part of the score
            from a classifier of whole videos.  It says what to compare with and changes nothing.
        recall_at: multiples k for which Recall@kx is reported beside average precision.
    """

    name: str
    source: str
    splits: tuple[str, ...]
    tious: tuple[float, ...]
    matching: Literal["detections_choose", "actions_choose"] = "detections_choose"
    duplicates: Literal["keep", "once"] = "keep"
    no_length: Literal["keep", "drop"] = "keep"
    ignored_actions: Literal["excuse", "drop"] = "drop"
    unknown_labels: Literal["drop", "collide"] = "drop"
    unknown_videos: UnknownVideos = "count"
    ties: Ties = "last"
    blocked_videos: frozenset[str] = frozenset()
    external_classifier: bool = False
    recall_at: tuple[int, ...] = ()

    @property
    def described(self) -> str:
        """All rules in one line, options by their names; of blocked videos the number."""
        shown = {option.name: getattr(self, option.name) for option in fields(self)}
        del shown["name"]
        shown["splits"] = " ".join(self.splits)
        shown["recall_at"] = " ".join(f"{k}x" for k in self.recall_at) or "none"
        shown["tious"] = " ".join(f"{tiou:g}" for tiou in self.tious)
        shown["blocked_videos"] = len(self.blocked_videos)
        shown["external_classifier"] = "customary" if self.external_classifier else "none"
        shown["source"] = shown.pop("source")  # last: it may hold commas
        return f"{self.name}: " + ", ".join(f"{name} {value}" for name, value in shown.items())


def score(
    actions: Mapping[str, Actions],
    detections: Mapping[str, Detections],
    *,
    protocol: Protocol,
    classes: Sequence[str],
) -> Scores:
    """Average precision of every class at every threshold, by the rules of a benchmark.

    Args:
        actions: ground truth of the split, by video, as annotated: nothing removed.
        detections: by video; a video without an entry has no detections.
        classes: names; the position is the label.

    Raises:
        ValueError: if a label has no class, or a threshold is missing or out of range.
    """
    truth = counted_actions(actions, protocol=protocol)
    found = {id: some for id, some in detections.items() if id not in protocol.blocked_videos}
    if protocol.unknown_labels == "collide":
        found = _collided(found, truth)
    if protocol.matching == "actions_choose":
        if protocol.unknown_videos == "drop":
            found = {id: some for id, some in found.items() if id in truth}
        table = thumos_challenge.scores(truth, found, tious=protocol.tious, classes=classes)
    else:
        table = average_precision.scores(
            truth,
            found,
            tious=protocol.tious,
            classes=classes,
            unknown_videos=protocol.unknown_videos,
            ties=protocol.ties,
        )
    return replace(table, protocol=protocol.described)


def recall(
    actions: Mapping[str, Actions],
    detections: Mapping[str, Detections],
    *,
    protocol: Protocol,
    classes: Sequence[str],
) -> TopRecall | None:
    """Recall@kx by the rules of a benchmark, None if it has none; arguments as for `score`."""
    if not protocol.recall_at:
        return None
    truth = counted_actions(actions, protocol=protocol)
    return top_recall(
        truth,
        {id: some for id, some in detections.items() if id in truth},
        tious=protocol.tious,
        classes=classes,
        multiples=protocol.recall_at,
    )


def counted_actions(actions: Mapping[str, Actions], *, protocol: Protocol) -> dict[str, Actions]:
    """The ground truth that a protocol scores against: what it removes is gone.

    Videos that lose their last action stay, unless they are blocked.
    """
    kept = {id: some for id, some in actions.items() if id not in protocol.blocked_videos}
    if protocol.ignored_actions == "drop":
        kept = {id: some[~some.ignored] for id, some in kept.items()}
    if protocol.no_length == "drop":
        kept = {id: without_short(some) for id, some in kept.items()}
    if protocol.duplicates == "once":
        kept = {id: without_repeats(some) for id, some in kept.items()}
    return kept


def _collided(
    detections: Mapping[str, Detections], truth: Mapping[str, Actions]
) -> dict[str, Detections]:
    """Detections of classes without actions under the labels that "collide" gives them."""
    known = np.unique(
        np.concatenate([np.zeros(0, np.int64), *map(_counted_labels, truth.values())])
    )
    renamed = {}
    for id, some in detections.items():
        stray = ~np.isin(some.labels, known) & (some.labels >= 0) & (some.labels < len(known))
        labels = some.labels.copy()
        labels[stray] = known[labels[stray]]
        renamed[id] = Detections(some.segments_s, labels, some.scores)
    return renamed


def _counted_labels(some: Actions) -> Int64[np.ndarray, " N"]:
    return np.asarray(some.labels[~some.ignored])


def _steps(first: int, last: int, step: int) -> tuple[float, ...]:
    """Thresholds from hundredths, both ends included."""
    return tuple(hundredths / 100 for hundredths in range(first, last + 1, step))


_ACTIVITYNET = Protocol(
    name="activitynet13",
    source="ActivityNet toolkit, eval_detection.py; without its list of blocked videos",
    splits=("validation",),
    tious=_steps(50, 95, 5),
    external_classifier=True,
)
_EPIC = Protocol(
    name="epic_kitchens_verb",
    source="EPIC-Kitchens C2-Action-Detection, evaluate_detection_json_ek100.py",
    splits=("validation",),
    tious=_steps(10, 50, 10),
)
_EPIC_ACTIONFORMER = replace(
    _EPIC,
    name="epic_kitchens_verb_actionformer",
    source="ActionFormer, libs/utils/metrics.py",
    duplicates="once",
    no_length="drop",
    unknown_labels="collide",
)
_OPENTAD = Protocol(
    name="multithumos",
    source="OpenTAD, evaluations/mAP.py",
    splits=("test",),
    tious=_steps(10, 90, 10),
    duplicates="once",
    no_length="drop",
)

PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(
    {
        protocol.name: protocol
        for protocol in (
            Protocol(
                name="thumos14",
                source="ActionFormer, libs/utils/metrics.py and its 212 test videos",
                splits=("test",),
                tious=_steps(30, 70, 10),
                duplicates="once",
                no_length="drop",
                blocked_videos=frozenset({"video_test_0001292"}),
            ),
            replace(
                _OPENTAD,
                name="thumos14_opentad",
                source="OpenTAD, evaluations/mAP.py and its 211 test videos",
                tious=_steps(30, 70, 10),
                blocked_videos=frozenset({"video_test_0000270", "video_test_0001292"}),
            ),
            Protocol(
                name="thumos14_challenge",
                source="THUMOS14 challenge, TH14eventdetpr.m",
                splits=("test",),
                tious=_steps(10, 50, 10),
                matching="actions_choose",
                ignored_actions="excuse",
                ties="first",
            ),
            _ACTIVITYNET,
            replace(
                _ACTIVITYNET,
                name="activitynet13_actionformer",
                source="ActionFormer, libs/utils/metrics.py",
                duplicates="once",
                no_length="drop",
            ),
            replace(_ACTIVITYNET, name="hacs", source="ActivityNet toolkit, eval_detection.py"),
            replace(
                _ACTIVITYNET, name="fineaction", source="ActivityNet toolkit, eval_detection.py"
            ),
            _EPIC,
            replace(_EPIC, name="epic_kitchens_noun"),
            replace(_EPIC, name="epic_kitchens_action"),
            replace(
                _EPIC,
                name="ego4d_mq",
                source="Ego4D episodic-memory, MQ/Evaluation/ego4d",
                recall_at=(1, 5),
            ),
            _EPIC_ACTIONFORMER,
            replace(_EPIC_ACTIONFORMER, name="epic_kitchens_noun_actionformer"),
            replace(_EPIC_ACTIONFORMER, name="ego4d_mq_actionformer", recall_at=(1, 5)),
            _OPENTAD,
            replace(_OPENTAD, name="charades"),
        )
    }
)
"""The benchmarks by name.

`activitynet13` is the toolkit to the last digit, and so counts the three validation actions
without length, which nothing can hit: perfect detections score 0.99947.  By the rules of
`activitynet13_actionformer`, which leaves them out, they score 1.

Deviates: `activitynet13` blocks no video, for the toolkit's list is no longer served; tables since
BMN leave out about 200 of the 4,926 validation videos and score slightly higher for it.  Give
those as `blocked_videos`.  `thumos14` keeps `video_test_0000270`, whose annotation is wrong;
`thumos14_opentad` does not.
"""
