"""Blocks as Markdown of the GitHub flavour, with links relative to the page."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import singledispatch
from pathlib import Path
from urllib.parse import quote

from moetheory.report.document import Block, Contents, Heading, Link, Paragraph, Picture, Table


def render_markdown(blocks: Sequence[Block], folder: Path) -> str:
    """A Markdown page that will lie in `folder`."""
    return "\n\n".join(_render(block, folder) for block in blocks) + "\n"


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\`*\[\]<>|#~$])", r"\\\1", " ".join(text.split()))


def _row(cells: Sequence[str | Link], folder: Path) -> str:
    return "| " + " | ".join(_cell(cell, folder) for cell in cells) + " |"


def _cell(cell: str | Link, folder: Path) -> str:
    if isinstance(cell, str):
        return _plain(cell)
    target = quote(_relative(cell.target, folder)) if isinstance(cell.target, Path) else cell.target
    return f"[{_plain(cell.text)}]({target})"


def _relative(path: Path, folder: Path) -> str:
    return os.path.relpath(path, folder).replace(os.sep, "/")


@singledispatch
def _render(block: Block, folder: Path) -> str:
    raise TypeError(f"block is {block!r}: it must be a part of a page; use those of moetheory.report.document.")


@_render.register
def _(block: Heading, folder: Path) -> str:
    return f'<a id="{quote(block.anchor)}"></a>\n\n{"#" * block.level} {_plain(block.text)}'


@_render.register
def _(block: Paragraph, folder: Path) -> str:
    lead = f"**{_plain(block.lead)}.** " if block.lead else ""
    text = _plain(block.text)
    return lead + (f"[{text}]({block.address})" if block.address else text)


@_render.register
def _(block: Table, folder: Path) -> str:
    rows = [block.header, ["---"] * len(block.header), *block.rows]
    return "\n".join(_row(row, folder) for row in rows)


@_render.register
def _(block: Picture, folder: Path) -> str:
    return f"![{_plain(block.words)}]({quote(_relative(block.path, folder))})"


@_render.register
def _(block: Contents, folder: Path) -> str:
    return "\n".join(f"- [{_plain(heading.text)}](#{quote(heading.anchor)})" for heading in block.headings)
