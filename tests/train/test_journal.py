from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import NamedTuple

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from untrimmed.core.errors import FormatError
from untrimmed.train.journal import Journal, erase, read


class Failed(NamedTuple):
    video: str


@dataclass(frozen=True)
class Step:
    number: int
    losses: dict[str, float]
    age: float | None = None
    failed: tuple[Failed, ...] = ()


def write(path, *numbers, **settings):
    with Journal(path, **{"tensorboard": False} | settings) as journal:
        for number in numbers:
            journal.write({"number": number})


def numbers(path):
    return [record["number"] for record in read(path)]


def test_a_record_is_read_as_it_was_written(tmp_path):
    with Journal(tmp_path / "journal.jsonl", tensorboard=False) as journal:
        journal.write(Step(number=1, losses={"class": 0.1}, failed=(Failed("v1"),)))
        journal.write({"number": 1, "mAP": 0.59})
    assert read(tmp_path / "journal.jsonl") == [
        {"number": 1, "losses": {"class": 0.1}, "age": None, "failed": [{"video": "v1"}]},
        {"number": 1, "mAP": 0.59},
    ]


def test_a_record_can_be_read_before_the_journal_is_closed(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl", tensorboard=False)
    journal.write({"number": 1})
    assert numbers(tmp_path / "journal.jsonl") == [1]
    journal.close()


def test_a_journal_is_continued(tmp_path):
    path = tmp_path / "journal.jsonl"
    write(path, 1, 2)
    write(path, 3)
    assert numbers(path) == [1, 2, 3]


@pytest.mark.parametrize("rest", ['{"number": 3, "lo', '{"number": 3}'])
def test_a_cut_off_line_goes_when_the_run_is_resumed(tmp_path, rest):
    path = tmp_path / "journal.jsonl"
    write(path, 1, 2)
    with path.open("a") as file:
        file.write(rest)
    assert numbers(path) == [1, 2]
    write(path, 3)
    assert numbers(path) == [1, 2, 3]
    assert len(path.read_text().splitlines()) == 3


def test_steps_after_the_saved_state_are_not_told_twice(tmp_path):
    path = tmp_path / "journal.jsonl"
    write(path, 1, 2, 3, 4)
    write(path, 3, 4, 5, last_step=2)
    assert numbers(path) == [1, 2, 3, 4, 5]


def test_numbers_that_are_not_finite_become_null(tmp_path):
    path = tmp_path / "journal.jsonl"
    with Journal(path, tensorboard=False) as journal:
        journal.write({"number": 1, "norm": math.inf, "losses": {"class": math.nan}})
    assert read(path) == [{"number": 1, "norm": None, "losses": {"class": None}}]


def test_a_record_without_a_step_is_refused(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl", tensorboard=False)
    with journal, pytest.raises(ValueError, match="must have a number"):
        journal.write({"mAP": 0.5})
    assert (tmp_path / "journal.jsonl").read_text() == ""


@pytest.mark.parametrize("line", ["hello", "[1]", '{"step": 1}'])
def test_a_line_that_is_no_record_is_named(tmp_path, line):
    path = tmp_path / "journal.jsonl"
    path.write_text(f'{{"number": 1}}\n{line}\n{{"number": 2}}\n')
    with pytest.raises(FormatError, match=r"journal\.jsonl:2: wanted a record"):
        read(path)


def test_a_file_of_something_else_is_not_continued(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("my notes\n")
    with pytest.raises(FormatError, match="wanted a record"):
        Journal(path)
    assert path.read_text() == "my notes\n"


def test_a_journal_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FormatError, match=r"none\.jsonl: cannot be read: No such file"):
        read(tmp_path / "none.jsonl")


def test_tensorboard_gets_the_numbers(tmp_path):
    with Journal(tmp_path / "journal.jsonl") as journal:
        journal.write(Step(number=3, losses={"class": 0.25}))
    events = EventAccumulator(str(tmp_path / "tensorboard" / "journal")).Reload()
    assert events.Tags()["scalars"] == ["losses/class"]
    event = events.Scalars("losses/class")[0]
    assert (event.step, event.value) == (3, 0.25)


def test_without_tensorboard_there_is_only_the_file(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    write(tmp_path / "journal.jsonl", 1, tensorboard=True)
    assert [path.name for path in tmp_path.iterdir()] == ["journal.jsonl"]


def test_an_erased_journal_is_gone_with_what_tensorboard_got_of_it(tmp_path):
    first, second = (tmp_path / name for name in ("first.jsonl", "second.jsonl"))
    for path in (first, second):
        write(path, 1, tensorboard=True)
    erase(first)
    assert {path.name for path in tmp_path.iterdir()} == {"second.jsonl", "tensorboard"}
    assert [path.name for path in (tmp_path / "tensorboard").iterdir()] == ["second"]
    erase(second)
    assert not list(tmp_path.iterdir())
    erase(second)
