"""Public weights on this machine: which are here, and how to fetch the others; no torch."""

from __future__ import annotations

from pathlib import Path

from untrimmed.core.errors import UserError
from untrimmed.recipes.weights import PUBLIC, EncoderWeights, PublicWeights, public_weights
from untrimmed.runs.downloads import checksum, download, user_cache
from untrimmed.runs.progress import Job


def cache_folder() -> Path:
    """Where they are kept, and recipes look for them."""
    return user_cache() / "weights"


def weights_file(weights: EncoderWeights) -> Path:
    """The file that a recipe's encoder starts from.

    Raises:
        ConfigError: if no public weights have that name.
        UserError: if the file is not here; the message says how to get it.
    """
    if weights.path is not None:
        if not weights.path.exists():
            raise UserError(f"{weights.path}: there is no such file")
        return weights.path
    name = str(weights.name)
    path = cache_folder() / public_weights(name).file
    if not path.exists():
        raise UserError(f"the weights {name} are not here: run `untrimmed weights get {name}`")
    return path


def weights_table(folder: Path) -> str:
    """All public weights as a table of text: what a user chooses by.

    Of those that are here only the size is compared, where one is published.

    Args:
        folder: where they are looked for.
    """
    rows = [("name", "encoder", "trained on, top-1", "size", "licence", "here")]
    for name, weights in PUBLIC.items():
        size = "not published" if weights.mebibytes is None else f"{weights.mebibytes:.0f} MiB"
        here = _here(weights, folder / weights.file)
        encoder = weights.encoder.strip("{}").removeprefix("name: ")
        rows.append((name, encoder, weights.trained_on, size, weights.licence, here))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def _here(weights: PublicWeights, path: Path) -> str:
    """What can be said of a file at a glance; its checksum takes `fetch` a while."""
    if not path.exists():
        return ""
    if weights.mebibytes is None:
        return "yes, not checked"
    # Sizes are published to a tenth of a MiB.
    return "yes" if abs(path.stat().st_size / (1 << 20) - weights.mebibytes) < 0.1 else "wrong size"


def fetch(weights: PublicWeights, folder: Path) -> Job[Path]:
    """Bring public weights into a folder, unless they are there.

    Returns:
        The file; its checksum is right, if one is published.

    Raises:
        UserError: as `download`, or if what lies there has another checksum.
    """
    path = folder / weights.file
    if path.exists():
        if weights.sha256 is not None and not checksum(path).startswith(weights.sha256):
            raise UserError(f"{path}: not what was published ({weights.url}): delete it")
        return path
    by_hand = f"fetch it elsewhere, from there or by way of {weights.source}, and put it at {path}"
    return (yield from download(weights.url, path, by_hand=by_hand, sha256=weights.sha256))
