"""Bundles on the Hugging Face Hub: fetched once, then on this machine; no torch.

`hf://OWNER/NAME` stands for a bundle wherever one is meant; `@REVISION` behind it for one of its
states, a branch, a tag or a commit; the newest if there is none.  What is fetched is tensors, JSON
and YAML alone, and code that a recipe names is never looked for among it.

Source: the Hub's addresses `api/models/.../revision/...` and `.../resolve/...`, with what its own
client reads from the environment: HF_ENDPOINT, HF_TOKEN.
"""

from __future__ import annotations

import http.client
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote

from untrimmed.core.errors import UserError
from untrimmed.core.files import written_whole
from untrimmed.core.settings_text import read_yaml
from untrimmed.runs.downloads import answer_to, download, reason, user_cache
from untrimmed.runs.progress import Job

SCHEME = "hf://"

NEEDED = ("recipe.yaml", "classes.json", "model.safetensors")
_USED = (*NEEDED, "threshold.json", "data.json", "scores-*.json")

_NAME = re.compile(r"hf://?([\w.-]+)/([\w.-]+)(?:@([\w./-]+))?")  # a Path has one stroke


@dataclass(frozen=True)
class HubBundle:
    """A bundle on the Hub.

    Args:
        revision: a branch, a tag or a commit.
    """

    owner: str
    name: str
    revision: str = "main"

    @classmethod
    def of(cls, text: str) -> HubBundle:
        """What `hf://OWNER/NAME@REVISION` names.

        Raises:
            UserError: if it is not of that form.
        """
        parts = _NAME.fullmatch(text)
        if parts is None or ".." in text:
            raise UserError(f"{text}: wanted hf://OWNER/NAME or hf://OWNER/NAME@REVISION")
        return cls(parts[1], parts[2], parts[3] or "main")

    def __str__(self) -> str:
        return f"{SCHEME}{self.owner}/{self.name}@{self.revision}"


def is_on_hub(model: str | Path) -> bool:
    """Whether a name is of a bundle on the Hub, not of a folder."""
    return str(model).startswith("hf:/")


def bundle_folder(model: str | Path) -> Job[Path]:
    """The folder of a run or of a bundle; of one on the Hub that of its copy, fetched if need be.

    Of a branch or a tag the Hub is asked what it stands for now; if it cannot be asked, what it
    stood for last counts.  A commit that is here needs no Hub.

    Args:
        model: a folder, or `hf://OWNER/NAME@REVISION`.

    Raises:
        UserError: if it cannot be fetched, is not there, or is no bundle of this package.
    """
    if not is_on_hub(model):
        return Path(model)
    wanted = HubBundle.of(str(model))
    place = hub_folder() / wanted.owner / wanted.name
    if (place / wanted.revision).is_dir() and _is_commit(wanted.revision):
        return place / wanted.revision
    note = place / "revisions" / quote(wanted.revision, safe="")
    try:
        state = _asked(wanted)
    except _UnreachableError as error:
        if note.exists() and (place / (commit := note.read_text(encoding="ascii"))).is_dir():
            return place / commit
        raise UserError(_by_hand(wanted, f"cannot be fetched: {error}")) from error
    folder = place / state.commit
    if not folder.is_dir():
        yield from _fetched(wanted, state, folder)
    with written_whole(note) as path:
        path.write_text(state.commit, encoding="ascii")
    return folder


def hub_folder() -> Path:
    """Where copies of bundles are kept."""
    return user_cache() / "hub"


@dataclass(frozen=True)
class _State:
    """What a revision stands for.

    Args:
        commit: its name.
        files: those that are used, with SHA-256 where the Hub says it.
    """

    commit: str
    files: Mapping[str, str | None]


class _UnreachableError(Exception):
    """The Hub does not answer."""


def _asked(wanted: HubBundle) -> _State:
    """What the Hub says of a revision.

    Raises:
        _UnreachableError: if it does not answer.
        UserError: if it has no such bundle, or shows it to others alone.
    """
    revision = quote(wanted.revision, safe="")
    url = f"{_endpoint()}/api/models/{wanted.owner}/{wanted.name}/revision/{revision}?blobs=true"
    try:
        with answer_to(url, token=_token()) as answer:
            said = json.load(answer)
    except HTTPError as error:
        if error.code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise _UnreachableError(reason(error)) from error
        raise UserError(_refused(wanted, error)) from error
    except (OSError, http.client.HTTPException) as error:
        why = reason(error) if isinstance(error, URLError) else str(error)
        raise _UnreachableError(f"{_endpoint()}: {why}") from error
    except ValueError as error:
        raise UserError(f"{url}: no answer of the Hub, but: {error}") from error
    return _state(wanted, said)


def _state(wanted: HubBundle, said: Any) -> _State:
    try:
        commit = str(said["sha"])
        listed = {each["rfilename"]: (each.get("lfs") or {}) for each in said["siblings"]}
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{wanted}: the Hub lists no files of it") from error
    files = {
        name: lfs.get("sha256")
        for name, lfs in listed.items()
        if "/" not in name and any(fnmatch(name, used) for used in _USED)
    }
    missing = [name for name in NEEDED if name not in files]
    if missing or not _is_commit(commit):
        raise UserError(
            f"{wanted} is no bundle: it has no {', '.join(missing) or 'commit'};"
            " `untrimmed export RUN -o FOLDER --to bundle` makes one"
        )
    return _State(commit, files)


def _fetched(wanted: HubBundle, state: _State, folder: Path) -> Job[None]:
    """All files of a commit; the folder has its name once it is whole."""
    part = folder.with_name(f"{folder.name}.part")
    for name, sha256 in state.files.items():
        if (part / name).exists():
            continue
        url = f"{_endpoint()}/{wanted.owner}/{wanted.name}/resolve/{state.commit}/{quote(name)}"
        yield from download(
            url, part / name, by_hand=_by_hand(wanted), sha256=sha256, token=_token()
        )
    foreign = sorted(_foreign(read_yaml(part / "recipe.yaml")))
    if foreign:
        raise UserError(
            f"{wanted}: its recipe names code that is not of this package, {', '.join(foreign)};"
            f" if you know it, give {part} as the model"
        )
    part.replace(folder)


def _foreign(settings: Any) -> Iterator[str]:
    """Modules that a recipe names with a dot: these are imported from this machine."""
    if isinstance(settings, Mapping):
        for key, value in settings.items():
            if key in ("name", "format") and isinstance(value, str) and "." in value:
                yield value
            yield from _foreign(value)
    elif isinstance(settings, list):
        for value in settings:
            yield from _foreign(value)


def _refused(wanted: HubBundle, error: HTTPError) -> str:
    """The Hub answers alike for what is not there and what it hides."""
    known = "HF_TOKEN is not for it" if _token() else "set HF_TOKEN"
    return (
        f"{wanted}: {reason(error)}: there is no such model or revision at {_endpoint()}, or it is"
        f" not public, in which case {known}"
    )


def _by_hand(wanted: HubBundle, why: str = "") -> str:
    page = f"{_endpoint()}/{wanted.owner}/{wanted.name}/tree/{wanted.revision}"
    return (
        f"{wanted} {why}\n" if why else ""
    ) + f"put {', '.join(NEEDED)} and threshold.json from {page} into a folder, and name that"


def _endpoint() -> str:
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def _token() -> str | None:
    return os.environ.get("HF_TOKEN") or None


def _is_commit(revision: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{40}", revision) is not None
