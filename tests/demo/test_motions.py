import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from untrimmed.demo.motions import (
    ANGLE,
    CLASSES,
    DISTRACTIONS,
    PACES,
    SIZE,
    STEADY,
    Motion,
    X,
    Y,
    displacement,
)

KINDS = CLASSES + DISTRACTIONS
TIMES_S = np.arange(0, 12, 0.05)


@st.composite
def motions(draw, kinds=KINDS):
    kind = draw(st.sampled_from(kinds))
    start_s = draw(st.floats(1, 3))
    length_s = draw(st.floats(1, 7))
    return Motion(kind, start_s, start_s + length_s, draw(st.floats(*PACES[kind])))


@given(motions())
def test_nothing_moves_before_the_start(motion):
    before = displacement(motion, TIMES_S)[motion.start_s >= TIMES_S]
    assert not before.any()


@given(motions())
def test_nothing_moves_after_the_end(motion):
    after = displacement(motion, TIMES_S)[motion.end_s <= TIMES_S]
    assert np.ptp(after, axis=0).max() == 0


@given(motions())
def test_something_moves_throughout(motion):
    during = (motion.start_s < TIMES_S) & (motion.end_s > TIMES_S)
    speed = np.abs(np.diff(displacement(motion, TIMES_S)[during], axis=0)).max(1)
    pauses = np.convolve(speed > 1e-3, np.ones(6), mode="valid")
    assert pauses.min() > 0  # a turning point may be met by one picture, not by six


@given(motions(kinds=[kind for kind in KINDS if kind not in STEADY]))
def test_a_motion_to_and_fro_ends_where_it_began(motion):
    assert np.allclose(displacement(motion, np.array([motion.end_s])), 0, atol=1e-9)


@given(motions(kinds=list(STEADY)))
def test_a_steady_motion_leads_as_far_as_it_reaches(motion):
    column, step = STEADY[motion.kind]
    assert displacement(motion, TIMES_S)[-1, column] == pytest.approx(step * motion.reach)


@given(motions())
def test_no_motion_jumps_between_pictures(motion):
    largest = np.abs(np.diff(displacement(motion, TIMES_S), axis=0)).max(0)
    assert (largest < [2.5, 8.0, 0.6, 0.3, 0.4]).all()


@pytest.mark.parametrize(
    ("one", "other"),
    [("move left", "move right"), ("turn clockwise", "turn counterclockwise"), ("rise", "sink")],
)
def test_opposites_cancel(one, other):
    pair = [displacement(Motion(kind, 1.0, 4.0, 0.7), TIMES_S) for kind in (one, other)]
    assert pair[0].any()
    assert not (pair[0] + pair[1]).any()


@pytest.mark.parametrize(
    ("kind", "column", "sign"),
    [("move right", X, 1), ("turn clockwise", ANGLE, 1), ("pulse", SIZE, 1), ("jump", Y, -1)],
)
def test_signs_are_those_of_the_picture(kind, column, sign):
    change = displacement(Motion(kind, 1.0, 4.0, 1.0), TIMES_S)[:, column] * sign
    assert change.min() >= 0
    assert change.max() > 0.4


def test_an_unknown_motion_is_refused():
    with pytest.raises(ValueError, match="no motion is called 'fly'"):
        displacement(Motion("fly", 1.0, 2.0, 1.0), TIMES_S)
