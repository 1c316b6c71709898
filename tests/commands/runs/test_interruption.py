"""Ctrl C and SIGTERM in a step, between steps, and while a batch is waited for."""

import signal
import threading

import pytest

from untrimmed.runs.interruption import Interruption
from untrimmed.runs.termination import heed_sigterm, terminate
from untrimmed.train.distributed import Processes

ENDS = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: SystemExit}


@pytest.fixture(autouse=True)
def signals_are_heard():
    """As in a command at a terminal; where tests run in the background ctrl C is ignored."""
    usual = {
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),
        signal.SIGTERM: signal.signal(signal.SIGTERM, terminate),
    }
    yield
    for number, answer in usual.items():
        signal.signal(number, answer)


def numbers(*, heard=(), number=signal.SIGINT):
    """Batches 0 to 4; a signal comes while some of them are read."""
    for each in range(5):
        if each in heard:
            signal.raise_signal(number)
        yield each


def done_with(batches, *, heard=(), number=signal.SIGINT):
    """Steps, one for each batch; a signal comes in some of them, in one of them twice."""
    for batch in batches:
        for _ in range(heard.count(batch)):
            signal.raise_signal(number)
        yield batch


def taken(interruption, batches, **signals):
    with interruption.held():
        return list(done_with(interruption.batches(batches), **signals))


def test_without_a_signal_every_step_is_taken():
    interruption = Interruption()
    assert taken(interruption, numbers()) == [0, 1, 2, 3, 4]
    assert not interruption.asked
    interruption.end()


@pytest.mark.parametrize("number", ENDS)
def test_the_step_in_which_it_comes_is_done_and_is_the_last(number):
    interruption = Interruption()
    assert taken(interruption, numbers(), heard=[2], number=number) == [0, 1, 2]
    with pytest.raises(ENDS[number]):
        interruption.end()


def test_a_step_that_is_done_is_whole_when_a_signal_comes_behind_it():
    interruption, steps = Interruption(), []
    with interruption.held():
        for step in done_with(interruption.batches(numbers())):
            steps.append(step)
            if step == 2:
                signal.raise_signal(signal.SIGINT)
    assert steps == [0, 1, 2]
    assert interruption.asked == signal.SIGINT


@pytest.mark.parametrize("number", ENDS)
def test_no_batch_is_waited_for_any_longer(number):
    interruption = Interruption()
    assert taken(interruption, numbers(heard=[2], number=number)) == [0, 1]
    with pytest.raises(ENDS[number]):
        interruption.end()


def test_with_ctrl_c_twice_it_stops_at_once():
    with pytest.raises(KeyboardInterrupt):
        taken(Interruption(), numbers(), heard=[2, 2])


def test_sigterm_twice_is_sigterm_once():
    interruption = Interruption()
    assert taken(interruption, numbers(), heard=[2, 2], number=signal.SIGTERM) == [0, 1, 2]


def test_it_is_the_first_signal_that_ends_the_process():
    interruption = Interruption()
    with interruption.held():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        interruption.end()


@pytest.mark.parametrize("number", ENDS)
def test_let_go_it_stops_at_once(number):
    interruption = Interruption()
    with interruption.held(), pytest.raises(ENDS[number]), interruption.let_go():
        signal.raise_signal(number)
    assert not interruption.asked


def test_what_came_before_it_is_let_go_is_held_on():
    interruption = Interruption()
    with interruption.held():
        signal.raise_signal(signal.SIGTERM)
        with interruption.let_go():
            signal.raise_signal(signal.SIGTERM)
    assert interruption.asked == signal.SIGTERM


@pytest.mark.parametrize("number", ENDS)
def test_afterwards_it_is_answered_as_ever(number):
    answer = signal.getsignal(number)
    interruption = Interruption()
    taken(interruption, numbers(), heard=[2], number=number)
    with pytest.raises(ENDS[number]), interruption.held():
        interruption.end()
    assert signal.getsignal(number) is answer


def test_another_answer_to_a_signal_stays():
    heard = []
    signal.signal(signal.SIGINT, lambda *_: heard.append("ctrl C"))
    interruption = Interruption()
    assert taken(interruption, numbers(), heard=[2]) == [0, 1, 2, 3, 4]
    assert heard == ["ctrl C"]
    # That one of the two is answered otherwise does not hide the other, as behind `nohup`.
    assert taken(interruption, numbers(), heard=[2], number=signal.SIGTERM) == [0, 1, 2]


def test_outside_of_the_main_thread_steps_are_taken_all_the_same():
    steps = []
    thread = threading.Thread(target=lambda: steps.extend(taken(Interruption(), numbers())))
    thread.start()
    thread.join()
    assert steps == [0, 1, 2, 3, 4]


class SlowToAnswer(Processes):
    """Two processes, of which this one gets a signal while it hears the other, that got none."""

    def gathered(self, value):
        signal.raise_signal(signal.SIGTERM)
        return [value, 0]


def test_a_signal_that_comes_while_all_are_asked_counts_the_next_time():
    interruption = Interruption(SlowToAnswer(number=0, count=2))
    with interruption.held():
        assert [interruption.agreed() for _ in range(2)] == [False, True]


def test_sigterm_that_is_ignored_stays_so():
    for usual, wanted in ((signal.SIG_IGN, signal.SIG_IGN), (signal.SIG_DFL, terminate)):
        signal.signal(signal.SIGTERM, usual)
        heed_sigterm()
        assert signal.getsignal(signal.SIGTERM) is wanted
