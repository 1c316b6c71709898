"""Average precision: hand-made cases, and the laws that hold for any detections."""

import numpy as np
import pytest

from untrimmed.core.actions import Actions
from untrimmed.core.detections import Detections
from untrimmed.metrics.average_precision import (
    Scores,
    average_precision,
    precision_recall,
    scores,
)


def one_video(*actions, ignored=None):
    return {"v": Actions([a[:2] for a in actions], [a[2] for a in actions], ignored)}


def found(*rows):
    """Rows of start, end, score; all of class 0."""
    return {"v": Detections([r[:2] for r in rows], [0] * len(rows), [r[2] for r in rows])}


def ap(actions, detections, **options):
    options = {"tiou": 0.5, "classes": 1, **options}
    return average_precision(actions, detections, **options)[0]


def random_case(random, *, videos=7, classes=3):
    actions, detections = {}, {}
    for video in range(videos):
        n, m = random.integers(0, 9), random.integers(0, 15)
        starts = random.uniform(0, 20, n)
        segments = np.stack([starts, starts + random.uniform(0.5, 9, n)], 1)
        actions[f"v{video}"] = Actions(segments, random.integers(0, classes, n))
        starts = random.uniform(0, 20, m)
        segments = np.stack([starts, starts + random.uniform(0.5, 9, m)], 1)
        detections[f"v{video}"] = Detections(
            segments, random.integers(0, classes, m), random.uniform(0, 1, m)
        )
    return actions, detections


def test_perfect_detections_score_one():
    actions = one_video((0, 2, 0), (5, 9, 0))
    assert ap(actions, found((0, 2, 0.9), (5, 9, 0.4)), tiou=1.0) == 1.0


def test_a_false_alarm_above_the_hit_halves_precision():
    assert ap(one_video((0, 2, 0)), found((6, 8, 0.9), (0, 2, 0.4))) == 0.5


def test_a_false_alarm_below_the_last_hit_costs_nothing():
    assert ap(one_video((0, 2, 0)), found((0, 2, 0.9), (6, 8, 0.4))) == 1.0


def test_precision_is_interpolated_from_the_right():
    actions = one_video((0, 2, 0), (5, 7, 0), (10, 12, 0))
    detections = found((0, 2, 0.9), (30, 31, 0.8), (5, 7, 0.7), (10, 12, 0.6))
    assert ap(actions, detections) == pytest.approx((1 + 3 / 4 + 3 / 4) / 3)


def test_an_action_is_hit_once():
    assert ap(one_video((0, 2, 0), (5, 7, 0)), found((0, 2, 0.9), (0, 2, 0.8))) == 0.5


def test_a_detection_takes_the_next_best_action_if_the_best_is_taken():
    actions = one_video((0, 10, 0), (1, 11, 0))
    detections = found((0, 10, 0.9), (0, 10.1, 0.8))
    assert ap(actions, detections) == 1.0


def test_an_overlap_equal_to_the_threshold_is_a_hit():
    assert ap(one_video((0, 4, 0)), found((0, 2, 0.9)), tiou=0.5) == 1.0
    assert ap(one_video((0, 4, 0)), found((0, 2, 0.9)), tiou=0.5 + 1e-12) == 0.0


def test_another_class_or_video_is_no_hit():
    actions = {"v": Actions([[0, 2]], [1]), "w": Actions([[0, 2]], [0])}
    result = average_precision(actions, found((0, 2, 0.9)), tiou=0.5, classes=2)
    assert result.tolist() == [0.0, 0.0]


def test_a_class_without_actions_has_no_score_and_does_not_enter_the_mean():
    actions = one_video((0, 2, 1))
    detections = {"v": Detections([[0, 2], [0, 2]], [1, 0], [0.3, 0.9])}
    table = scores(actions, detections, tious=[0.5], classes=["a", "b", "c"])
    assert np.isnan(table.ap[0, [0, 2]]).all()
    assert table.mean_ap.tolist() == [1.0]


def test_no_class_with_actions_gives_no_mean():
    table = scores({"v": Actions.none()}, found((0, 1, 0.5)), tious=[0.5, 0.7], classes=["a"])
    assert np.isnan(table.mean_ap).tolist() == [True, True]
    assert np.isnan(table.average)


def test_a_class_without_detections_scores_zero():
    assert ap(one_video((0, 2, 0)), {}) == 0.0


def test_average_is_the_mean_over_thresholds_of_the_mean_over_classes():
    table = Scores((0.3, 0.5), ("a", "b", "c"), np.array([[1, 0, np.nan], [0.5, 0, np.nan]]))
    assert table.mean_ap.tolist() == [0.5, 0.25]
    assert table.average == 0.375


def test_detections_in_unknown_videos_count_unless_dropped():
    actions = one_video((0, 2, 0))
    detections = {"u": found((0, 2, 0.9))["v"], **found((0, 2, 0.4))}
    assert ap(actions, detections) == 0.5
    assert ap(actions, detections, unknown_videos="drop") == 1.0


