"""What a start that failed left in the folder of a run is taken away, as if it had not been."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from untrimmed.core.errors import FormatError
from untrimmed.runs.folder import RunFolder
from untrimmed.train.journal import erase, read


@contextmanager
def undone_if_it_fails(folder: RunFolder) -> Iterator[None]:
    """Undo the beginning of a run, should the block end in an error before anything was learnt.

    The next attempt may then be with other settings.  A folder that had been begun before stays as
    it was, and so does one in which an encoder was formed, but for what belongs to a training.
    """
    was_begun = folder.recipe.exists()
    begun = [each for each in (folder.recipe, folder.classes, folder.encoder) if not each.exists()]
    try:
        yield
    except BaseException:
        if not is_learnt(folder):
            _undo(folder, begun=[] if was_begun or _is_encoder_formed(folder) else begun)
        raise


def is_learnt(folder: RunFolder) -> bool:
    """Whether at least one step of a training in this folder learnt from its batch."""
    if any(each.exists() for each in (folder.state, folder.last, folder.best, folder.bundled)):
        return True
    if not folder.journal.exists():
        return False
    try:
        return any(step.get("losses") for step in read(folder.journal))
    except FormatError:
        return True  # not known, so nothing may go


def _is_encoder_formed(folder: RunFolder) -> bool:
    """Whether the encoder was formed, which takes long, and not filled from a file."""
    return folder.encoder.exists() and folder.pretraining_journal.exists()


def _undo(folder: RunFolder, *, begun: Sequence[Path]) -> None:
    """Take away what belongs to a training, and these files by which a run is begun."""
    erase(folder.journal)
    erase(folder.validation_journal)
    if begun:
        erase(folder.pretraining_journal)
    for file in begun:
        file.unlink(missing_ok=True)
    shutil.rmtree(folder.bank, ignore_errors=True)
    with suppress(OSError):  # something else is in it
        folder.path.rmdir()
