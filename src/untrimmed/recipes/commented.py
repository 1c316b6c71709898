"""A recipe as text in which every number says why it is what it is.

A tree of settings is a mapping of names to trees, plain values, or `Chosen`, a value with its
reason.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

WIDTH = 100

Tree = Mapping[str, Any]


@dataclass(frozen=True)
class Chosen:
    """A value and the reason for it, in words that stand above it."""

    value: Any
    why: str


def settings(tree: Tree) -> dict[str, Any]:
    """The values alone."""
    plain: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            plain[name] = settings(value)
        else:
            plain[name] = value.value if isinstance(value, Chosen) else value
    return plain


def to_commented_yaml(tree: Tree, *, head: str = "") -> str:
    """YAML that reads back as `settings(tree)`, each reason a comment above its setting.

    Args:
        head: what the file is, as a comment at its top; line breaks are kept.
    """
    lines = [f"# {line}".rstrip() for line in head.splitlines()]
    if lines:
        lines.append("")
    return "\n".join([*lines, *_lines(tree, "")]) + "\n"


def _lines(tree: Tree, indent: str) -> Iterator[str]:
    for name, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield f"{indent}{name}:"
            yield from _lines(value, f"{indent}  ")
            continue
        plain = value
        if isinstance(value, Chosen):
            plain = value.value
            mark = f"{indent}# "
            yield from textwrap.wrap(value.why, WIDTH, initial_indent=mark, subsequent_indent=mark)
        yield from _setting(name, plain, indent)


def _setting(name: str, value: Any, indent: str) -> Iterator[str]:
    room = WIDTH - len(indent) - len(name) - 20  # PyYAML breaks behind the word that is too much
    text = yaml.safe_dump(
        value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=room
    )
    first, *rest = text.removesuffix("...\n").splitlines()
    yield f"{indent}{name}: {first}"
    yield from (f"{indent}  {line}" for line in rest)
