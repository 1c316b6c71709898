"""Scores equal to those of the official evaluation, of its copy in TALLFormer, and of theirs."""

import json

import numpy as np
import pytest

from untrimmed.core.actions import Actions
from untrimmed.core.detections import Detections
from untrimmed.metrics.average_precision import scores
from untrimmed.sources.formats import activitynet

SUBSET = "validation"
UNSTABLE = {"duplicates", "score_ties", "rounded_to_0.1"}


@pytest.fixture
def cases(golden, tmp_path):
    """Each case of the official evaluation, read from its files: truth, detections, results."""

    def read(case):
        truth, found = tmp_path / "truth.json", tmp_path / "found.json"
        truth.write_text(json.dumps(case["ground_truth"]))
        found.write_text(json.dumps(case["predictions"]))
        videos = [row["annotations"] for row in case["ground_truth"]["database"].values()]
        rows = [row for some in [*videos, *case["predictions"]["results"].values()] for row in some]
        classes = sorted({row["label"] for row in rows})
        annotations = activitynet.read(truth, classes=classes).split(SUBSET)
        return annotations, activitynet.read_detections(found, classes)

    loaded = golden("tallformer/anet_eval.json")
    return {name: (*read(case), case["result"]) for name, case in loaded.items()}


def assert_scores(table, wanted):
    for label, name in enumerate(table.classes):
        if name in wanted["ap"]:
            np.testing.assert_allclose(table.ap[:, label], wanted["ap"][name], rtol=0, atol=1e-9)
        else:
            assert np.isnan(table.ap[:, label]).all()
    np.testing.assert_allclose(table.mean_ap, wanted["mAP"], rtol=0, atol=1e-9)
    assert table.average == pytest.approx(wanted["average_mAP"], abs=1e-9)


def test_scores_are_those_of_the_official_evaluation_with_a_stable_sort(cases):
    for annotations, detections, results in cases.values():
        for wanted in results.values():
            table = scores(
                annotations.actions,
                detections,
                tious=wanted["tiou"],
                classes=annotations.classes,
                ties="last",
            )
            assert_scores(table, wanted["official_stable_sort"])


def test_either_order_of_ties_gives_the_official_scores_where_there_are_none(cases):
    for name in cases.keys() - UNSTABLE:
        annotations, detections, results = cases[name]
        for wanted in results.values():
            table = scores(
                annotations.actions,
                detections,
                tious=wanted["tiou"],
                classes=annotations.classes,
            )
            assert_scores(table, wanted["official"])


def test_dropping_unknown_videos_gives_the_scores_of_the_copy_in_tallformer(cases):
    for name in cases.keys() - UNSTABLE:
        annotations, detections, results = cases[name]
        known = {id: actions for id, actions in annotations.actions.items() if len(actions)}
        for wanted in results.values():
            table = scores(
                known,
                detections,
                tious=wanted["tiou"],
                classes=annotations.classes,
                unknown_videos="drop",
            )
            assert_scores(table, wanted["afsd_fork"])


def test_scores_on_thumos_are_those_of_the_authors(golden):
    arrays = golden("tallformer/thumos_post.npz")
    videos = sorted(key.removeprefix("map/det") for key in arrays if key.startswith("map/det"))
    actions, detections = {}, {}
    for video in videos:
        actions[video] = Actions(arrays[f"map/gt{video}"], arrays[f"map/gt{video}_label"])
        start_end, score, label = np.split(arrays[f"map/det{video}"], [2, 3], axis=1)
        detections[video] = Detections(start_end, label, score)
    wanted = arrays["map/ap"]
    table = scores(
        actions,
        detections,
        tious=arrays["map/thresholds"],
        classes=[str(label) for label in range(wanted.shape[1])],
    )
    known = ~np.isnan(table.ap[0])
    np.testing.assert_allclose(table.ap[:, known], wanted[:, known], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(table.mean_ap, arrays["map/mAP"], rtol=1e-6, atol=1e-7)
