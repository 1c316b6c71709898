"""Recall@kx equal to that of ActionFormer's authors, per class and on average."""

import numpy as np
import pytest

from untrimmed.core.actions import Actions
from untrimmed.core.detections import Detections
from untrimmed.metrics.recall import top_recall

CASES = ("thumos_like", "anet_like", "epic_like", "ego4d_like")
NEAR_S = 1e-3


def unique(rows):
    """Rows of start, end, label without those too short or the same as one before."""
    kept = []
    for start, end, label in rows:
        near = any(
            abs(start - a) <= NEAR_S and abs(end - b) <= NEAR_S and label == c for a, b, c in kept
        )
        if end - start >= NEAR_S and not near:
            kept.append((start, end, label))
    return kept


def read_truth(database, subset):
    actions = {}
    for id, video in database.items():
        if video["subset"].lower() == subset:
            rows = unique((*row["segment"], row["label_id"]) for row in video["annotations"])
            actions[id] = Actions([row[:2] for row in rows], [row[2] for row in rows])
    return actions


def read_detections(arrays, labels):
    return {
        str(id): Detections(
            arrays["segments"][arrays["video_id"] == id],
            labels[arrays["video_id"] == id],
            arrays["scores"][arrays["video_id"] == id],
        )
        for id in np.unique(arrays["video_id"])
    }


@pytest.fixture(params=CASES)
def case(request, golden):
    arrays = golden(f"actionformer/eval/{request.param}.npz")
    annotations = golden(f"actionformer/eval/{request.param}_annotations.json")
    subset = "test" if request.param == "thumos_like" else "validation"
    return arrays, read_truth(annotations["database"], subset)


def test_recall_is_that_of_the_authors_without_classes_that_have_no_actions(case):
    arrays, actions = case
    known = arrays["gt_labels_sorted"]
    classes = [str(label) for label in range(1 + max(known.max(), arrays["labels"].max()))]
    result = top_recall(
        actions,
        read_detections(arrays, arrays["labels"]),
        tious=arrays["tiou_thresholds"],
        classes=classes,
        multiples=arrays["top_k"].tolist(),
    )
    assert np.flatnonzero(~np.isnan(result.recall[0, 0])).tolist() == known.tolist()
    np.testing.assert_allclose(
        result.recall[..., known], arrays["clean_recall_per_class"], rtol=0, atol=1e-9
    )
    np.testing.assert_allclose(result.mean, arrays["clean_recall"], rtol=0, atol=1e-9)


def test_recall_is_that_of_the_authors_if_labels_collide_as_theirs_do(case):
    """They renumber the classes that have actions and leave the others as they are."""
    arrays, actions = case
    known = arrays["gt_labels_sorted"]
    numbers = {label: number for number, label in enumerate(known.tolist())}
    labels = np.array([numbers.get(label, label) for label in arrays["labels"].tolist()])
    renumbered = {
        id: Actions(some.segments_s, [numbers[label] for label in some.labels.tolist()])
        for id, some in actions.items()
    }
    result = top_recall(
        renumbered,
        read_detections(arrays, labels),
        tious=arrays["tiou_thresholds"],
        classes=[str(label) for label in range(1 + max(len(known) - 1, labels.max()))],
        multiples=arrays["top_k"].tolist(),
    )
    wanted = arrays["recall_per_class"]
    np.testing.assert_allclose(result.recall[..., : len(known)], wanted, rtol=0, atol=1e-9)
    np.testing.assert_allclose(result.mean, arrays["recall"], rtol=0, atol=1e-9)
