"""Which actions are hard to find, counted by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from untrimmed.core.actions import Actions
from untrimmed.core.annotations import Video
from untrimmed.core.detections import Detections
from untrimmed.metrics.characteristics import ACTIVITYNET, THUMOS14, Characteristic
from untrimmed.metrics.sensitivity import (
    false_negatives,
    plausible,
    quantile_characteristics,
    sensitivity,
)

LENGTH = Characteristic("length", (0, 5, 20), ("short", "long"))
COVERAGE = Characteristic("coverage", (0, 0.05, 1), ("little", "much"))
NUMBER = Characteristic("instances", (0, 1, 9), ("one", "many"))


def video(segments, labels, *, duration_s=100, ignored=None, id="v"):
    return {id: Video(id=id, duration_s=duration_s, actions=Actions(segments, labels, ignored))}


def found(segments, labels=None, *, id="v"):
    """Detections, surest first, of class 0 if nothing else is said."""
    labels = [0] * len(segments) if labels is None else labels
    return {id: Detections(segments, labels, np.arange(len(segments), 0, -1))}


# Class 0: one short action and two long ones; class 1: one long one.  N is 2.
VIDEOS = video([(0, 4), (10, 20), (30, 40), (50, 60)], [0, 0, 0, 1])
EMPTY = (80, 90)


def test_a_bucket_holds_its_right_edge_and_the_first_its_left_one():
    some = Characteristic("length", (1, 2, 4), ("a", "b"))
    assert some.bucket([0.9, 1, 1.5, 2, 2.1, 4, 4.1]).tolist() == [-1, 0, 0, 0, 1, 1, -1]


@pytest.mark.parametrize(
    ("name", "edges", "labels", "message"),
    [
        ("colour", (0, 1), ("a",), "no such measure: 'colour'; there are: coverage"),
        ("length", (0, 1), ("a", "b"), "2 edges for 2 buckets"),
        ("length", (0, 0), ("a",), "do not rise"),
    ],
)
def test_buckets_that_make_no_sense_are_refused(name, edges, labels, message):
    with pytest.raises(ValueError, match=message):
        Characteristic(name, edges, labels)


def test_the_published_buckets():
    coverage, length, instances = ACTIVITYNET
    assert coverage.bucket([0, 0.2, 0.21, 1]).tolist() == [0, 0, 1, 4]
    assert length.bucket([30, 31, 180, 181, 1e4]).tolist() == [0, 1, 3, 4, 4]
    assert instances.bucket([1, 2, 4, 5, 8, 9]).tolist() == [0, 1, 1, 2, 2, 3]
    coverage, length, instances = THUMOS14
    assert coverage.bucket([0.02, 0.03, 0.08, 0.09]).tolist() == [0, 1, 3, 4]
    assert length.bucket([3, 6, 12, 18, 19]).tolist() == [0, 1, 2, 3, 4]
    assert instances.bucket([1, 2, 40, 41, 80, 81]).tolist() == [0, 1, 1, 2, 2, 3]


def test_quantiles_share_the_actions_out_evenly():
    lengths = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    videos = video([(0, length) for length in lengths], [0] * 10)
    length = quantile_characteristics(videos)[1]
    assert length.edges == (0, 2, 4, 6, 8, np.inf)
    assert np.bincount(length.bucket(lengths)).tolist() == [2, 2, 2, 2, 2]


def test_quantiles_of_a_repeated_value_are_one_bucket():
    coverage, length, instances = quantile_characteristics(video([(0, 3), (5, 8)], [0, 1]))
    assert {coverage.labels, length.labels, instances.labels} == {("all",)}
    assert instances.bucket([1, 1]).tolist() == [0, 0]


@settings(max_examples=50, deadline=None)
@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=12))
def test_no_quantile_bucket_is_empty(lengths):
    videos = video([(0, length) for length in lengths], [0] * len(lengths))
    for characteristic in quantile_characteristics(videos):
        assert characteristic.labels
    length = quantile_characteristics(videos)[1]
    assert sorted(set(length.bucket(lengths).tolist())) == list(range(len(length.labels)))


def test_actions_without_length_or_longer_than_their_video_are_left_out():
    videos = video([(0, 0), (0, 101), (0, 100), (3, 4)], [0, 1, 2, 3])
    assert plausible(videos)["v"].labels.tolist() == [2, 3]


def test_actions_are_measured_in_seconds_in_shares_and_in_number():
    videos = video([(0, 4), (10, 20), (30, 40), (50, 60)], [0, 0, 0, 1])
    groups = sensitivity(videos, {}, tious=[0.5], characteristics=[COVERAGE, LENGTH, NUMBER])
    assert [some.actions.tolist() for some in groups] == [[1, 3], [1, 3], [1, 3]]
    longer = video([(0, 4), (10, 20)], [0, 0], duration_s=1000)
    groups = sensitivity(longer, {}, tious=[0.5], characteristics=[COVERAGE, LENGTH, NUMBER])
    assert [some.actions.tolist() for some in groups] == [[2, 0], [1, 1], [0, 2]]


def test_ignored_actions_are_not_measured():
    videos = video([(0, 4), (10, 20), (30, 40)], [0, 0, 0], ignored=[True, False, False])
    (groups,) = sensitivity(videos, found([(30, 40)]), tious=[0.5], characteristics=[LENGTH])
    assert groups.actions.tolist() == [0, 2]
    assert groups.values[1] == 0.5
    missed = false_negatives(videos, found([(30, 40)]), tious=[0.5], characteristics=[LENGTH])
    assert missed.share.tolist() == [1, 0]


def test_normalised_ap_of_a_bucket_by_hand():
    detections = found([(0, 4), EMPTY, (10, 20), EMPTY, (30, 40)])
    (groups,) = sensitivity(VIDEOS, detections, tious=[0.5], characteristics=[LENGTH])
    # Short: the one action of class 0 comes first; class 1 has none.
    assert groups.values[0] == 1.0
    # Long, class 0: recall 1/2 after one false positive, 1 after two, N = 2; class 1: nothing.
    assert groups.values[1] == pytest.approx((0.5 * 0.5 + 0.5 * 0.5) / 2)
    # All: recalls 1/3, 2/3, 1 with 0, 1, 2 false positives.
    precisions = [1, (4 / 3) / (4 / 3 + 1), 2 / (2 + 2)]
    assert groups.overall == pytest.approx(sum(precisions) / 3 / 2)


def test_a_double_detection_of_another_bucket_still_punishes():
    once = found([(0, 4), (10, 20), (30, 40)])
    twice = found([(0, 4), (0, 4), (10, 20), (30, 40)])
    values = [
        sensitivity(VIDEOS, some, tious=[0.5], characteristics=[LENGTH])[0].values
        for some in (once, twice)
    ]
    assert values[0][1] == 0.5  # class 0 all, class 1 nothing
    assert values[1][1] == pytest.approx(2 / 3 / 2)  # interpolated: 1/2 becomes 2/3


def test_a_hit_at_a_low_threshold_is_a_false_positive_at_a_high_one():
    detections = found([(0, 2.4), (10, 20), (30, 40)])  # tIoU 0.6 with the short action
    at = {
        tious: sensitivity(VIDEOS, detections, tious=tious, characteristics=[LENGTH])[0].values
        for tious in ((0.5,), (0.7,), (0.5, 0.7))
    }
    assert at[0.5,][1] > at[0.7,][1]
    np.testing.assert_allclose(at[0.5, 0.7], (at[0.5,] + at[0.7,]) / 2)


def test_a_bucket_without_actions_has_no_value():
    some = Characteristic("length", (0, 20, 30), ("short", "long"))
    (groups,) = sensitivity(VIDEOS, found([(0, 4)]), tious=[0.5], characteristics=[some])
    assert np.isnan(groups.values[1])
    assert groups.values[0] == groups.overall
    assert groups.spread == (1, 1)


def test_spread_is_relative_to_all_actions():
    detections = found([(0, 4), EMPTY, (10, 20)])
    (groups,) = sensitivity(VIDEOS, detections, tious=[0.5], characteristics=[LENGTH])
    assert groups.spread == (groups.values[1] / groups.overall, 1 / groups.overall)


def test_an_action_that_nothing_hits_is_missed():
    detections = found([(10, 20), (30, 40)])
    missed = false_negatives(VIDEOS, detections, tious=[0.5], characteristics=[LENGTH, NUMBER])
    assert missed.share.tolist() == [1, 0, 0, 1]
    by_length = missed.by("length")
    assert by_length.actions.tolist() == [1, 3]
    np.testing.assert_allclose(by_length.values, [1, 1 / 3])
    assert by_length.overall == 0.5


def test_misses_are_averaged_over_thresholds():
    detections = found([(0, 2.4), (10, 20), (30, 40), (50, 60)], [0, 0, 0, 1])
    missed = false_negatives(VIDEOS, detections, tious=[0.3, 0.5, 0.7], characteristics=[LENGTH])
    np.testing.assert_allclose(missed.share, [1 / 3, 0, 0, 0])


@pytest.mark.parametrize(("alarms", "share"), [(18, 0), (19, 1), (20, 1)])
def test_a_hit_at_a_precision_of_a_twentieth_or_less_is_a_miss(alarms, share):
    # One action, so N is 1: the hit has precision 1 / (1 + alarms).
    detections = found([EMPTY] * alarms + [(0, 4)])
    missed = false_negatives(
        video([(0, 4)], [0]), detections, tious=[0.5], characteristics=[LENGTH]
    )
    assert missed.share.tolist() == [share]


def test_hits_are_those_of_the_own_video_in_whatever_order_videos_come():
    videos = video([], [], id="u") | VIDEOS | video([(5, 8), (30, 40)], [0, 1], id="w")
    detections = {
        "x": Detections([(0, 4)], [0], [1]),
        "w": Detections([(0, 4), (30, 40)], [0, 1], [2, 3]),
        "v": Detections([(5, 8), (50, 60), (10, 20)], [0, 1, 0], [5, 6, 4]),
    }
    missed = false_negatives(videos, detections, tious=[0.5], characteristics=[LENGTH])
    assert missed.share.tolist() == [1, 0, 1, 0, 1, 0]  # four of "v", two of "w"


def test_misses_where_two_characteristics_meet():
    missed = false_negatives(
        VIDEOS, found([(10, 20)]), tious=[0.5], characteristics=[LENGTH, NUMBER]
    )
    # Short: one of many, missed.  Long: the only one of class 1, missed; two of many, one missed.
    np.testing.assert_array_equal(missed.by_pair("length", "instances"), [[np.nan, 1], [1, 0.5]])


def test_without_actions_nothing_is_known():
    videos = video([], [])
    (groups,) = sensitivity(videos, found([EMPTY]), tious=[0.5], characteristics=[LENGTH])
    assert np.isnan([groups.overall, *groups.values, *groups.spread]).all()
    missed = false_negatives(videos, found([EMPTY]), tious=[0.5], characteristics=[LENGTH])
    assert np.isnan([missed.by("length").overall, *missed.by("length").values]).all()


def test_detections_in_unknown_videos_can_be_dropped():
    detections = {**found([EMPTY], id="elsewhere"), **found([(0, 4)])}
    detections["elsewhere"] = Detections([EMPTY], [0], [9])
    counted, dropped = (
        sensitivity(
            VIDEOS, detections, tious=[0.5], characteristics=[LENGTH], unknown_videos=choice
        )[0].values[0]
        for choice in ("count", "drop")
    )
    assert counted == pytest.approx(2 / 3)
    assert dropped == 1.0


segments = st.tuples(st.integers(0, 12), st.integers(1, 8)).map(lambda s: (s[0], s[0] + s[1]))
rows = st.lists(st.tuples(segments, st.integers(0, 2)), min_size=1, max_size=9, unique=True)


@settings(max_examples=100, deadline=None)
@given(first=rows, second=rows)
def test_perfect_detections_miss_nothing_and_know_no_hard_bucket(first, second):
    videos = video(*zip(*first, strict=True)) | video(*zip(*second, strict=True), id="w")
    detections = {
        id: Detections(some.actions.segments_s, some.actions.labels, np.ones(len(some.actions)))
        for id, some in videos.items()
    }
    tious = [0.3, 1.0]
    for groups in sensitivity(videos, detections, tious=tious, characteristics=ACTIVITYNET):
        np.testing.assert_allclose(groups.values[groups.actions > 0], 1)
        assert groups.overall == pytest.approx(1)
    missed = false_negatives(videos, detections, tious=tious, characteristics=ACTIVITYNET)
    assert not missed.share.any()


@settings(max_examples=100, deadline=None)
@given(truth=rows, guesses=rows)
def test_one_bucket_for_all_gives_the_value_of_all(truth, guesses):
    one = Characteristic("length", (0, 50), ("all",))
    videos = video(*zip(*truth, strict=True))
    detections = found(*zip(*guesses, strict=True))
    (groups,) = sensitivity(videos, detections, tious=[0.2, 0.6], characteristics=[one])
    assert groups.values[0] == pytest.approx(groups.overall)
