"""The challenge's own average precision: where it differs from today's, by hand."""

import numpy as np
import pytest

from untrimmed.core.actions import EVERY_CLASS, Actions
from untrimmed.core.detections import Detections
from untrimmed.metrics import average_precision, thumos_challenge


def one_video(*actions, ignored=None):
    return {"v": Actions([a[:2] for a in actions], [a[2] for a in actions], ignored)}


def found(*rows):
    """Rows of start, end, score; all of class 0."""
    return {"v": Detections([r[:2] for r in rows], [0] * len(rows), [r[2] for r in rows])}


def ap(actions, detections, *, tiou=0.5):
    return thumos_challenge.scores(actions, detections, tious=[tiou], classes=["a"]).ap[0, 0]


def test_perfect_detections_score_one():
    actions = one_video((0, 2, 0), (5, 9, 0), (1, 3, 0))
    detections = found((1, 3, 0.2), (0, 2, 0.9), (5, 9, 0.4))
    assert ap(actions, detections, tiou=0.99) == 1.0


def test_an_overlap_equal_to_the_threshold_is_no_hit():
    assert ap(one_video((0, 4, 0)), found((0, 2, 0.9)), tiou=0.5) == 0.0
    assert ap(one_video((0, 4, 0)), found((0, 2, 0.9)), tiou=0.5 - 1e-12) == 1.0


def test_an_action_takes_the_closest_detection_and_not_the_surest():
    actions, detections = one_video((0, 10, 0)), found((0, 7, 0.9), (0, 10, 0.4))
    today = average_precision.scores(actions, detections, tious=[0.5], classes=["a"])
    assert ap(actions, detections) == 0.5
    assert today.ap.tolist() == [[1.0]]


def test_the_action_first_in_order_takes_first():
    first, second = (0, 10, 0), (0, 12, 0)
    detections = found((0, 11, 0.9), (0, 7.5, 0.8))
    assert ap(one_video(first, second), detections, tiou=0.7) == 0.5
    assert ap(one_video(second, first), detections, tiou=0.7) == 1.0


def test_of_equal_overlaps_the_surer_detection_is_taken():
    detections = found((0, 10, 0.4), (20, 30, 0.6), (0, 10, 0.9))
    assert ap(one_video((0, 10, 0)), detections) == 1.0


def test_precision_is_not_interpolated():
    actions = one_video((0, 2, 0), (5, 7, 0), (10, 12, 0))
    detections = found((0, 2, 0.9), (30, 31, 0.8), (5, 7, 0.7), (10, 12, 0.6))
    assert ap(actions, detections) == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)


def test_any_overlap_with_an_ambiguous_segment_excuses():
    actions = one_video((0, 2, 0), (50, 90, EVERY_CLASS), ignored=[False, True])
    assert ap(actions, found((49, 50.1, 0.9), (0, 2, 0.4))) == 1.0
    assert ap(actions, found((49, 50.0, 0.9), (0, 2, 0.4))) == 0.5


def test_an_ambiguous_segment_of_another_class_excuses_nothing():
    actions = one_video((0, 2, 0), (50, 90, 1), ignored=[False, True])
    table = thumos_challenge.scores(
        actions, found((50, 60, 0.9), (0, 2, 0.4)), tious=[0.5], classes=["a", "b"]
    )
    assert table.ap[0, 0] == 0.5


def test_a_hit_counts_though_it_overlaps_an_ambiguous_segment():
    actions = one_video((0, 2, 0), (1, 5, EVERY_CLASS), ignored=[False, True])
    assert ap(actions, found((0, 2, 0.9))) == 1.0


def test_detections_in_videos_without_actions_are_false_alarms():
    detections = {**found((0, 2, 0.4)), "u": found((0, 2, 0.9))["v"]}
    assert ap(one_video((0, 2, 0)), detections) == 0.5


def test_of_equal_scores_the_video_first_by_name_goes_first():
    actions = one_video((0, 2, 0))
    hit, alarm = found((0, 2, 0.5))["v"], found((8, 9, 0.5))["v"]
    assert ap(actions, {"v": hit, "w": alarm}) == 1.0
    assert ap(actions, {"v": hit, "u": alarm}) == 0.5


def test_a_class_without_actions_has_no_score_and_one_without_detections_zero():
    table = thumos_challenge.scores(
        one_video((0, 2, 1)), found((0, 2, 0.5)), tious=[0.3, 0.5], classes=["a", "b"]
    )
    assert np.isnan(table.ap[:, 0]).all()
    assert table.ap[:, 1].tolist() == [0.0, 0.0]


def test_all_thresholds_at_once_equal_one_at_a_time():
    random = np.random.default_rng(2)
    starts, begins = random.uniform(0, 40, 9), random.uniform(0, 40, 31)
    actions = {"v": Actions(np.stack([starts, starts + random.uniform(2, 9, 9)], 1), [0] * 9)}
    segments = np.stack([begins, begins + random.uniform(2, 9, 31)], 1)
    detections = {"v": Detections(segments, [0] * 31, random.uniform(0, 1, 31))}
    tious = [0.6, 0.1, 0.3]
    table = thumos_challenge.scores(actions, detections, tious=tious, classes=["a"])
    assert table.ap[:, 0].tolist() == [ap(actions, detections, tiou=tiou) for tiou in tious]


@pytest.mark.parametrize("tious", [[], [0.0], [0.5, 1.0], [float("nan")]])
def test_a_threshold_out_of_range_is_refused(tious):
    with pytest.raises(ValueError, match=r"thresholds must be in \(0, 1\)"):
        thumos_challenge.scores({}, {}, tious=tious, classes=["a"])


def test_a_label_beyond_the_classes_is_refused():
    with pytest.raises(ValueError, match="the label 3 of an action is none of 1 classes"):
        ap(one_video((0, 2, 3)), {})
