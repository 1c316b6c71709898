import numpy as np

from untrimmed.core.actions import Actions
from untrimmed.core.detections import Detections
from untrimmed.metrics import errors
from untrimmed.metrics.average_precision import average_precision
from untrimmed.metrics.errors import Kind, error_profile
from untrimmed.report.outcomes import (
    EXCUSED,
    FALSE_ALARM,
    best_overlap,
    kinds,
    outcomes,
    outcomes_of_any_class,
)

ACTIONS = Actions([(0, 10), (20, 30), (40, 50)], [0, 0, 1], [0, 0, 1])


def fates(detections, tiou=0.5):
    return outcomes({"v": ACTIONS}, {"v": detections}, tious=[tiou], classes=2)["v"][0].tolist()


def test_each_detection_names_the_action_it_hits():
    detections = Detections([(21, 30), (0, 9)], [0, 0], [0.3, 0.9])
    assert fates(detections) == [1, 0]


def test_the_less_sure_of_two_on_one_action_is_a_false_alarm():
    detections = Detections([(0, 10), (0, 9)], [0, 0], [0.3, 0.9])
    assert fates(detections) == [FALSE_ALARM, 0]


def test_a_detection_on_an_ignored_action_is_excused():
    assert fates(Detections([(40, 50)], [1], [0.5])) == [EXCUSED]


def test_a_threshold_changes_no_outcome_of_what_lies_above():
    random = np.random.default_rng(3)
    start = random.uniform(0, 45, 60)
    detections = Detections(
        np.stack([start, start + 8], 1), random.integers(0, 2, 60), random.uniform(0, 1, 60)
    )
    above = detections.scores >= 0.4
    assert np.array(fates(detections, 0.3))[above].tolist() == fates(detections[above], 0.3)


def test_every_video_has_its_outcomes_also_without_detections():
    found = {"a": Detections([(0, 9)], [0], [0.5]), "b": Detections.none()}
    by_video = outcomes({"a": ACTIONS, "b": Actions.none()}, found, tious=[0.3, 0.5], classes=2)
    assert [by_video[id].shape for id in "ab"] == [(2, 1), (2, 0)]


def test_hits_agree_with_average_precision():
    detections = Detections([(0, 10), (60, 70), (20, 30)], [0, 0, 0], [0.9, 0.8, 0.7])
    hits = np.array(fates(detections)) >= 0
    precision_at_hits = np.cumsum(hits)[hits] / (np.flatnonzero(hits) + 1)
    by_hand = precision_at_hits.sum() / 2
    ap = average_precision({"v": ACTIONS}, {"v": detections}, tiou=0.5, classes=2)
    assert ap[0] == by_hand


def test_best_overlap_looks_at_the_class_and_at_actions_that_count():
    detections = Detections([(0, 20), (0, 10), (40, 50)], [0, 1, 1], [0.5, 0.5, 0.5])
    assert best_overlap(detections, ACTIONS).tolist() == [0.5, 0.0, 0.0]


def test_best_overlap_without_actions_is_none():
    assert best_overlap(Detections([(0, 1)], [0], [1.0]), Actions.none()).tolist() == [0.0]


def test_the_surest_takes_an_action_whatever_it_calls_it():
    actions = {"v": Actions([(0, 10), (20, 30)], [0, 1])}
    found = {"v": Detections([(0, 10), (0, 9), (20, 30)], [0, 1, 0], [0.3, 0.9, 0.5])}
    called = outcomes_of_any_class(actions, found, tious=[0.5])["v"][0]
    assert called.tolist() == [FALSE_ALARM, 0, 1]


def test_an_excused_detection_has_no_kind():
    detections = Detections([(40, 50), (0, 10)], [1, 0], [0.5, 0.4])
    taken = outcomes({"v": ACTIONS}, {"v": detections}, tious=[0.5], classes=2)["v"]
    assert kinds(ACTIONS, detections, taken, tious=[0.5]).tolist() == [
        [errors.EXCUSED, Kind.TRUE_POSITIVE]
    ]


def test_kinds_are_counted_as_the_profile_of_errors_counts_them():
    random = np.random.default_rng(5)
    start = random.uniform(0, 80, 12)
    actions = Actions(np.stack([start, start + 6], 1), np.arange(12) % 3)
    start = random.uniform(0, 80, 30)
    detections = Detections(
        np.stack([start, start + random.uniform(2, 9, 30)], 1),
        np.arange(30) % 3,
        random.uniform(0, 1, 30),
    )
    tious = [0.2, 0.6]
    taken = outcomes({"v": actions}, {"v": detections}, tious=tious, classes=3)["v"]
    told = kinds(actions, detections, taken, tious=tious)
    # Ten detections of each class of four actions: none is beyond the bands of the profile.
    profile = error_profile({"v": actions}, {"v": detections}, tious=tious)
    assert [np.bincount(row, minlength=6).tolist() for row in told] == (
        profile.counts.sum(axis=1).tolist()
    )
