"""The parts of a page, without any markup."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Heading:
    """A title of level 1 to 4 that can be linked to."""

    level: int
    text: str
    anchor: str


@dataclass(frozen=True)
class Paragraph:
    """Running text, with an optional bold word before it; the text is a link if there is an address."""

    text: str
    lead: str = ""
    address: str = ""


@dataclass(frozen=True)
class Link:
    """Text in a table that leads to a file or an address."""

    text: str
    target: Path | str


@dataclass(frozen=True)
class Table:
    """Cells of text or links under a header."""

    header: Sequence[str]
    rows: Sequence[Sequence[str | Link]]


@dataclass(frozen=True)
class Picture:
    """An image file with the words that stand for it."""

    path: Path
    words: str


@dataclass(frozen=True)
class Contents:
    """Links to headings."""

    headings: Sequence[Heading]


Block = Heading | Paragraph | Table | Picture | Contents
