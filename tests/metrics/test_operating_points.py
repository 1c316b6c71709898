"""Counts at thresholds, the best of them, and calibration: hand-made cases and laws."""

import numpy as np
import pytest

from untrimmed.core.actions import Actions
from untrimmed.core.detections import Detections
from untrimmed.metrics.average_precision import precision_recall
from untrimmed.metrics.operating_points import (
    Counts,
    best_threshold,
    best_thresholds,
    calibration,
    operating_point,
)


def truth(*rows, ignored=None):
    """Rows of start, end, label."""
    return {"v": Actions([r[:2] for r in rows], [r[2] for r in rows], ignored)}


def found(*rows):
    """Rows of start, end, label, score."""
    return {"v": Detections([r[:2] for r in rows], [r[2] for r in rows], [r[3] for r in rows])}


def counts(point):
    return [(c.hits, c.false_alarms, c.missed) for c in point.by_class]


def random_case(random, *, videos=7, classes=3):
    actions, detections = {}, {}
    for video in range(videos):
        n, m = random.integers(0, 9), random.integers(0, 15)
        starts = random.uniform(0, 20, n)
        segments = np.stack([starts, starts + random.uniform(0.5, 9, n)], 1)
        ignored = random.uniform(0, 1, n) < 0.2
        actions[f"v{video}"] = Actions(segments, random.integers(0, classes, n), ignored)
        starts = random.uniform(0, 20, m)
        segments = np.stack([starts, starts + random.uniform(0.5, 9, m)], 1)
        scores = random.integers(0, 20, m) / 20  # with ties
        detections[f"v{video}"] = Detections(segments, random.integers(0, classes, m), scores)
    return actions, detections


def test_f1_is_the_harmonic_mean_of_precision_and_recall():
    some = Counts(hits=3, false_alarms=1, missed=2)
    assert (some.precision, some.recall) == (3 / 4, 3 / 5)
    assert some.f1 == pytest.approx(2 / (4 / 3 + 5 / 3))


def test_shares_of_nothing_are_unknown():
    assert np.isnan([Counts(0, 0, 2).precision, Counts(0, 2, 0).recall, Counts(0, 0, 0).f1]).all()
    assert Counts(0, 0, 2).f1 == Counts(0, 2, 0).f1 == 0.0


def test_detections_of_the_least_score_are_shown_and_those_below_hidden():
    actions = truth((0, 2, 0), (5, 7, 0))
    detections = found((0, 2, 0, 0.9), (20, 22, 0, 0.5), (5, 7, 0, 0.4))
    for least, wanted in ((0.9, (1, 0, 1)), (0.5, (1, 1, 1)), (0.4, (2, 1, 0)), (1.0, (0, 0, 2))):
        point = operating_point(actions, detections, tiou=0.5, classes=["a"], least_score=least)
        assert counts(point) == [wanted]


def test_each_class_may_have_its_own_least_score():
    actions = truth((0, 2, 0), (5, 7, 1))
    detections = found((0, 2, 0, 0.3), (5, 7, 1, 0.3))
    point = operating_point(actions, detections, tiou=0.5, classes="ab", least_score=[0.2, 0.4])
    assert counts(point) == [(1, 0, 0), (0, 0, 1)]
    assert (point.overall, point.mean_f1) == (Counts(1, 0, 1), 0.5)


def test_false_alarms_of_a_class_without_actions_punish_the_total_alone():
    actions, detections = truth((0, 2, 0)), found((0, 2, 0, 0.3), (0, 2, 1, 0.3))
    point = operating_point(actions, detections, tiou=0.5, classes="ab", least_score=0.0)
    assert point.mean_f1 == 1.0
    assert point.overall.f1 == pytest.approx(2 / 3)


def test_no_actions_at_all_give_no_mean():
    point = operating_point({}, {}, tiou=0.5, classes="ab", least_score=0.0)
    assert np.isnan(point.mean_f1)
    assert np.isnan(point.overall.f1)


def test_a_second_detection_of_an_action_is_a_false_alarm():
    detections = found((0, 2, 0, 0.9), (0, 2, 0, 0.8))
    point = operating_point(truth((0, 2, 0)), detections, tiou=0.5, classes="a", least_score=0)
    assert counts(point) == [(1, 1, 0)]


def test_ignored_actions_neither_count_nor_punish():
    actions = truth((0, 2, 0), (5, 7, 0), ignored=[False, True])
    detections = found((5, 7, 0, 0.9), (0, 2, 0, 0.8))
    point = operating_point(actions, detections, tiou=0.5, classes="a", least_score=0)
    assert counts(point) == [(1, 0, 0)]
    assert calibration(actions, detections, tiou=0.5, classes=1).detections.sum() == 1
    assert best_thresholds(actions, detections, tiou=0.5, classes=1).tolist() == [0.8]


def test_detections_in_unknown_videos_are_false_alarms_unless_dropped():
    detections = {"u": found((0, 2, 0, 0.9))["v"]}
    for unknown, wanted in (("count", [(0, 1, 1)]), ("drop", [(0, 0, 1)])):
        point = operating_point(
            truth((0, 2, 0)),
            detections,
            tiou=0.5,
            classes="a",
            least_score=0,
            unknown_videos=unknown,
        )
        assert counts(point) == wanted


def test_hiding_detections_is_as_if_they_were_not_there():
    actions, detections = random_case(np.random.default_rng(1))
    options = {"tiou": 0.3, "classes": "abc"}
    for least in (0.25, 0.5, 0.75):
        shown = {id: some[some.scores >= least] for id, some in detections.items()}
        hidden = operating_point(actions, detections, least_score=least, **options)
        gone = operating_point(actions, shown, least_score=-np.inf, **options)
        assert hidden.by_class == gone.by_class


