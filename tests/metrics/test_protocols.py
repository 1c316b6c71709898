"""Protocols: each option by hand, the benchmarks as data, and real annotations."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from untrimmed.core.actions import EVERY_CLASS, Actions
from untrimmed.core.detections import Detections
from untrimmed.metrics import average_precision, thumos_challenge
from untrimmed.metrics.protocols import PROTOCOLS, Protocol, counted_actions, score
from untrimmed.sources.formats import activitynet

ANNOTATIONS = Path(__file__).parents[2] / "../shared/data/annotations"
PLAIN = Protocol(name="plain", source="these tests", splits=("test",), tious=(0.5,))


def one_video(*actions, ignored=None):
    return {"v": Actions([a[:2] for a in actions], [a[2] for a in actions], ignored)}


def found(*rows):
    """Rows of start, end, label, score."""
    columns = [r[:2] for r in rows], [r[2] for r in rows], [r[3] for r in rows]
    return {"v": Detections(*columns)}


def ap(actions, detections, *, classes="abc", **options):
    """Of every class at the threshold 0.5."""
    protocol = replace(PLAIN, **options)
    return score(actions, detections, protocol=protocol, classes=classes).ap[0].tolist()


def perfect(actions):
    return {
        id: Detections(some.segments_s, some.labels, np.linspace(0.9, 0.1, len(some)))
        for id, some in actions.items()
    }


def test_repeated_actions_count_once_or_each():
    actions = one_video((0, 9, 0), (0.001, 8.999, 0), (20, 29, 0))
    detections = found((0, 9, 0, 0.9), (20, 29, 0, 0.8))
    assert ap(actions, detections)[0] == pytest.approx(2 / 3)
    assert ap(actions, detections, duplicates="once")[0] == 1.0


@pytest.mark.parametrize("other", [(0, 9.002, 0), (0.002, 9, 0), (0, 9, 1)])
def test_an_action_with_another_end_start_or_class_is_no_repetition(other):
    actions = one_video((0, 9, 0), other)
    kept = counted_actions(actions, protocol=replace(PLAIN, duplicates="once"))
    assert len(kept["v"]) == 2


def test_an_action_that_repeats_only_a_repetition_stays():
    actions = one_video((0, 9, 0), (0.0008, 9, 0), (0.0016, 9, 0))
    kept = counted_actions(actions, protocol=replace(PLAIN, duplicates="once"))
    assert kept["v"].segments_s[:, 0].tolist() == [0, 0.0016]


def test_actions_without_length_cannot_be_hit_unless_dropped():
    actions = one_video((0, 2, 0), (5, 5, 0), (7, 7.0009, 0))
    detections = found((0, 2, 0, 0.9), (5, 5, 0, 0.8))
    assert ap(actions, detections)[0] == pytest.approx(1 / 3)
    assert ap(actions, detections, no_length="drop")[0] == 1.0


def test_ignored_actions_excuse_unless_dropped():
    actions = one_video((0, 2, 0), (5, 7, EVERY_CLASS), ignored=[False, True])
    detections = found((5, 7, 0, 0.9), (0, 2, 0, 0.4))
    assert ap(actions, detections, ignored_actions="excuse")[0] == 1.0
    assert ap(actions, detections, ignored_actions="drop")[0] == 0.5


def test_an_ignored_repetition_does_not_make_an_action_ignored():
    actions = one_video((0, 2, 0), (0, 2, 0), ignored=[True, False])
    options = {"ignored_actions": "excuse", "duplicates": "once"}
    assert ap(actions, found((0, 2, 0, 0.9)), **options)[0] == 1.0


def test_detections_of_a_class_without_actions_have_no_influence():
    actions = one_video((0, 2, 1), (4, 6, 2))
    alarms = found((8, 9, 0, 0.99), (0, 2, 1, 0.5), (4, 6, 2, 0.5))
    table = score(actions, alarms, protocol=PLAIN, classes="abc")
    assert np.isnan(table.ap[0, 0])
    assert table.average == 1.0


def test_colliding_labels_count_for_the_class_that_took_their_number():
    actions = one_video((0, 2, 1), (4, 6, 2))  # numbered anew 0 and 1
    detections = found((8, 9, 0, 0.99), (0, 2, 1, 0.5), (4, 6, 2, 0.5))
    assert ap(actions, detections, unknown_labels="collide")[1:] == [0.5, 1.0]


def test_labels_beyond_the_new_numbers_collide_with_nothing():
    actions = one_video((0, 2, 0), (4, 6, 1))
    detections = found((8, 9, 2, 0.99), (0, 2, 0, 0.5), (4, 6, 1, 0.5))
    assert ap(actions, detections, unknown_labels="collide")[:2] == [1.0, 1.0]


@pytest.mark.parametrize("matching", ["detections_choose", "actions_choose"])
def test_detections_in_unknown_videos_count_unless_dropped(matching):
    actions = one_video((0, 2, 0))
    detections = {"u": found((0, 2, 0, 0.9))["v"], **found((0, 2, 0, 0.4))}
    assert ap(actions, detections, matching=matching)[0] == 0.5
    assert ap(actions, detections, matching=matching, unknown_videos="drop")[0] == 1.0


def test_a_blocked_video_is_left_out_of_actions_and_detections():
    actions = {**one_video((0, 2, 0)), "w": Actions([[0, 2]], [0])}
    detections = {"w": found((5, 7, 0, 0.9))["v"], **found((0, 2, 0, 0.4))}
    assert ap(actions, detections)[0] == 0.25
    assert ap(actions, detections, blocked_videos=frozenset({"w"}))[0] == 1.0


def test_ties_are_broken_by_order_first_or_last():
    detections = found((6, 8, 0, 0.5), (0, 2, 0, 0.5))
    assert ap(one_video((0, 2, 0)), detections, ties="first")[0] == 0.5
    assert ap(one_video((0, 2, 0)), detections, ties="last")[0] == 1.0


def test_matching_chooses_between_the_two_definitions():
    actions, detections = one_video((0, 4, 0)), found((0, 2, 0, 0.9))  # tIoU 0.5 exactly
    assert ap(actions, detections, matching="detections_choose")[0] == 1.0
    assert ap(actions, detections, matching="actions_choose")[0] == 0.0


def test_without_options_scores_are_those_of_average_precision():
    actions, detections = one_video((0, 2, 0), (1, 4, 1)), found((0, 3, 0, 0.9), (1, 3, 1, 0.2))
    table = score(actions, detections, protocol=PLAIN, classes="ab")
    same = average_precision.scores(actions, detections, tious=[0.5], classes="ab")
    np.testing.assert_array_equal(table.ap, same.ap)
    challenge = replace(PLAIN, matching="actions_choose")
    table = score(actions, detections, protocol=challenge, classes="ab")
    same = thumos_challenge.scores(actions, detections, tious=[0.5], classes="ab")
    np.testing.assert_array_equal(table.ap, same.ap)


def test_a_label_beyond_the_classes_is_refused_also_where_labels_collide():
    for unknown_labels in ("drop", "collide"):
        with pytest.raises(ValueError, match="the label 4 of a detection is none of 3 classes"):
            ap(one_video((0, 2, 0)), found((0, 2, 4, 0.5)), unknown_labels=unknown_labels)


def test_inputs_are_not_changed():
    actions, detections = one_video((0, 2, 1), (0, 2, 1), (3, 3, 1)), found((0, 2, 0, 0.5))
    ap(actions, detections, duplicates="once", no_length="drop", unknown_labels="collide")
    assert len(actions["v"]) == 3
    assert detections["v"].labels.tolist() == [0]


def test_scores_say_their_protocol_in_one_line():
    table = score({}, {}, protocol=PROTOCOLS["thumos14"], classes="ab")
    assert table.protocol == PROTOCOLS["thumos14"].described
    assert table.protocol.startswith("thumos14: splits test, tious 0.3 0.4 0.5 0.6 0.7, ")
    assert "duplicates once, no_length drop" in table.protocol
    assert "\n" not in table.protocol


@pytest.mark.parametrize(
    "other",
    [
        {"tious": (0.3,)},
        {"matching": "actions_choose"},
        {"duplicates": "once"},
        {"no_length": "drop"},
        {"ignored_actions": "excuse"},
        {"unknown_labels": "collide"},
        {"unknown_videos": "drop"},
        {"ties": "first"},
        {"blocked_videos": frozenset({"v"})},
        {"external_classifier": True},
        {"recall_at": (1,)},
        {"splits": ("validation",)},
        {"source": "a paper"},
        {"name": "other"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_no_rule_can_differ_unseen(other):
    assert replace(PLAIN, **other).described != PLAIN.described
    assert len(fields(Protocol)) == 14  # those above are all


def test_benchmarks_go_by_their_names():
    assert all(name == protocol.name for name, protocol in PROTOCOLS.items())
    assert PROTOCOLS.keys() >= {
        *("thumos14", "thumos14_challenge", "activitynet13", "hacs", "fineaction", "ego4d_mq"),
        *("epic_kitchens_verb", "epic_kitchens_noun", "epic_kitchens_action"),
        *("multithumos", "charades"),
    }


@pytest.mark.parametrize(
    ("name", "first", "last", "number"),
    [
        ("thumos14", 0.3, 0.7, 5),
        ("thumos14_challenge", 0.1, 0.5, 5),
        ("activitynet13", 0.5, 0.95, 10),
        ("hacs", 0.5, 0.95, 10),
        ("fineaction", 0.5, 0.95, 10),
        ("epic_kitchens_action", 0.1, 0.5, 5),
        ("ego4d_mq", 0.1, 0.5, 5),
        ("multithumos", 0.1, 0.9, 9),
        ("charades", 0.1, 0.9, 9),
    ],
)
def test_thresholds_of_the_benchmarks_are_exact_decimals(name, first, last, number):
    wanted = [float(f"{tiou:.2f}") for tiou in np.linspace(first, last, number)]
    assert list(PROTOCOLS[name].tious) == wanted


def real(file, split):
    path = ANNOTATIONS / file
    if not path.exists():
        pytest.skip("the annotations are not here")
    annotations = activitynet.read(path).split(split)
    return annotations.actions, annotations.classes


def test_perfect_detections_of_activitynet_miss_only_what_has_no_length():
    actions, classes = real("activitynet_v1-3_trainval_rebuilt.json", "validation")
    toolkit = PROTOCOLS["activitynet13"]
    table = score(actions, perfect(actions), protocol=toolkit, classes=classes)
    affected = {
        label for some in actions.values() for start, end, label in some if end - start < 1e-3
    }
    assert len(affected) == 3
    assert set(np.flatnonzero((table.ap < 1).any(axis=0)).tolist()) == affected


def test_perfect_detections_of_activitynet_score_one_without_these():
    actions, classes = real("activitynet_v1-3_trainval_rebuilt.json", "validation")
    protocol = replace(PROTOCOLS["activitynet13"], no_length="drop")
    kept = counted_actions(actions, protocol=protocol)
    table = score(actions, perfect(kept), protocol=protocol, classes=classes)
    assert (table.ap == 1).all()


@pytest.mark.parametrize("file", ["thumos14_vittad.json", "thumos14_actionformer.json"])
@pytest.mark.parametrize("name", ["thumos14", "thumos14_opentad", "thumos14_challenge"])
def test_perfect_detections_of_thumos_score_one(file, name):
    actions, classes = real(file, "Test")
    table = score(actions, perfect(actions), protocol=PROTOCOLS[name], classes=classes)
    assert (table.ap == 1).all()
    assert len(classes) == 20


def test_opentad_blocks_one_video_of_thumos_more():
    actions, _ = real("thumos14_vittad.json", "Test")
    assert len(actions) == 212
    kept = {name: counted_actions(actions, protocol=PROTOCOLS[name]) for name in PROTOCOLS}
    assert len(kept["thumos14"]) == 212
    assert len(kept["thumos14_opentad"]) == 211
