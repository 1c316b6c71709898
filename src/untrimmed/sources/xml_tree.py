"""An XML file whose elements know their line, so that an error can name it.

Only elements, attributes and text are read.  A document type is refused, and with it every
entity of one's own: they can read other files and grow without bound, and no annotation tool
writes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from untrimmed.core.errors import FormatError

MOST_LEVELS = 100


@dataclass(eq=False)
class Element:
    """One element of a file.

    Args:
        tag: its name, with a prefix if it has one.
        attributes: texts by name.
        file: it is read from.
        line: it starts in, from 1.
        children: in the order of the file.
        raw: the text between its tags, without that of its children.
    """

    tag: str
    attributes: dict[str, str]
    file: Path
    line: int
    children: list[Element] = field(default_factory=list)
    raw: str = ""

    @property
    def text(self) -> str:
        """The text without outer blanks."""
        return self.raw.strip()

    def all(self, *tags: str) -> list[Element]:
        """The children of these names."""
        return [child for child in self.children if child.tag in tags]

    def child(self, *path: str) -> Element | None:
        """The first child, or child of a child, of these names; None if there is none."""
        element: Element | None = self
        for tag in path:
            element = next(iter(element.all(tag)), None) if element is not None else None
        return element

    def attribute(self, name: str) -> str:
        """An attribute that must be there and not empty."""
        text = self.attributes.get(name, "").strip()
        if not text:
            raise self.wrong(f"<{self.tag}> needs {name}=")
        return text

    def whole_number(self, name: str) -> int:
        """An attribute that is a whole number from 0."""
        text = self.attribute(name)
        # 15 digits are exact in a float, and far beyond any frame or millisecond.
        if not (text.isascii() and text.isdigit() and len(text) <= 15):
            raise self.wrong(f"{name} should be a whole number from 0, got {text[:40]!r}")
        return int(text)

    def wrong(self, message: str) -> FormatError:
        """An error in this line."""
        return FormatError(message, file=self.file, place=self.line)

    def __iter__(self) -> Iterator[Element]:
        return iter(self.children)


def read_xml(path: Path, content: bytes | None = None) -> Element:
    """The outermost element of a file.

    Args:
        content: of the file, if it comes from elsewhere, such as an archive at `path`.

    Raises:
        FormatError: if it cannot be read, is no XML, has a document type, or is nested deeper
            than `MOST_LEVELS`.
    """
    if content is None:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise FormatError(f"cannot be read: {error}", file=path) from error
    parser = expat.ParserCreate()
    builder = _Builder(path, parser)
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = builder.document_type
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        message = f"no XML: {expat.ErrorString(error.code)}"
        raise FormatError(message, file=path, place=error.lineno) from error
    except FormatError:
        raise
    except (LookupError, ValueError) as error:  # of an encoding that Python does not have
        raise FormatError(f"no usable XML: {error}", file=path, place=1) from error
    return builder.root.children[0]


class _Builder:
    """Hangs each element into the one that is open."""

    def __init__(self, file: Path, parser: expat.XMLParserType) -> None:
        self.file = file
        self.parser = parser
        self.root = Element("", {}, file, 0)
        self.open = [self.root]
        self.texts: list[list[str]] = [[]]

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        element = Element(tag, attributes, self.file, self.parser.CurrentLineNumber)
        if len(self.open) > MOST_LEVELS:
            raise element.wrong(f"elements are nested more than {MOST_LEVELS} deep")
        self.open[-1].children.append(element)
        self.open.append(element)
        self.texts.append([])

    def end(self, _tag: str) -> None:
        self.open.pop().raw = "".join(self.texts.pop())

    def data(self, text: str) -> None:
        self.texts[-1].append(text)

    def document_type(self, *_declaration: object) -> None:
        raise FormatError(
            "a document type (<!DOCTYPE>) is not read; delete it",
            file=self.file,
            place=self.parser.CurrentLineNumber,
        )
