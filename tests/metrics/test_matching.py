"""Which detection hits which action: against taking turns, one detection after the other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from untrimmed.core.actions import Actions
from untrimmed.core.detections import Detections
from untrimmed.core.segments import iou
from untrimmed.metrics import matching
from untrimmed.metrics.matching import matches

TIOUS = (0.2, 0.5, 0.8)


def by_turns(actions, detections, *, label, tiou):
    """(video, detection) -> action, in the words of the definition."""
    order = [
        (-score, id, place)
        for id, some in detections.items()
        for place, score in enumerate(some.scores.tolist())
        if some.labels[place] == label
    ]
    free = {id: set(np.flatnonzero(some.labels == label)) for id, some in actions.items()}
    hits = {}
    for _, id, place in sorted(order, key=lambda row: row[0]):
        overlaps = iou(detections[id].segments_s[[place]], actions[id].segments_s)[0]
        best = max(sorted(free[id]), key=lambda action: overlaps[action], default=None)
        if best is not None and overlaps[best] >= tiou:
            free[id].remove(best)
            hits[id, place] = int(best)
    return hits


segments = st.tuples(st.integers(0, 12), st.integers(1, 8)).map(lambda s: (s[0], s[0] + s[1]))
rows = st.lists(st.tuples(segments, st.integers(0, 1), st.integers(0, 5)), max_size=12)


@settings(max_examples=200, deadline=None)
@given(truth=st.lists(rows, min_size=2, max_size=2), found=st.lists(rows, min_size=2, max_size=2))
def test_matching_is_that_of_taking_turns(truth, found):
    actions = {
        f"v{n}": Actions([r[0] for r in some], [r[1] for r in some]) for n, some in enumerate(truth)
    }
    detections = {
        f"v{n}": Detections([r[0] for r in some], [r[1] for r in some], [r[2] for r in some])
        for n, some in enumerate(found)
    }
    for label, result in enumerate(matches(actions, detections, tious=TIOUS, labels=[0, 1])):
        for tiou, hit in zip(TIOUS, result.hit, strict=True):
            ours = {
                (result.videos[video], int(place)): int(action)
                for video, place, action in zip(result.video, result.position, hit, strict=True)
                if action >= 0
            }
            assert ours == by_turns(actions, detections, label=label, tiou=tiou)


def test_an_ousted_detection_asks_for_its_next_best():
    actions = {"v": Actions([[0, 10], [2, 12], [4, 14]], [0, 0, 0])}
    detections = {"v": Detections([[2, 12], [2.1, 12.1], [1.9, 11.9]], [0, 0, 0], [0.7, 0.8, 0.9])}
    (result,) = matches(actions, detections, tious=[0.3], labels=[0])
    assert result.position.tolist() == [2, 1, 0]
    assert result.hit[0].tolist() == [1, 2, 0]


def test_positions_count_all_actions_and_detections_of_the_video():
    actions = {"v": Actions([[9, 10], [0, 2], [5, 7]], [1, 0, 0])}
    detections = {"v": Detections([[9, 10], [5, 7]], [1, 0], [0.9, 0.1])}
    (result,) = matches(actions, detections, tious=[0.5], labels=[0])
    assert (result.position.tolist(), result.hit.tolist(), result.actions) == ([1], [[2]], 2)


def test_only_misses_are_excused():
    actions = {"v": Actions([[0, 2], [0, 2]], [0, 0], [True, False])}
    detections = {"v": Detections([[0, 2], [0, 2], [6, 7]], [0, 0, 0], [0.9, 0.8, 0.7])}
    (result,) = matches(actions, detections, tious=[0.5], labels=[0])
    assert result.hit.tolist() == [[1, -1, -1]]
    assert result.excused.tolist() == [[False, True, False]]


def test_pairs_computed_in_pieces_are_the_same(monkeypatch):
    random = np.random.default_rng(0)
    starts = random.uniform(0, 30, (2, 40))
    actions = {"v": Actions(np.stack([starts[0], starts[0] + 4], 1), np.zeros(40))}
    detections = {"v": Detections(np.stack([starts[1], starts[1] + 5], 1), np.zeros(40), starts[1])}
    (whole,) = matches(actions, detections, tious=TIOUS, labels=[0])
    monkeypatch.setattr(matching, "PAIRS_AT_ONCE", 7)
    (pieces,) = matches(actions, detections, tious=TIOUS, labels=[0])
    assert pieces.hit.tolist() == whole.hit.tolist()


def test_nothing_matches_nothing():
    (result,) = matches({}, {}, tious=[0.5], labels=[0])
    assert (result.hit.shape, result.actions) == ((1, 0), 0)


def test_a_threshold_above_one_is_refused():
    with pytest.raises(ValueError, match="thresholds"):
        matches({}, {}, tious=[1.5], labels=[0])
