"""AR@AN of ActivityNet's kit and the error analysis of DETAD, number by number.

Where the numbers come from is in `data/metrics/README.md`; they are nowhere but there.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from untrimmed.core.actions import Actions
from untrimmed.core.detections import Detections
from untrimmed.metrics.characteristics import ACTIVITYNET
from untrimmed.metrics.errors import ERRORS, Kind, error_profile
from untrimmed.metrics.recall import proposal_recall
from untrimmed.metrics.sensitivity import false_negatives, sensitivity
from untrimmed.sources.formats import activitynet

NAMES = {"coverage": "coverage", "length": "length", "num-instances": "instances"}


def numbers_of(name):
    return json.loads((Path(__file__).parent / "data" / "metrics" / name).read_text())


def exactly(actual, wanted):
    np.testing.assert_allclose(actual, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("case", [0, 1])
def test_recall_over_the_number_of_proposals(case):
    wanted = numbers_of("proposals.json")[case]
    actions = {id: Actions(rows, [0] * len(rows)) for id, rows in wanted["database"].items()}
    proposals = {}
    for id, rows in wanted["proposals"].items():
        table = np.array(rows)
        proposals[id] = Detections(table[:, :2], np.zeros(len(table)), table[:, 2])
    found = proposal_recall(actions, proposals, tious=wanted["tious"], limit=wanted["limit"])
    exactly(found.recall, wanted["recall"])
    exactly(found.proposals, wanted["numbers"])
    assert found.area == pytest.approx(wanted["area"], abs=1e-12, rel=0)


@pytest.fixture(scope="module")
def detad(tmp_path_factory):
    """The numbers, the videos, and the detections."""
    numbers = numbers_of("detad.json")
    folder = tmp_path_factory.mktemp("detad")
    for name in ("truth", "found"):
        (folder / name).write_text(json.dumps(numbers[name]))
    truth = activitynet.read(folder / "truth")
    return numbers, truth, activitynet.read_detections(folder / "found", truth.classes)


def test_the_profile_of_false_positives(detad):
    numbers, truth, found = detad
    wanted = numbers["false_positives"]
    profile = error_profile(truth.actions, found, tious=wanted["tious"])
    assert profile.counts.tolist() == wanted["counts"]
    assert profile.counts[..., Kind.BACKGROUND].any()
    exactly(profile.mean_ap, wanted["mean_ap"])
    exactly(profile.gains, wanted["gains"])
    exactly(profile.impact, wanted["average_gain"])
    assert len(ERRORS) == len(wanted["average_gain"])


def by_bucket(groups):
    """Values of the buckets that have actions."""
    values = zip(groups.characteristic.labels, groups.values.tolist(), strict=True)
    return {label: value for label, value in values if value == value}


def test_the_sensitivity_to_each_characteristic(detad):
    numbers, truth, found = detad
    wanted = numbers["sensitivity"]
    result = sensitivity(truth.videos, found, tious=[wanted["tiou"]], characteristics=ACTIVITYNET)
    actual = {groups.characteristic.name: groups for groups in result}
    for theirs, ours in NAMES.items():
        assert by_bucket(actual[ours]) == pytest.approx(wanted["values"][theirs], abs=1e-12)
        assert actual[ours].overall == pytest.approx(wanted["overall"], abs=1e-12)


def test_the_actions_that_are_missed(detad):
    numbers, truth, found = detad
    wanted = numbers["false_negatives"]
    missed = false_negatives(
        truth.videos, found, tious=wanted["tious"], characteristics=ACTIVITYNET
    )
    for theirs, ours in NAMES.items():
        assert by_bucket(missed.by(ours)) == pytest.approx(wanted["values"][theirs], abs=1e-12)
    table = missed.by_pair("coverage", "instances")
    rows, columns = (missed.characteristics[name].labels for name in ("coverage", "instances"))
    pairs = {
        f"{row} {column}": table[r, c]
        for r, row in enumerate(rows)
        for c, column in enumerate(columns)
        if table[r, c] == table[r, c]
    }
    assert pairs == pytest.approx(wanted["coverage by num-instances"], abs=1e-12)
