import numpy as np
import pytest
import torch

from untrimmed.core.grid import TimeGrid
from untrimmed.detect.postprocess import Found, Suppression, detections, found
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


@pytest.mark.parametrize("method", ["nmw", "nms", "soft_nms"])
def test_a_video_without_candidates_has_no_detections(method):
    nothing = Found(np.zeros((0, 2)), np.zeros((0, 3), np.float32))
    config = Suppression(method=method)
    assert len(detections([nothing], duration_s=5.0, config=config)) == 0
    assert len(detections([], duration_s=5.0, config=config)) == 0