def test_ties_are_broken_by_order_first_or_last():
    detections = found((6, 8, 0.5), (0, 2, 0.5))
    assert ap(one_video((0, 2, 0)), detections, ties="first") == 0.5
    assert ap(one_video((0, 2, 0)), detections, ties="last") == 1.0


def test_ignored_actions_do_not_count():
    actions = one_video((0, 2, 0), (5, 7, 0), ignored=[False, True])
    assert ap(actions, found((0, 2, 0.9))) == 1.0


def test_a_detection_of_an_ignored_action_is_no_false_alarm():
    actions = one_video((0, 2, 0), (5, 7, 0), ignored=[False, True])
    assert ap(actions, found((5, 7, 0.9), (5, 6.9, 0.8), (0, 2, 0.4))) == 1.0


def test_an_ignored_action_takes_no_hit_away():
    actions = one_video((0, 2, 0), (0, 2, 0), ignored=[True, False])
    assert ap(actions, found((0, 2, 0.9))) == 1.0


def test_an_ignored_action_excuses_only_at_thresholds_it_overlaps():
    actions = one_video((0, 2, 0), (5, 7, 0), ignored=[False, True])
    detections = found((5, 6.2, 0.9), (0, 2, 0.4))
    table = scores(actions, detections, tious=[0.5, 0.7], classes=["a"])
    assert table.ap[:, 0].tolist() == [1.0, 0.5]


def test_an_ignored_action_excuses_its_own_class_unless_it_has_none():
    for label, wanted in ((1, 0.5), (-1, 1.0)):
        actions = one_video((0, 2, 0), (5, 7, label), ignored=[False, True])
        assert ap(actions, found((5, 7, 0.9), (0, 2, 0.4)), classes=2) == wanted


def test_segments_without_length_are_never_hit():
    assert ap(one_video((3, 3, 0)), found((3, 3, 0.9))) == 0.0


def test_order_of_videos_and_detections_is_irrelevant_without_ties():
    random = np.random.default_rng(3)
    actions, detections = random_case(random)
    mixed = {
        id: detections[id][random.permutation(len(detections[id]))] for id in reversed(detections)
    }
    for a, b in zip(
        average_precision(actions, detections, tiou=0.4, classes=3),
        average_precision(dict(reversed(actions.items())), mixed, tiou=0.4, classes=3),
        strict=True,
    ):
        assert a == b


def test_scores_may_be_anything_that_rises_alike():
    actions, detections = random_case(np.random.default_rng(4))
    other = {
        id: Detections(some.segments_s, some.labels, 5 * np.log(some.scores) - 3)
        for id, some in detections.items()
    }
    one, two = (scores(actions, d, tious=[0.3], classes="abc").ap for d in (detections, other))
    np.testing.assert_array_equal(one, two)


def test_all_thresholds_at_once_equal_one_at_a_time():
    actions, detections = random_case(np.random.default_rng(5))
    tious = [0.7, 0.1, 0.4]
    table = scores(actions, detections, tious=tious, classes="abc").ap
    for row, tiou in zip(table, tious, strict=True):
        np.testing.assert_array_equal(
            row, average_precision(actions, detections, tiou=tiou, classes=3)
        )


def test_area_under_the_interpolated_curve_is_the_average_precision():
    actions, detections = random_case(np.random.default_rng(6))
    for label in range(3):
        curve = precision_recall(actions, detections, tiou=0.2, label=label)
        best = np.maximum.accumulate(curve.precision[::-1])[::-1]
        area = (np.diff(curve.recall, prepend=0.0) * best).sum()
        wanted = average_precision(actions, detections, tiou=0.2, classes=3)[label]
        assert area == pytest.approx(wanted, abs=1e-12)
        assert (np.diff(curve.scores) <= 0).all()


def test_a_curve_leaves_excused_detections_out():
    actions = one_video((0, 2, 0), (5, 7, 0), ignored=[False, True])
    curve = precision_recall(actions, found((5, 7, 0.9), (0, 2, 0.4)), tiou=0.5, label=0)
    assert (curve.recall.tolist(), curve.precision.tolist()) == ([1.0], [1.0])
    assert curve.scores.tolist() == [0.4]


def test_a_label_beyond_the_classes_is_refused():
    with pytest.raises(ValueError, match="video v: the label 3 of an action is none of 3 classes"):
        average_precision(one_video((0, 2, 3)), {}, tiou=0.5, classes=3)
    with pytest.raises(ValueError, match="of a detection is none of 0 classes"):
        average_precision({}, found((0, 2, 0.5)), tiou=0.5, classes=0)


@pytest.mark.parametrize("tious", [[], [0.0], [0.5, 1.1], [float("nan")]])
def test_a_threshold_out_of_range_is_refused(tious):
    with pytest.raises(ValueError, match=r"thresholds must be in \(0, 1\]"):
        scores({}, {}, tious=tious, classes=["a"])
