"""Recall of the surest detections and of proposals: hand-made cases and laws."""

import numpy as np
import pytest

from untrimmed.core.actions import Actions
from untrimmed.core.detections import Detections
from untrimmed.metrics.recall import proposal_recall, top_recall

TIOUS = np.linspace(0.5, 0.95, 10)


def truth(*rows, ignored=None):
    """Rows of start, end, label."""
    return Actions([r[:2] for r in rows], [r[2] for r in rows], ignored)


def found(*rows):
    """Rows of start, end, label, score."""
    return Detections([r[:2] for r in rows], [r[2] for r in rows], [r[3] for r in rows])


def random_case(random, *, videos=6, classes=3, most=12):
    actions, detections = {}, {}
    for video in range(videos):
        for n, by_video in ((random.integers(1, 5), actions), (random.integers(0, most), None)):
            starts = random.uniform(0, 20, n)
            segments = np.stack([starts, starts + random.uniform(0.5, 9, n)], 1)
            labels = random.integers(0, classes, n)
            if by_video is None:
                detections[f"v{video}"] = Detections(segments, labels, random.uniform(0, 1, n))
            else:
                by_video[f"v{video}"] = Actions(segments, labels)
    return actions, detections


def test_as_many_detections_are_looked_at_as_there_are_actions_times_k():
    actions = {"v": truth((0, 2, 0), (5, 7, 0))}
    detections = {"v": found((9, 10, 0, 0.9), (0, 2, 0, 0.8), (30, 31, 0, 0.7), (5, 7, 0, 0.6))}
    result = top_recall(actions, detections, tious=[0.5], classes=["a"], multiples=[1, 2])
    assert result.recall[0, :, 0].tolist() == [0.5, 1.0]


def test_one_detection_may_find_several_actions():
    actions = {"v": truth((0, 10, 0), (1, 11, 0))}
    detections = {"v": found((0, 10.5, 0, 0.9))}
    assert top_recall(actions, detections, tious=[0.7], classes=["a"]).recall[0, 0, 0] == 1.0


def test_the_surest_are_chosen_in_each_video_and_class_on_its_own():
    actions = {"v": truth((0, 2, 0), (0, 2, 1)), "w": truth((0, 2, 0))}
    detections = {
        "v": found((6, 8, 0, 0.9), (0, 2, 0, 0.8), (0, 2, 1, 0.1)),
        "w": found((0, 2, 0, 0.2)),
    }
    result = top_recall(actions, detections, tious=[0.5], classes="ab", multiples=[1])
    assert result.recall[0, 0].tolist() == [0.5, 1.0]


def test_recall_of_a_class_is_over_all_its_actions_not_a_mean_over_videos():
    actions = {"v": truth((0, 2, 0), (4, 6, 0), (8, 10, 0)), "w": truth((0, 2, 0))}
    detections = {"w": found((0, 2, 0, 0.5))}
    assert top_recall(actions, detections, tious=[0.5], classes=["a"]).recall[0, 0, 0] == 0.25


def test_a_class_without_actions_has_no_recall_and_one_without_detections_has_none():
    actions, detections = (
        {"v": truth((0, 2, 0), (3, 4, 2))},
        {"v": found((0, 2, 0, 1), (0, 2, 1, 1))},
    )
    result = top_recall(actions, detections, tious=[0.3, 0.5], classes="abc")
    np.testing.assert_array_equal(result.recall[1, 0], [1.0, np.nan, 0.0])
    assert result.mean.tolist() == [[0.5, 0.5], [0.5, 0.5]]


def test_no_action_at_all_gives_no_recall():
    detections = {"v": found((0, 2, 0, 1))}
    assert np.isnan(top_recall({}, detections, tious=[0.5], classes=["a"]).mean).all()
    nothing = proposal_recall({"v": Actions.none()}, detections, tious=[0.5])
    assert np.isnan(nothing.average).all()
    assert np.isnan(nothing.area)


def test_an_overlap_equal_to_the_threshold_finds_the_action():
    actions, detections = {"v": truth((0, 4, 0))}, {"v": found((0, 2, 0, 0.9))}
    for tiou, wanted in ((0.5, 1.0), (0.5 + 1e-12, 0.0)):
        assert top_recall(actions, detections, tious=[tiou], classes=["a"]).mean[0, 0] == wanted
        assert proposal_recall(actions, detections, tious=[tiou]).average[-1] == wanted


def test_ignored_actions_neither_count_nor_raise_the_number_looked_at():
    actions = {"v": truth((0, 2, 0), (5, 7, 0), ignored=[False, True])}
    detections = {"v": found((5, 7, 0, 0.9), (0, 2, 0, 0.8))}
    result = top_recall(actions, detections, tious=[0.5], classes=["a"], multiples=[1, 2])
    assert result.mean[0].tolist() == [0.0, 1.0]
    assert proposal_recall(actions, detections, tious=[0.5], limit=2).average.tolist() == [0.0, 1.0]


def test_recall_rises_with_the_multiple_and_falls_with_the_threshold():
    actions, detections = random_case(np.random.default_rng(1))
    result = top_recall(
        actions, detections, tious=[0.1, 0.3, 0.5], classes="abc", multiples=[1, 2, 5]
    )
    assert (np.diff(result.recall, axis=1) >= 0).all()
    assert (np.diff(result.recall, axis=0) <= 0).all()
    assert result.mean[0, 0] < result.mean[0, 2]


