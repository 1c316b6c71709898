"""Kinds of false positives and what they cost, counted by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from untrimmed.core.actions import Actions
from untrimmed.core.detections import Detections
from untrimmed.metrics.errors import BANDS, ERRORS, Kind, error_profile, normalised_ap

# Two actions of class 0 and one of class 1, so N is 1.5.
ACTIONS = {"v": Actions([(0, 10), (100, 110), (20, 30)], [0, 0, 1])}
DOUBLE, WRONG, SHORT, CONFUSED, EMPTY = (0, 9), (20, 29), (100, 103), (20, 22), (50, 60)


def found(segments, labels=None):
    """Detections of class 0 in "v", surest first."""
    labels = [0] * len(segments) if labels is None else labels
    return {"v": Detections(segments, labels, np.arange(len(segments), 0, -1))}


def kinds_of(actions, segments, *, tiou=0.5, **options):
    """Kind of the last of some detections: the one that the others, without it, leave."""
    with_it, without = (
        error_profile(actions, found(some), tious=[tiou], **options).counts.sum(axis=(0, 1))
        for some in (segments, segments[:-1])
    )
    return [kind for kind in Kind if with_it[kind] > without[kind]]


@pytest.mark.parametrize(
    ("segment", "kind"),
    [
        ((0, 10), Kind.TRUE_POSITIVE),
        ((20, 29), Kind.WRONG_LABEL),
        ((100, 103), Kind.LOCALIZATION),
        ((20, 22), Kind.CONFUSION),
        ((50, 60), Kind.BACKGROUND),
        ((109.5, 119.5), Kind.BACKGROUND),  # tIoU 0.5 / 19.5
    ],
)
def test_each_detection_is_of_the_kind_that_its_nearest_action_makes_it(segment, kind):
    assert kinds_of(ACTIONS, [segment]) == [kind]


def test_the_second_detection_of_an_action_is_a_double_detection():
    assert kinds_of(ACTIONS, [(0, 10), DOUBLE]) == [Kind.DOUBLE_DETECTION]


def test_an_overlap_of_exactly_a_tenth_is_near():
    assert kinds_of(ACTIONS, [(100, 101)]) == [Kind.LOCALIZATION]


def test_a_higher_threshold_makes_a_hit_a_localization_error():
    assert kinds_of(ACTIONS, [(0, 6)], tiou=0.6) == [Kind.TRUE_POSITIVE]
    assert kinds_of(ACTIONS, [(0, 6)], tiou=0.7) == [Kind.LOCALIZATION]


def test_a_nearer_action_of_another_class_decides_unless_the_own_class_comes_first():
    actions = {"v": Actions([(0, 10), (1, 11)], [0, 1])}
    doubled = [(0, 10), (1, 11)]
    assert kinds_of(actions, doubled) == [Kind.WRONG_LABEL]
    assert kinds_of(actions, doubled, own_class_first=True) == [Kind.DOUBLE_DETECTION]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_actions_overlapped_alike_the_own_class_decides(order):
    actions = {"v": Actions([(0, 10), (0, 10)], order)}
    assert kinds_of(actions, [(0, 3)]) == [Kind.LOCALIZATION]


def test_every_detection_in_a_video_without_actions_is_background():
    actions = {**ACTIONS, "w": Actions.none()}
    detections = {"w": Detections([(0, 10), (0, 10)], [0, 0], [2, 1])}
    counts = error_profile(actions, detections, tious=[0.5]).counts.sum(axis=(0, 1))
    assert counts.tolist() == [0, 0, 0, 0, 0, 2]


def test_what_an_ignored_action_excuses_is_counted_nowhere():
    actions = {"v": Actions([(0, 10), (50, 60)], [0, 0], [False, True])}
    profile = error_profile(actions, found([EMPTY, (0, 10)]), tious=[0.5])
    assert profile.counts.sum() == 1
    assert profile.average == 1.0


def test_bands_are_as_wide_as_the_class_has_actions():
    segments = [(0, 10), DOUBLE, WRONG, SHORT, CONFUSED, EMPTY, (100, 110)]
    shares = error_profile(ACTIONS, found(segments), tious=[0.5]).shares
    np.testing.assert_array_equal(
        shares[:4],
        [
            [0.5, 0.5, 0, 0, 0, 0],
            [0, 0, 0.5, 0.5, 0, 0],
            [0, 0, 0, 0, 0.5, 0.5],
            [1, 0, 0, 0, 0, 0],
        ],
    )
    assert np.isnan(shares[4:]).all()


def test_bands_of_classes_are_added_up():
    detections = found([(0, 10), (20, 30), DOUBLE, EMPTY], [0, 1, 0, 1])
    counts = error_profile(ACTIONS, detections, tious=[0.5]).counts[0]
    assert counts[0].tolist() == [2, 1, 0, 0, 0, 0]  # two of class 0, one of class 1
    assert counts[1].tolist() == [0, 0, 0, 0, 0, 1]


def test_shares_weigh_thresholds_by_their_detections():
    segments = [(0, 6), EMPTY]
    profile = error_profile(ACTIONS, found(segments), tious=[0.5, 0.7])
    np.testing.assert_array_equal(profile.shares[0], [0.25, 0, 0, 0.25, 0, 0.5])


def test_only_ten_times_as_many_detections_as_actions_are_looked_at():
    late = error_profile(ACTIONS, found([EMPTY] * 20 + [(0, 10)]), tious=[0.5])
    soon = error_profile(ACTIONS, found([EMPTY] * 19 + [(0, 10)]), tious=[0.5])
    assert late.counts.sum() == BANDS * 2
    assert late.average == 0.0
    assert soon.average > 0.0


def test_normalised_average_precision_by_hand():
    segments = [(0, 10), EMPTY, EMPTY, (100, 110)]
    profile = error_profile(ACTIONS, found(segments), tious=[0.5])
    # Class 0: half the recall at precision 1, the rest at 1.5 / (1.5 + 2); class 1: nothing.
    assert profile.average == pytest.approx((0.5 * 1 + 0.5 * 1.5 / 3.5) / 2)


def test_precision_is_interpolated():
    hit = np.array([[False, True, True, True]])
    area = normalised_ap(hit, ~hit, actions=3, typical=2.0)
    # Precision 0.4, 0.571, 0.667: the largest comes last.
    assert area == pytest.approx(2 / 3)


def test_with_as_many_actions_as_is_typical_it_is_ordinary_average_precision():
    hit = np.array([[True, False, False, True]])
    assert normalised_ap(hit, ~hit, actions=2, typical=2.0) == pytest.approx((1 + 2 / 4) / 2)


def test_the_impact_of_a_kind_is_what_its_absence_adds():
    errors = [DOUBLE] + [WRONG] * 2 + [SHORT] * 3 + [CONFUSED] * 4 + [EMPTY] * 5
    profile = error_profile(ACTIONS, found([(0, 10), *errors, (100, 110)]), tious=[0.5])
    assert profile.counts.sum(axis=(0, 1)).tolist() == [2, 1, 2, 3, 4, 5]
    gains = [0.25 * (1.5 / (1.5 + 15 - n) - 1.5 / (1.5 + 15)) for n in (1, 2, 3, 4, 5)]
    np.testing.assert_allclose(profile.impact, gains)


def test_impact_is_averaged_over_thresholds():
    detections = found([(0, 6), (100, 110)])
    both = error_profile(ACTIONS, detections, tious=[0.5, 0.7])
    alone = error_profile(ACTIONS, detections, tious=[0.7])
    np.testing.assert_allclose(both.impact, alone.impact / 2)
    assert both.impact[ERRORS.index(Kind.LOCALIZATION)] > 0


def test_overlaps_are_those_of_the_own_video_in_whatever_order_videos_come():
    actions = {"v": Actions([(0, 10)], [0]), "w": Actions([(50, 60)], [0])}
    detections = {
        "x": Detections([(0, 3)], [0], [4]),
        "w": Detections([(0, 10), (50, 53), (50, 60)], [1, 0, 0], [3, 2, 9]),
        "v": Detections([(50, 60), (0, 2)], [0, 0], [1, 8]),
    }
    counts = error_profile(actions, detections, tious=[0.5]).counts[0]
    assert counts[0].tolist() == [1, 0, 0, 1, 0, 0]  # of "w" and "v"
    assert counts[1].tolist() == [0, 0, 0, 1, 0, 1]  # of "x" and "w"
    assert counts[2].tolist() == [0, 0, 0, 0, 0, 1]  # of "v"
    dropped = error_profile(actions, detections, tious=[0.5], unknown_videos="drop")
    assert dropped.counts.sum(axis=(0, 1)).tolist() == [1, 0, 0, 2, 0, 1]


def test_a_threshold_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"thresholds must be in \(0, 1\]"):
        error_profile(ACTIONS, {}, tious=[0.5, 0])


def test_without_actions_there_is_nothing_to_measure():
    profile = error_profile({"v": Actions.none()}, found([EMPTY]), tious=[0.5])
    assert profile.counts.sum() == 0
    assert np.isnan(profile.average)
    assert np.isnan(profile.impact).all()


segments = st.tuples(st.integers(0, 12), st.integers(1, 8)).map(lambda s: (s[0], s[0] + s[1]))
rows = st.lists(st.tuples(segments, st.integers(0, 2), st.integers(0, 5)), min_size=1, max_size=9)


@settings(max_examples=100, deadline=None)
@given(truth=rows)
def test_perfect_detections_are_true_positives_and_nothing_is_to_be_gained(truth):
    truth = list({(segment, label): (segment, label) for segment, label, _ in truth}.values())
    actions = {"v": Actions([r[0] for r in truth], [r[1] for r in truth])}
    detections = {"v": Detections(actions["v"].segments_s, actions["v"].labels, [1] * len(truth))}
    profile = error_profile(actions, detections, tious=[0.3, 1.0])
    np.testing.assert_array_equal(profile.shares[0], [1, 0, 0, 0, 0, 0])
    assert profile.average == pytest.approx(1)
    assert profile.impact == pytest.approx(np.zeros(5))


@settings(max_examples=100, deadline=None)
@given(truth=rows, guesses=rows)
def test_no_kind_of_error_is_worth_keeping(truth, guesses):
    actions = {"v": Actions([r[0] for r in truth], [r[1] for r in truth])}
    detections = {"v": Detections(*zip(*guesses, strict=True))}
    profile = error_profile(actions, detections, tious=[0.2, 0.6])
    assert (profile.gains >= -1e-12).all()
    assert (profile.mean_ap <= 1 + 1e-12).all()
