"""Average precision equal to that of ActionFormer's evaluator."""

from dataclasses import replace

import numpy as np
import pytest

from untrimmed.core.actions import Actions
from untrimmed.core.detections import Detections
from untrimmed.metrics.protocols import PROTOCOLS, counted_actions, score

CASES = {
    "thumos_like": ("test", "thumos14"),
    "anet_like": ("validation", "activitynet13"),
    "epic_like": ("validation", "epic_kitchens_verb"),
    "ego4d_like": ("validation", "ego4d_mq"),
}


@pytest.fixture(params=CASES)
def case(request, golden):
    """Truth, detections, classes, recorded arrays, and the protocol by ActionFormer's rules."""
    arrays = golden(f"actionformer/eval/{request.param}.npz")
    database = golden(f"actionformer/eval/{request.param}_annotations.json")["database"]
    split, name = CASES[request.param]
    actions, largest = {}, int(arrays["labels"].max())
    for id, entry in database.items():
        rows = entry.get("annotations", [])
        largest = max([largest, *(row["label_id"] for row in rows)])
        if entry["subset"].lower() == split:
            labels = [row["label_id"] for row in rows]
            actions[id] = Actions([row["segment"] for row in rows], labels)
    detections = {}
    for id in dict.fromkeys(arrays["video_id"].tolist()):
        own = arrays["video_id"] == id
        detections[id] = Detections(*(arrays[key][own] for key in ("segments", "labels", "scores")))
    protocol = replace(
        PROTOCOLS[name],
        tious=tuple(arrays["tiou_thresholds"].tolist()),
        duplicates="once",
        no_length="drop",
        unknown_videos="count",
    )
    return actions, detections, [str(n) for n in range(largest + 1)], arrays, protocol


def test_as_many_actions_are_left_as_in_the_authors_evaluator(case):
    actions, _, _, arrays, protocol = case
    left = counted_actions(actions, protocol=protocol)
    assert sum(map(len, left.values())) == arrays["n_gt"]


def test_average_precision_without_unknown_labels_is_that_of_the_authors(case):
    actions, detections, classes, arrays, protocol = case
    table = score(actions, detections, protocol=protocol, classes=classes)
    assert_scores(table, arrays, "clean_")


def test_with_colliding_labels_it_is_what_the_authors_print(case):
    actions, detections, classes, arrays, protocol = case
    protocol = replace(protocol, unknown_labels="collide")
    table = score(actions, detections, protocol=protocol, classes=classes)
    assert_scores(table, arrays, "")


def assert_scores(table, arrays, prefix):
    known = arrays["gt_labels_sorted"]
    assert np.flatnonzero(~np.isnan(table.ap[0])).tolist() == known.tolist()
    np.testing.assert_allclose(
        table.ap[:, known], arrays[f"{prefix}ap_per_class"], rtol=0, atol=1e-9
    )
    np.testing.assert_allclose(table.mean_ap, arrays[f"{prefix}mAP"], rtol=0, atol=1e-9)
    assert table.average == pytest.approx(float(arrays[f"{prefix}average_mAP"]), abs=1e-9)
