"""Intervals over seeds and over videos: tables, laws, and resampling done by hand."""

import math

import numpy as np
import pytest

from untrimmed.core.actions import Actions
from untrimmed.core.detections import Detections
from untrimmed.metrics.average_precision import scores
from untrimmed.metrics.uncertainty import compare, mean_over_seeds, student_t

TIOUS = (0.3, 0.5)


def random_case(random, *, videos, classes=3):
    """Actions, detections of which about half hit, and the same with less of them."""
    actions, good, poor = {}, {}, {}
    for video in range(videos):
        n, m = random.integers(0, 6), random.integers(0, 6)
        starts = random.uniform(0, 40, n + m)
        segments = np.stack([starts, starts + random.uniform(0.5, 9, n + m)], 1)
        labels = random.integers(0, classes, n + m)
        ignored = random.uniform(0, 1, n) < 0.2
        actions[f"v{video}"] = Actions(segments[:n], labels[:n], ignored)
        sureness = random.uniform(0, 1, n + m)
        moved = segments + random.uniform(-0.5, 0.5, (n + m, 2)) * [1, 0]
        moved[:, 1] = np.maximum(moved[:, 1], moved[:, 0])
        good[f"v{video}"] = Detections(moved, labels, sureness)
        poor[f"v{video}"] = good[f"v{video}"][random.uniform(0, 1, n + m) < 0.6]
    return actions, good, poor


def test_student_t_is_that_of_the_tables():
    table = {
        (0.95, 1): 12.706205,
        (0.95, 2): 4.302653,
        (0.95, 4): 2.776445,
        (0.95, 9): 2.262157,
        (0.9, 5): 2.015048,
        (0.99, 2): 9.924843,
        (0.99, 7): 3.499483,
        (0.95, 30): 2.042272,
    }
    for (confidence, freedom), wanted in table.items():
        assert student_t(confidence, freedom=freedom) == pytest.approx(wanted, abs=1e-6)


def test_student_t_nears_the_normal_distribution():
    assert student_t(0.95, freedom=5000) == pytest.approx(1.959964, abs=1e-3)


def test_student_t_with_one_and_two_degrees_of_freedom_is_known_in_closed_form():
    for confidence in (0.1, 0.5, 0.8, 0.999):
        one = math.tan(math.pi / 2 * confidence)
        two = confidence * math.sqrt(2 / (1 - confidence**2))
        assert student_t(confidence, freedom=1) == pytest.approx(one)
        assert student_t(confidence, freedom=2) == pytest.approx(two)


def test_interval_over_seeds_is_that_by_hand():
    result = mean_over_seeds([57.0, 59.0, 61.0])
    assert (result.mean, result.deviation, result.count) == (59.0, 2.0, 3)
    half = 4.302653 * 2 / math.sqrt(3)
    assert (result.low, result.high) == pytest.approx((59 - half, 59 + half), abs=1e-5)


def test_the_interval_moves_and_grows_with_the_values():
    values = [0.57, 0.61, 0.6, 0.58]
    plain = mean_over_seeds(values)
    other = mean_over_seeds([3 - 100 * value for value in values])
    assert (other.low, other.high) == pytest.approx((3 - 100 * plain.high, 3 - 100 * plain.low))


def test_nineteen_of_twenty_intervals_hold_the_true_mean():
    samples = np.random.default_rng(0).normal(3.0, 2.0, (2000, 4))
    results = [mean_over_seeds(sample) for sample in samples]
    held = np.mean([result.low <= 3.0 <= result.high for result in results])
    assert held == pytest.approx(0.95, abs=0.015)


def test_of_one_value_the_interval_is_unknown_and_of_equal_ones_it_has_no_length():
    one = mean_over_seeds([0.59])
    assert one.mean == 0.59
    assert np.isnan([one.deviation, one.low, one.high]).all()
    same = mean_over_seeds([0.5, 0.5])
    assert (same.low, same.high) == (0.5, 0.5)


def test_scores_of_both_are_those_without_resampling():
    actions, good, poor = random_case(np.random.default_rng(1), videos=9)
    result = compare(actions, poor, good, tious=TIOUS, classes="abc", seed=0, resamples=5)
    one, two = (scores(actions, some, tious=TIOUS, classes="abc").average for some in (poor, good))
    assert (result.first, result.second, result.difference) == (one, two, two - one)


def test_each_draw_is_scored_as_if_its_videos_were_copies():
    """Of one draw, both ends of the interval are the difference on that draw."""
    actions, good, poor = random_case(np.random.default_rng(2), videos=7)
    V = len(actions)
    for seed in range(8):
        result = compare(actions, poor, good, tious=TIOUS, classes="abc", seed=seed, resamples=1)
        (times,) = np.random.default_rng(seed).multinomial(V, np.full(V, 1 / V), size=1)

        def drawn(by_video, times=times):
            copies = zip(sorted(by_video), times, strict=True)
            return {f"{id}/{n}": by_video[id] for id, count in copies for n in range(count)}

        wanted = [
            scores(drawn(actions), drawn(some), tious=TIOUS, classes="abc").average
            for some in (poor, good)
        ]
        assert result.low == result.high == pytest.approx(wanted[1] - wanted[0], abs=1e-12)