def test_precision_and_recall_are_points_of_the_curve():
    actions, detections = random_case(np.random.default_rng(2))
    curve = precision_recall(actions, detections, tiou=0.3, label=1)
    last = np.flatnonzero(curve.scores >= 0.5)[-1]
    point = operating_point(actions, detections, tiou=0.3, classes="abc", least_score=0.5)
    assert point.by_class[1].precision == pytest.approx(curve.precision[last])
    assert point.by_class[1].recall == pytest.approx(curve.recall[last])


def test_the_best_threshold_of_a_class_is_where_the_next_detections_cost_more_than_they_give():
    actions = truth((0, 2, 0), (5, 7, 0))
    detections = found((0, 2, 0, 0.9), (20, 22, 0, 0.5), (5, 7, 0, 0.4), (30, 32, 0, 0.1))
    assert best_thresholds(actions, detections, tiou=0.5, classes=1).tolist() == [0.4]
    assert best_thresholds(actions, detections, tiou=0.5, classes=2)[1] == np.inf


def test_equal_scores_are_taken_together():
    """The hit alone would have F1 of 1, but it cannot be shown without the two false alarms."""
    actions = truth((0, 2, 0), (5, 7, 0))
    detections = found(
        (0, 2, 0, 0.9), (5, 7, 0, 0.5), (20, 22, 0, 0.5), (30, 32, 0, 0.5), (40, 42, 0, 0.5)
    )
    assert best_thresholds(actions, detections, tiou=0.5, classes=1).tolist() == [0.9]


def test_no_other_threshold_gives_a_larger_f1():
    actions, detections = random_case(np.random.default_rng(3))
    options = {"tiou": 0.3, "unknown_videos": "count"}

    def point(least):
        return operating_point(actions, detections, classes="abc", least_score=least, **options)

    best = point(best_thresholds(actions, detections, classes=3, **options))
    together = point(best_threshold(actions, detections, classes=3, **options))
    every = [point(least) for least in np.arange(22) / 20]
    for label in range(3):
        assert best.by_class[label].f1 == max(other.by_class[label].f1 for other in every)
    assert together.overall.f1 == max(other.overall.f1 for other in every)


def test_where_nothing_is_hit_it_is_best_to_show_nothing():
    detections = found((20, 22, 0, 0.9))
    assert best_thresholds(truth((0, 2, 0)), detections, tiou=0.5, classes=1).tolist() == [np.inf]
    assert best_threshold({}, detections, tiou=0.5, classes=1) == np.inf
    assert best_threshold({}, {}, tiou=0.5, classes=0) == np.inf


def test_calibration_compares_scores_with_hits_bin_by_bin():
    actions = truth((0, 2, 0), (5, 7, 1))
    detections = found((0, 2, 0, 0.9), (20, 22, 0, 0.7), (5, 7, 1, 0.3), (30, 32, 1, 0.1))
    result = calibration(actions, detections, tiou=0.5, classes=2, bins=2)
    assert result.borders.tolist() == [0.0, 0.5, 1.0]
    assert result.detections.tolist() == [2, 2]
    assert result.score == pytest.approx([0.2, 0.8])
    assert result.precision.tolist() == [0.5, 0.5]
    assert result.error == pytest.approx((2 * 0.3 + 2 * 0.3) / 4)


def test_a_bin_has_its_upper_border_and_the_first_has_both():
    actions = truth((0, 2, 0))
    detections = found(*((20, 22, 0, score) for score in (0.0, 0.25, 0.250001, 0.5, 1.0)))
    result = calibration(actions, detections, tiou=0.5, classes=1, bins=4)
    assert result.detections.tolist() == [2, 2, 0, 1]
    assert np.isnan([result.score[2], result.precision[2]]).all()


def test_scores_that_are_shares_of_hits_have_no_error():
    """In each bin all scores are the share of hits in it."""
    actions = truth(*((10 * i, 10 * i + 2, 0) for i in range(5)))
    rows = [(10 * i, 10 * i + 2, 0, 0.25) for i in range(1)]
    rows += [(5, 6, 0, 0.25)] * 3 + [(10 * i, 10 * i + 2, 0, 1.0) for i in range(1, 5)]
    assert calibration(actions, found(*rows), tiou=0.9, classes=1).error == 0.0


def test_sure_scores_that_are_all_wrong_have_the_largest_error():
    detections = found((20, 22, 0, 1.0), (30, 32, 0, 1.0))
    assert calibration(truth((0, 2, 0)), detections, tiou=0.5, classes=1).error == 1.0


def test_without_detections_the_error_is_unknown():
    result = calibration(truth((0, 2, 0)), {}, tiou=0.5, classes=1, bins=3)
    assert result.detections.tolist() == [0, 0, 0]
    assert np.isnan(result.error)


def test_what_is_out_of_range_is_refused():
    actions, detections = truth((0, 2, 0)), found((0, 2, 0, 1.5))
    with pytest.raises(ValueError, match=r"in \[0, 1\]; there is a score of 1.5"):
        calibration(actions, detections, tiou=0.5, classes=1)
    with pytest.raises(ValueError, match="0 bins"):
        calibration(actions, {}, tiou=0.5, classes=1, bins=0)
    with pytest.raises(ValueError, match="video v: the label 0 of a detection is none of 0"):
        best_threshold({}, detections, tiou=0.5, classes=0)
    with pytest.raises(ValueError, match=r"\(3,\) least scores for 2 classes"):
        operating_point(actions, {}, tiou=0.5, classes="ab", least_score=[1, 2, 3])
    with pytest.raises(ValueError, match=r"thresholds must be in \(0, 1\]"):
        operating_point(actions, {}, tiou=0.0, classes="ab", least_score=0)
