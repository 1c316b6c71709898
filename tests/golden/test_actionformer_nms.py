"""Suppression and voting of ActionFormer, with order and scores."""

import numpy as np
import pytest
import torch

from untrimmed.detect.postprocess import Found, Suppression, detections
from untrimmed.nn.ops.nms import Kept, nms, soft_nms, vote

SCORE = {"rtol": 0, "atol": 1e-5}
TIME = {"rtol": 0, "atol": 1e-3}


@pytest.fixture
def cases(golden):
    """A function from an operation to its cases: settings and arrays by name."""
    settings = golden("actionformer/nms/nms_cases.json")
    arrays = golden("actionformer/nms/nms_cases.npz")

    def of(operation):
        chosen = {case: how for case, how in settings.items() if how["op"] == operation}
        assert chosen
        for case, how in chosen.items():
            prefix = f"{case}/"
            yield (
                how,
                {
                    key.removeprefix(prefix): array
                    for key, array in arrays.items()
                    if key.startswith(prefix)
                },
            )

    return of


def test_soft_suppression_keeps_the_same_with_the_same_scores(cases):
    for how, case in cases("soft_nms"):
        segments, scores = torch.from_numpy(case["segments"]), torch.from_numpy(case["scores"])
        if how["method"] == "hard_by_zeroing":  # of its zeros none is left
            kept = nms(segments, scores, iou=how["iou_threshold"])
            strong = kept.scores >= how["min_score"]
            strong[:1] = True
            kept = Kept(*(field[strong] for field in kept))
        else:
            kept = soft_nms(
                segments,
                scores,
                method=how["method"],
                sigma=how["sigma"],
                iou=how["iou_threshold"],
                min_score=how["min_score"],
            )
        positive = case["out_scores"] > 0  # the order of those lowered to 0 is nobody's
        assert len(kept.scores) == len(positive)
        kept = Kept(*(field[torch.from_numpy(positive)] for field in kept))
        np.testing.assert_array_equal(kept.origin, case["out_index"][positive])
        np.testing.assert_allclose(kept.scores, case["out_scores"][positive], **SCORE)
        np.testing.assert_array_equal(kept.segments, case["out_segments"][positive])


def test_suppression_keeps_the_same(cases):
    for how, case in cases("nms"):
        segments, scores = torch.from_numpy(case["segments"]), torch.from_numpy(case["scores"])
        kept = nms(segments, scores, iou=how["iou_threshold"])
        np.testing.assert_array_equal(kept.origin, case["out_index"])


def test_a_vote_moves_segments_to_the_same_places(cases):
    for how, case in cases("voting"):
        before = torch.from_numpy(case["kept_segments"])
        nothing = torch.zeros(len(before), dtype=torch.int64)
        kept = vote(
            Kept(before, torch.zeros(len(before)), nothing, nothing),
            torch.from_numpy(case["all_segments"]),
            torch.from_numpy(case["all_scores"]),
            iou=how["iou_threshold"],
        )
        np.testing.assert_allclose(kept.segments, case["out_segments"], **TIME)


def test_post_processing_gives_the_same_detections(cases):
    for how, case in cases("batched"):
        labels = case["labels"]
        scores = np.zeros((len(labels), int(labels.max(initial=0)) + 1), np.float32)
        scores[np.arange(len(labels)), labels] = case["scores"]
        votes = how["voting_thresh"] > 0 and not how["multiclass"]
        config = Suppression(
            method="soft_nms" if how["soft"] else "nms",
            iou=how["iou_threshold"],
            sigma=how["sigma"],
            min_score=how["min_score"],
            class_agnostic=not how["multiclass"],
            voting=how["voting_thresh"] if votes else None,
            least_score=0.0,
            most=how["max_seg_num"],
        )
        later = 1000.0  # as nothing of a detection lies before its video
        window = Found(case["segments"].astype(np.float64) + later, scores)
        one = detections([window], duration_s=1e6, config=config)
        np.testing.assert_array_equal(one.labels, case["out_labels"])
        np.testing.assert_allclose(one.scores, case["out_scores"], **SCORE)
        np.testing.assert_allclose(one.segments_s - later, case["out_segments"], **TIME)