def test_the_same_detections_do_not_differ():
    actions, good, _ = random_case(np.random.default_rng(3), videos=6)
    result = compare(actions, good, good, tious=TIOUS, classes="abc", seed=0, resamples=20)
    assert (result.difference, result.low, result.high, result.p_value) == (0, 0, 0, 1)


def test_many_hits_more_are_surely_a_difference():
    actions, good, _ = random_case(np.random.default_rng(4), videos=30)
    result = compare(actions, {}, good, tious=TIOUS, classes="abc", seed=0, resamples=199)
    assert result.low > 0.3
    assert result.p_value == 2 / 200
    assert result.low < result.difference < result.high


def test_a_single_better_video_is_no_sure_difference():
    """The draws without that video, more than a third of them, have no difference."""
    actions = {f"v{n}": Actions([[0, 2]], [0]) for n in range(20)}
    found = {id: Detections([[0, 2]], [0], [0.5]) for id in actions}
    less = {id: some for id, some in found.items() if id != "v7"}
    result = compare(actions, less, found, tious=[0.5], classes=["a"], seed=0, resamples=400)
    assert result.low == 0
    assert result.p_value == pytest.approx(2 * (1 - 1 / 20) ** 20, abs=0.08)


def test_exchanging_the_sets_turns_the_sign():
    actions, good, poor = random_case(np.random.default_rng(5), videos=12)
    options = {"tious": TIOUS, "classes": "abc", "seed": 3, "resamples": 50}
    one, two = compare(actions, poor, good, **options), compare(actions, good, poor, **options)
    assert two.difference == -one.difference
    assert (two.low, two.high) == pytest.approx((-one.high, -one.low))
    assert two.p_value == one.p_value


def test_the_result_depends_on_the_seed_and_not_on_the_order_of_videos():
    actions, good, poor = random_case(np.random.default_rng(6), videos=12)
    options = {"tious": TIOUS, "classes": "abc", "resamples": 50}
    one = compare(actions, poor, good, seed=1, **options)
    mixed = [dict(reversed(some.items())) for some in (actions, poor, good)]
    assert compare(*mixed, seed=1, **options) == one
    assert compare(actions, poor, good, seed=2, **options) != one


def test_memory_bounds_do_not_change_the_result(monkeypatch):
    actions, good, poor = random_case(np.random.default_rng(7), videos=8)
    options = {"tious": TIOUS, "classes": "abc", "seed": 1, "resamples": 30}
    whole = compare(actions, poor, good, **options)
    monkeypatch.setattr("untrimmed.metrics.uncertainty.WEIGHTS_AT_ONCE", 17)
    assert compare(actions, poor, good, **options) == whole


def test_unknown_videos_are_drawn_unless_dropped():
    actions = {"v": Actions([[0, 2]], [0])}
    alone = {"v": Detections([[0, 2]], [0], [0.5])}
    both = {**alone, "u": Detections([[0, 2]], [0], [0.9])}
    options = {"tious": [0.5], "classes": ["a"], "seed": 0, "resamples": 100}
    counted = compare(actions, both, alone, **options)
    assert (counted.difference, counted.low) == (0.5, 0.0)
    assert counted.resamples < 100  # draws of "u" alone have no action
    dropped = compare(actions, both, alone, unknown_videos="drop", **options)
    assert (dropped.difference, dropped.low, dropped.high, dropped.resamples) == (0, 0, 0, 100)


def test_draws_without_any_action_are_no_ground_for_a_comparison():
    actions = {"v": Actions([[0, 2]], [0]), "w": Actions.none()}
    options = {"tious": [0.5], "classes": ["a"], "resamples": 1}
    times_v = {s: np.random.default_rng(s).multinomial(2, [0.5, 0.5])[0] for s in range(40)}
    drawn = next(seed for seed, times in times_v.items() if times)
    assert compare(actions, {}, {}, seed=drawn, **options).resamples == 1
    missed = next(seed for seed, times in times_v.items() if not times)
    with pytest.raises(ValueError, match="none of 1 draws of 2 videos has an action"):
        compare(actions, {}, {}, seed=missed, **options)


def test_what_is_out_of_range_is_refused():
    actions = {"v": Actions([[0, 2]], [0])}
    options = {"tious": [0.5], "classes": ["a"], "seed": 0}
    with pytest.raises(ValueError, match="no values"):
        mean_over_seeds([])
    with pytest.raises(ValueError, match=r"confidence must be in \(0, 1\), got 95"):
        mean_over_seeds([1.0, 2.0], confidence=95)
    with pytest.raises(ValueError, match="0 degrees of freedom"):
        student_t(0.95, freedom=0)
    with pytest.raises(ValueError, match="0 resamples"):
        compare(actions, {}, {}, resamples=0, **options)
    with pytest.raises(ValueError, match="no action to be found"):
        compare({}, {}, {}, **options)
