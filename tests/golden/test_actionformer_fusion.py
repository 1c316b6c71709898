"""Class-agnostic proposals and external class scores, put together as ActionFormer does."""

import json

import numpy as np
import pytest

from untrimmed.core.detections import Detections
from untrimmed.detect.classify import classified, read_class_scores


@pytest.mark.parametrize(
    ("case", "most", "classes"), [("default", 200, 2), ("num_pred5_top3", 5, 3)]
)
def test_detections_of_every_video_are_the_same(golden, tmp_path, case, most, classes):
    arrays = golden("actionformer/eval/score_fusion.npz")
    (tmp_path / "scores.json").write_text(json.dumps(golden("actionformer/eval/ext_scores.json")))
    class_scores = read_class_scores(tmp_path / "scores.json")
    videos = set(arrays["video_id"])
    assert videos == set(arrays[f"{case}_video_id"])
    for video in videos:
        proposals = of_video(arrays, video)
        wanted = of_video(arrays, video, prefix=f"{case}_").by_score()
        ours = classified(proposals, class_scores[video], most=most, classes=classes)
        np.testing.assert_array_equal(ours.labels, wanted.labels)
        np.testing.assert_array_equal(ours.segments_s, wanted.segments_s)
        np.testing.assert_allclose(ours.scores, wanted.scores, rtol=0, atol=1e-5)


def of_video(arrays, video, *, prefix=""):
    own = arrays[f"{prefix}video_id"] == video
    start, end, label, score = (
        arrays[f"{prefix}{name}"][own] for name in ("t_start", "t_end", "label", "score")
    )
    return Detections(np.stack([start, end], 1), label, score)
