"""The journal of a run: one line of JSON per step, readable while the run goes on.

A record is a dataclass, such as `train.loop.Step`, or a mapping; its `number` is the step that it
belongs to, from 1.  Where TensorBoard is installed, the numbers go to it too.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from untrimmed.core.errors import FormatError
from untrimmed.core.files import written_whole

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from torch.utils.tensorboard import SummaryWriter


class Journal:
    """Appends records to a file; each is on disk when `write` returns.

    An existing journal is continued.  A last line that was cut off goes, and so do the records of
    steps that the resumed run will do again.

    Args:
        path: as in `journal.jsonl`; TensorBoard's files go to `tensorboard/journal` beside it.
        last_step: the last step of the state from which the run goes on; records of later ones are
            dropped.  None keeps all.
        tensorboard: whether to write for it, where it is installed.

    Raises:
        FormatError: if `path` is an existing file of something else.
    """

    def __init__(
        self, path: Path, *, last_step: int | None = None, tensorboard: bool = True
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            _cut(path, math.inf if last_step is None else last_step)
        self._file = path.open("a", encoding="utf-8")
        self._board = _board(_board_folder(path), last_step=last_step) if tensorboard else None

    def write(self, record: DataclassInstance | Mapping[str, Any]) -> None:
        """Append a record; numbers that are not finite become null.

        Raises:
            ValueError: if it has no `number`.
        """
        plain = _plain(record)
        if "number" not in plain:
            raise ValueError(f"a record must have a number, that of its step; got {list(plain)}")
        self._file.write(json.dumps(plain, allow_nan=False) + "\n")
        self._file.flush()
        if self._board is not None:
            for name, value in _scalars(plain):
                self._board.add_scalar(name, value, plain["number"])

    def close(self) -> None:
        """Nothing can be written any more."""
        self._file.close()
        if self._board is not None:
            self._board.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def read(path: Path) -> list[dict[str, Any]]:
    """The records of a journal, in order; a last line that was cut off is left out.

    Raises:
        FormatError: if there is no such file, or another line is not a record.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    except OSError as error:
        raise FormatError(f"cannot be read: {error.strerror}", file=path) from error
    records = []
    for place, line in enumerate(lines, start=1):
        if not line.endswith("\n"):
            break
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise FormatError("wanted a record in JSON", file=path, place=place) from error
        if not isinstance(record, dict) or "number" not in record:
            raise FormatError("wanted a record with the number of a step", file=path, place=place)
        records.append(record)
    return records


def erase(path: Path) -> None:
    """Take a journal away, and what was written of it for TensorBoard; one that is not is none."""
    path.unlink(missing_ok=True)
    board = _board_folder(path)
    shutil.rmtree(board, ignore_errors=True)
    with suppress(OSError):  # other journals have theirs there, or there is none
        board.parent.rmdir()


def _board_folder(path: Path) -> Path:
    return path.parent / "tensorboard" / path.stem


def _cut(path: Path, last_step: float) -> None:
    """Leave only whole records, none of a later step than `last_step`."""
    kept = [record for record in read(path) if record["number"] <= last_step]
    with written_whole(path) as temporary:
        temporary.write_text("".join(f"{json.dumps(record)}\n" for record in kept))


def _board(folder: Path, *, last_step: int | None) -> SummaryWriter | None:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    purge = None if last_step is None else last_step + 1
    return SummaryWriter(folder, purge_step=purge)


def _plain(value: Any) -> Any:
    """What JSON can hold: dataclasses and named tuples become mappings."""
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _scalars(record: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """The numbers of a record, by names such as `losses/class`."""
    for key, value in record.items():
        if isinstance(value, Mapping):
            yield from _scalars(value, f"{prefix}{key}/")
        elif isinstance(value, int | float) and not isinstance(value, bool) and key != "number":
            yield prefix + key, float(value)
