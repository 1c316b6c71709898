import numpy as np
import pytest
import torch

from untrimmed.core.grid import TimeGrid
from untrimmed.detect.postprocess import Found, Pool, Suppression, detections, found
from untrimmed.tensors import Candidates

GRID = TimeGrid(first_s=8.0, step_s=0.25, length=40)


def test_candidates_become_seconds_and_unlikely_ones_go():
    candidates = Candidates(
        torch.tensor([[[4.0, 8.0], [0.0, 40.0]]]), torch.tensor([[[0.1, 0.9], [0.01, 0.0]]])
    )
    window = found(candidates, GRID, least_score=0.05)
    assert window.segments_s.tolist() == [[9.0, 10.0]]
    assert window.scores[0].tolist() == pytest.approx([0.1, 0.9])


def test_a_batch_of_windows_is_refused():
    candidates = Candidates(torch.zeros(2, 3, 2), torch.zeros(2, 3, 4))
    with pytest.raises(ValueError, match="candidates of 2 windows, one was wanted"):
        found(candidates, GRID, least_score=0.1)


def windows():
    return [
        Found(np.array([[1.0, 3.0], [20.0, 24.0]]), np.array([[0.8, 0.0], [0.3, 0.6]], np.float32)),
        Found(np.array([[1.0, 3.4]]), np.array([[0.4, 0.0]], np.float32)),
    ]


def test_what_two_windows_saw_of_one_action_becomes_one_detection():
    one = detections(windows(), duration_s=22.0, config=Suppression(method="nms"))
    assert one.labels.tolist() == [0, 1, 0]
    assert one.scores.tolist() == pytest.approx([0.8, 0.6, 0.3])
    assert one.segments_s.tolist() == [[1.0, 3.0], [20.0, 22.0], [20.0, 22.0]]


def test_weighting_averages_by_score_and_overlap():
    first = detections(windows(), duration_s=50.0, config=Suppression())[0:1]
    weight = 0.4 * 2.0 / 2.4
    wanted = (0.8 * 3.0 + weight * 3.4) / (0.8 + weight)
    assert first.segments_s[0].tolist() == pytest.approx([1.0, wanted])


@pytest.mark.parametrize("method", ["nmw", "nms", "soft_nms", "none"])
def test_a_video_without_candidates_has_no_detections(method):
    nothing = Found(np.zeros((0, 2)), np.zeros((0, 3), np.float32))
    config = Suppression(method=method)
    assert len(detections([nothing], duration_s=5.0, config=config)) == 0
    assert len(detections([], duration_s=5.0, config=config)) == 0


def of(segments, scores):
    return [Found(np.array(segments, np.float64), np.array(scores, np.float32))]


def test_classes_suppress_each_other_only_if_told_so():
    crowded = of([[0, 10], [0, 9], [50, 60]], [[0.9, 0.7], [0.0, 0.8], [0.0, 0.3]])
    apart = detections(crowded, duration_s=60, config=Suppression(method="nms"))
    assert apart.labels.tolist() == [0, 1, 1]
    config = Suppression(method="nms", class_agnostic=True)
    together = detections(crowded, duration_s=60, config=config)
    assert together.labels.tolist() == [0, 1]
    assert together.segments_s.tolist() == [[0, 10], [50, 60]]


def test_without_suppression_every_likely_candidate_of_every_class_is_a_detection():
    crowded = of([[0, 10], [0, 9], [50, 60]], [[0.9, 0.7], [0.001, 0.7], [0.8, 0.3]])
    one = detections(crowded, duration_s=60, config=Suppression(method="none"))
    assert one.scores.tolist() == pytest.approx([0.9, 0.8, 0.7, 0.7, 0.3])
    assert one.labels.tolist() == [0, 0, 1, 1, 1]
    assert one.segments_s[:, 1].tolist() == [10, 60, 10, 9, 60]
    fewer = detections(crowded, duration_s=60, config=Suppression(method="none", most=2))
    assert fewer.segments_s.tolist() == [[0, 10], [50, 60]]


@pytest.mark.parametrize("class_agnostic", [False, True])
def test_without_suppression_classes_do_not_matter(class_agnostic):
    crowded = of([[0, 10], [0, 9]], [[0.9, 0.7], [0.2, 0.8]])
    config = Suppression(method="none", class_agnostic=class_agnostic)
    one = detections(crowded, duration_s=60, config=config)
    assert one.scores.tolist() == pytest.approx([0.9, 0.8, 0.7, 0.2])
    assert one.labels.tolist() == [0, 1, 1, 0]


def test_soft_suppression_is_gaussian_or_linear():
    halves = of([[0, 10], [0, 5]], [[0.9], [0.8]])
    gaussian = Suppression(method="soft_nms", sigma=0.25)
    linear = Suppression(method="soft_nms", decay="linear")
    scores = detections(halves, duration_s=10, config=gaussian).scores
    assert scores.tolist() == pytest.approx([0.9, 0.8 * np.exp(-1)])
    assert detections(halves, duration_s=10, config=linear).scores.tolist() == pytest.approx(
        [0.9, 0.4]
    )


