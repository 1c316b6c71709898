import numpy as np
import pytest
import torch

from untrimmed.core.grid import TimeGrid
from untrimmed.detect.postprocess import Suppression
from untrimmed.detect.sequence import detect_sequence
from untrimmed.models import actionformer
from untrimmed.nn.heads import point

T, WINDOW, MARGIN = 500, 160, 40


@pytest.fixture(scope="module")
def detector():
    torch.manual_seed(0)
    head = point.Config(width=6, ranges=((0.0, 4.0), (4.0, 8.0), (8.0, 100.0)))
    config = actionformer.Config(head=head, width=8, heads=2, branch_layers=2, window=5)
    return config.build(3, cells=WINDOW, channels=(7,)).eval()


def detect(detector, **settings):
    torch.manual_seed(1)
    return detect_sequence(
        detector,
        torch.randn(7, T),
        grid=TimeGrid(first_s=0.5, step_s=0.25, length=T),
        duration_s=T * 0.25,
        length=520,
        suppression=Suppression(method="nms", iou=0.6, most=10**6, least_score=0.0),
        **settings,
    )


def test_windows_change_nothing_where_the_detector_does_not_see_their_borders(detector):
    whole = detect(detector)
    apart = detect(detector, window=WINDOW, margin=MARGIN)
    assert len(whole) > T / 2
    np.testing.assert_array_equal(apart.labels, whole.labels)
    np.testing.assert_allclose(apart.scores, whole.scores, rtol=1e-4)
    np.testing.assert_allclose(apart.segments_s, whole.segments_s, atol=1e-3)


def test_without_a_margin_they_do(detector):
    whole, cut = detect(detector), detect(detector, window=WINDOW, margin=0)
    assert len(cut) != len(whole) or not np.allclose(cut.scores, whole.scores, rtol=1e-4)


def test_a_window_that_holds_all_is_no_window(detector):
    whole = detect(detector)
    assert detect(detector, window=T).scores.tolist() == whole.scores.tolist()


def test_a_window_that_is_all_margin_is_refused(detector):
    with pytest.raises(ValueError, match="160 cells is all margin, 80 at either side"):
        detect(detector, window=WINDOW, margin=80)