def test_with_as_many_proposals_everywhere_the_number_is_that_of_each_video():
    actions = {"v": truth((0, 2, 0)), "w": truth((0, 2, 0))}
    detections = {
        "v": found((6, 8, 0, 0.9), (0, 2, 0, 0.8), (7, 8, 0, 0.7), (8, 9, 0, 0.6)),
        "w": found((6, 8, 0, 0.9), (7, 8, 0, 0.8), (8, 9, 0, 0.7), (0, 2, 0, 0.6)),
    }
    result = proposal_recall(actions, detections, tious=[0.5], limit=4)
    assert result.proposals.tolist() == [1, 2, 3, 4]
    assert result.average.tolist() == [0.0, 0.5, 0.5, 1.0]
    assert result.area == (0.25 + 0.5 + 0.75) / 4


def test_every_video_gives_the_same_share_of_its_proposals():
    """At one proposal on average, the video with six gives two and the one with none gives none."""
    actions = {id: truth((0, 2, 0)) for id in "uvw"}
    far = [(50 + i, 51 + i, 0, 0.5 - 0.01 * i) for i in range(4)]
    detections = {"u": found((9, 10, 0, 0.9), (0, 2, 0, 0.8), *far), "v": found(*far[:3])}
    result = proposal_recall(actions, detections, tious=[0.5], limit=3)
    assert result.average.tolist() == [1 / 3, 1 / 3, 1 / 3]
    late = {"u": found((9, 10, 0, 0.9), *far[:3], (0, 2, 0, 0.1)), "v": found(*far[:1])}
    assert proposal_recall(actions, late, tious=[0.5], limit=3).average.tolist() == [
        0,
        1 / 3,
        1 / 3,
    ]


def test_more_proposals_than_the_limit_are_cut_alike_in_all_videos():
    """Eight and four, cut to three on average: four and two are left."""
    actions = {"v": truth((0, 2, 0)), "w": truth((0, 2, 0))}
    far = [(50 + i, 51 + i, 0, 0.9 - 0.01 * i) for i in range(7)]
    hit = (0, 2, 0, 0.1)
    at = {"v": found(*far[:3], hit, *[(90, 91, 0, 0.01)] * 4), "w": found(*far[:2], hit, far[6])}
    assert proposal_recall(actions, at, tious=[0.5], limit=3).average.tolist() == [0.0, 0.0, 0.5]


def test_shares_round_down_in_floating_point_as_in_the_official_kit():
    """29 / 100 * 100 is a little less than 29: the proposal at place 29 comes in one later."""
    actions = {"v": truth((0, 2, 0))}
    segments = np.array([[50.0, 51.0]] * 28 + [[0.0, 2.0]] + [[50.0, 51.0]] * 71)
    detections = {"v": Detections(segments, np.zeros(100), -np.arange(100))}
    average = proposal_recall(actions, detections, tious=[0.5]).average
    assert average[27:30].tolist() == [0.0, 0.0, 1.0]


def test_a_perfect_curve_lacks_the_first_of_its_hundred_steps():
    actions, _ = random_case(np.random.default_rng(2))
    actions = {id: some[:1] for id, some in actions.items()}
    detections = {
        id: Detections(some.segments_s[[0] * 100], np.zeros(100), np.zeros(100))
        for id, some in actions.items()
    }
    result = proposal_recall(actions, detections, tious=TIOUS)
    assert (result.recall == 1.0).all()
    assert result.area == pytest.approx(0.99)


def test_classes_of_proposals_do_not_matter():
    actions, detections = random_case(np.random.default_rng(3))
    other = {
        id: Detections(some.segments_s, np.zeros(len(some)), some.scores)
        for id, some in detections.items()
    }
    one, two = (proposal_recall(actions, d, tious=TIOUS, limit=9) for d in (detections, other))
    np.testing.assert_array_equal(one.recall, two.recall)


def test_order_of_videos_and_detections_is_irrelevant_without_ties():
    random = np.random.default_rng(4)
    actions, detections = random_case(random)
    mixed = {
        id: detections[id][random.permutation(len(detections[id]))] for id in reversed(detections)
    }
    there = dict(reversed(actions.items()))
    one = top_recall(actions, detections, tious=[0.2, 0.4], classes="abc")
    two = top_recall(there, mixed, tious=[0.2, 0.4], classes="abc")
    np.testing.assert_array_equal(one.recall, two.recall)
    one, two = (
        proposal_recall(*pair, tious=TIOUS, limit=5)
        for pair in ((actions, detections), (there, mixed))
    )
    np.testing.assert_array_equal(one.recall, two.recall)


def test_no_detection_finds_nothing():
    actions = {"v": truth((0, 2, 0))}
    assert top_recall(actions, {}, tious=[0.5], classes=["a"]).mean.tolist() == [[0.0, 0.0]]
    assert proposal_recall(actions, {}, tious=[0.5], limit=3).average.tolist() == [0, 0, 0]


def test_what_is_out_of_range_is_refused():
    actions = {"v": truth((0, 2, 3))}
    with pytest.raises(ValueError, match="video v: the label 3 of an action is none of 3 classes"):
        top_recall(actions, {}, tious=[0.5], classes="abc")
    with pytest.raises(ValueError, match="of a detection is none of 0 classes"):
        top_recall({}, {"v": found((0, 2, 0, 1))}, tious=[0.5], classes=[])
    with pytest.raises(ValueError, match="multiples must be 1 or more"):
        top_recall({}, {}, tious=[0.5], classes=[], multiples=[1, 0])
    with pytest.raises(ValueError, match=r"thresholds must be in \(0, 1\]"):
        top_recall({}, {}, tious=[], classes=[])
    with pytest.raises(ValueError, match=r"thresholds must be in \(0, 1\]"):
        proposal_recall({}, {}, tious=[0.5, 1.1])
    with pytest.raises(ValueError, match="a limit of 0 proposals"):
        proposal_recall({}, {}, tious=[0.5], limit=0)
