"""How far apart two lists of detections are."""

import numpy as np
import pytest

from untrimmed.core.detections import Detections
from untrimmed.detect.agreement import difference

BOUNDS = {"least_score": 0.1, "most": 4, "bound": 0.01}


def found(*rows):
    segments, labels, scores = zip(*((row[:2], *row[2:]) for row in rows), strict=True)
    return Detections(np.array(segments), np.array(labels), np.array(scores))


ONE = found((0.2, 0.7, 0, 0.9), (10.0, 20.0, 1, 0.5))


def test_the_order_does_not_matter():
    assert difference(ONE, ONE[::-1], **BOUNDS) == 0


def test_it_is_the_largest_of_scores_and_times():
    assert difference(ONE, found((0.2, 0.7, 0, 0.8), (10, 20, 1, 0.5)), **BOUNDS) == pytest.approx(
        0.1
    )
    assert difference(ONE, found((0.2, 1.0, 0, 0.9), (10, 20, 1, 0.5)), **BOUNDS) == pytest.approx(
        0.3
    )


def test_late_times_are_held_against_themselves():
    assert difference(ONE, found((0.2, 0.7, 0, 0.9), (10, 22, 1, 0.5)), **BOUNDS) == pytest.approx(
        0.1
    )


def test_what_one_list_alone_has_counts_both_ways():
    assert difference(ONE, ONE[:1], **BOUNDS) == np.inf
    assert difference(ONE[:1], ONE, **BOUNDS) == np.inf


def test_what_rounding_may_drop_is_not_missed():
    barely = found((0.2, 0.7, 0, 0.9), (10, 20, 1, 0.5), (30, 31, 2, 0.105))
    assert difference(barely, ONE, **BOUNDS) == 0
    full = found((0.2, 0.7, 0, 0.9), (10, 20, 1, 0.5), (1, 2, 0, 0.3), (5, 6, 2, 0.3))
    other = found((0.2, 0.7, 0, 0.9), (10, 20, 1, 0.5), (1, 2, 0, 0.3), (7, 8, 3, 0.305))
    assert difference(full, other, **BOUNDS) == 0


def test_two_empty_lists_agree():
    assert difference(Detections.none(), Detections.none(), **BOUNDS) == 0
