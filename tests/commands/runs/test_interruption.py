"""Ctrl C between steps, in a step, while a batch is waited for."""

import signal

import pytest

from untrimmed.runs.interruption import Interruption


@pytest.fixture(autouse=True)
def ctrl_c_is_heard():
    """As at a terminal; where tests run in the background it is ignored from the start."""
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, usual)


def numbers(*, pressed_at=()):
    """Batches 0 to 4; ctrl C is pressed while some of them are read."""
    for number in range(5):
        if number in pressed_at:
            signal.raise_signal(signal.SIGINT)
        yield number


def done_with(batches, *, pressed_in=()):
    """Steps, one for each batch; ctrl C is pressed in some of them."""
    for batch in batches:
        for _ in range(pressed_in.count(batch)):
            signal.raise_signal(signal.SIGINT)
        yield batch


def taken(interruption, batches, **pressed):
    return list(interruption.steps(done_with(interruption.batches(batches), **pressed)))


def test_without_ctrl_c_every_step_is_taken():
    interruption = Interruption()
    assert taken(interruption, numbers()) == [0, 1, 2, 3, 4]
    assert not interruption.asked


def test_the_step_in_which_it_is_pressed_is_done_and_is_the_last():
    interruption = Interruption()
    assert taken(interruption, numbers(), pressed_in=[2]) == [0, 1, 2]
    assert interruption.asked


def test_no_batch_is_waited_for_any_longer():
    interruption = Interruption()
    assert taken(interruption, numbers(pressed_at=[2])) == [0, 1]
    assert interruption.asked


def test_pressed_twice_it_stops_at_once():
    with pytest.raises(KeyboardInterrupt):
        taken(Interruption(), numbers(), pressed_in=[2, 2])


def test_between_steps_it_is_pressed_as_ever():
    interruption = Interruption()
    steps = interruption.steps(done_with(interruption.batches(numbers())))
    next(steps)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert not interruption.asked
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_where_it_is_not_heeded_it_stops_at_once():
    interruption = Interruption(is_heeded=False)
    for pressed in ({"pressed_in": [2]}, {"batches": numbers(pressed_at=[2])}):
        with pytest.raises(KeyboardInterrupt):
            taken(interruption, **{"batches": numbers(), **pressed})
    assert not interruption.asked


def test_another_answer_to_ctrl_c_stays():
    heard = []
    usual = signal.signal(signal.SIGINT, lambda *_: heard.append("ctrl C"))
    try:
        assert taken(Interruption(), numbers(), pressed_in=[2]) == [0, 1, 2, 3, 4]
    finally:
        signal.signal(signal.SIGINT, usual)
    assert heard == ["ctrl C"]