def test_neighbours_of_linear_suppression_begin_at_the_overlap():
    halves = of([[0, 10], [0, 5]], [[0.9], [0.8]])
    config = Suppression(method="soft_nms", decay="linear", iou=0.6)
    scores = detections(halves, duration_s=10, config=config).scores
    assert scores.tolist() == pytest.approx([0.9, 0.8])


def test_what_is_lowered_below_the_least_is_dropped():
    halves = of([[0, 10], [0, 5]], [[0.9], [0.8]])
    config = Suppression(method="soft_nms", decay="linear", min_score=0.41)
    assert len(detections(halves, duration_s=10, config=config)) == 1


@pytest.mark.parametrize("class_agnostic", [False, True])
def test_suppressed_candidates_vote(class_agnostic):
    crowded = of([[0, 10], [0, 8], [0, 9]], [[0.8, 0], [0.5, 0], [0, 0.4]])
    config = Suppression(method="nms", voting=0.75, class_agnostic=class_agnostic)
    ends = detections(crowded, duration_s=60, config=config).segments_s[:, 1]
    weights, times = [0.8, 0.5 * 0.8], [10, 8]
    if class_agnostic:
        weights, times = [*weights, 0.4 * 0.9], [*times, 9]
    assert ends[0] == pytest.approx(np.average(times, weights=weights))
    assert len(ends) == (1 if class_agnostic else 2)


def test_too_weak_candidates_of_hard_suppression_only_vote():
    crowded = of([[0, 10], [0, 8], [30, 40]], [[0.8], [0.3], [0.3]])
    config = Suppression(method="nms", voting=0.75, min_score=0.3)
    one = detections(crowded, duration_s=60, config=config)
    assert len(one) == 1
    assert one.segments_s[0, 1] == pytest.approx((0.8 * 10 + 0.3 * 0.8 * 8) / (0.8 + 0.3 * 0.8))


@pytest.mark.parametrize("class_agnostic", [False, True])
def test_a_video_without_candidates_has_none_after_a_vote(class_agnostic):
    config = Suppression(class_agnostic=class_agnostic, voting=0.5)
    assert len(detections(of(np.zeros((0, 2)), np.zeros((0, 3))), duration_s=5, config=config)) == 0


LENGTH, STEP, LAID = 40, 30, 60


def laid(seed):
    """Candidates of windows that overlap, and the grid of each; at most half a window long."""
    random = np.random.default_rng(seed)
    for number in range(LAID):
        middle, length = random.uniform(0, LENGTH, 50), random.uniform(1, LENGTH / 2, 50)
        segments = np.stack([middle - length / 2, middle + length / 2], 1)
        scores = random.random((50, 3)) ** 6
        window = Candidates(torch.tensor(segments)[None], torch.tensor(scores)[None].float())
        yield (
            window,
            TimeGrid(first_s=2.0, step_s=0.5, length=LAID * STEP).window(number * STEP, LENGTH),
        )


def pooled(config, *, at_once, seed=0):
    pool, most = Pool(config, at_once=at_once), 0
    for window, grid in laid(seed):
        pool.add(window, grid)
        most = max(most, sum(len(each.scores) for each in pool._held))
    return pool.detections(duration_s=880.0), most


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("method", ["nmw", "nms", "soft_nms"])
def test_a_long_video_is_suppressed_bit_by_bit_as_it_is_at_once(method, seed):
    config = Suppression(method=method, iou=0.4, most=10**6, least_score=0.1, sigma=0.3)
    windows = [found(window, grid, least_score=0.1) for window, grid in laid(seed)]
    whole = detections(windows, duration_s=880.0, config=config)
    little, held = pooled(config, at_once=100, seed=seed)
    assert held < 0.3 * sum(len(each.scores) for each in windows)
    np.testing.assert_array_equal(little.labels, whole.labels)
    np.testing.assert_allclose(little.scores, whole.scores, rtol=1e-6)
    np.testing.assert_allclose(little.segments_s, whole.segments_s, rtol=0, atol=1e-9)


def test_a_video_that_fits_is_suppressed_at_once():
    config = Suppression(most=7)
    few, _ = pooled(config, at_once=10**8)
    windows = [found(window, grid, least_score=0.005) for window, grid in laid(0)]
    assert (
        few.scores.tolist() == detections(windows, duration_s=880.0, config=config).scores.tolist()
    )
    many, _ = pooled(config, at_once=100)
    assert len(few) == 7 < len(many)


def test_an_empty_pool_has_no_detections():
    assert len(Pool(Suppression()).detections(duration_s=3.0)) == 0
