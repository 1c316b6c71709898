"""Who finds every action of a real data set exactly must score 1: `pytest --shared DIR`."""

from dataclasses import replace

import numpy as np
import pytest

from untrimmed.core.detections import Detections
from untrimmed.metrics.protocols import PROTOCOLS, counted_actions, score
from untrimmed.sources.formats import activitynet

ACTIVITYNET = "data/annotations/activitynet_v1-3_trainval_rebuilt.json"
THUMOS14 = "data/annotations/thumos14_vittad.json"


@pytest.fixture(scope="module")
def scored(shared):
    """A function that scores as detections all actions of a split that can be found at all."""

    def run(file, *, split, protocol):
        truth = activitynet.read(shared(file)).split(split)
        counted = counted_actions(truth.actions, protocol=replace(protocol, no_length="drop"))
        found = {
            id: Detections(some.segments_s, some.labels, np.ones(len(some)))
            for id, some in counted.items()
        }
        return score(truth.actions, found, protocol=protocol, classes=truth.classes)

    return run


@pytest.mark.parametrize(
    ("file", "split", "protocol"),
    [
        (THUMOS14, "Test", "thumos14"),
        (THUMOS14, "Test", "thumos14_opentad"),
        (THUMOS14, "Test", "thumos14_challenge"),
        (ACTIVITYNET, "validation", "activitynet13_actionformer"),
        (ACTIVITYNET, "training", "activitynet13_actionformer"),
    ],
)
def test_perfect_detections_score_exactly_one(scored, file, split, protocol):
    table = scored(file, split=split, protocol=PROTOCOLS[protocol])
    assert table.ap.min() == table.ap.max() == table.average == 1.0


def test_by_the_toolkits_rules_an_action_without_length_costs_its_class_a_hit(scored):
    table = scored(ACTIVITYNET, split="validation", protocol=PROTOCOLS["activitynet13"])
    assert round(table.average, 5) == 0.99947
    assert (table.ap < 1).any(axis=0).sum() == 3
    kept = replace(PROTOCOLS["activitynet13"], no_length="drop")
    assert scored(ACTIVITYNET, split="validation", protocol=kept).average == 1.0
