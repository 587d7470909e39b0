"""Blocks as one HTML page that needs nothing else: pictures and style are inside."""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Sequence
from functools import singledispatch
from html import escape
from urllib.parse import quote

from moetheory.rates import Verdict
from moetheory.report.document import Block, Contents, Heading, Link, Paragraph, Picture, Table

_STYLE = """
:root { color-scheme: light dark; --line: #8886; --head: #8882; --good: #00664a; --bad: #a33b00; --weak: #7a5c00; }
@media (prefers-color-scheme: dark) { :root { --good: #4fd6ad; --bad: #ff9a5c; --weak: #f0d060; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h2 { border-top: 1px solid var(--line); margin-top: 3rem; padding-top: 1rem; }
h3 { margin-top: 2.5rem; }
img { display: block; width: 100%; max-width: 46rem; background: white; border-radius: 6px; margin: 1rem 0; }
.table { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: 0.875rem; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: 0.3rem 0.7rem; text-align: left; vertical-align: top; }
th { background: var(--head); }
td.consistent { color: var(--good); font-weight: 600; }
td.inconsistent { color: var(--bad); font-weight: 600; }
td.underpowered { color: var(--weak); font-weight: 600; }
"""


def render_html(blocks: Sequence[Block], title: str) -> str:
    """A whole HTML page."""
    body = "\n".join(_render(block) for block in blocks)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _cell(cell: str | Link) -> str:
    if isinstance(cell, Link):
        return f'<td><a href="{escape(str(cell.target))}">{escape(cell.text)}</a></td>'
    mark = f' class="{cell}"' if cell in set(Verdict) else ""
    return f"<td{mark}>{escape(cell)}</td>"


@singledispatch
def _render(block: Block) -> str:
    raise TypeError(f"block is {block!r}: it must be a part of a page; use those of moetheory.report.document.")


@_render.register
def _(block: Heading) -> str:
    return f'<h{block.level} id="{quote(block.anchor)}">{escape(block.text)}</h{block.level}>'


@_render.register
def _(block: Paragraph) -> str:
    lead = f"<strong>{escape(block.lead)}.</strong> " if block.lead else ""
    text = escape(block.text)
    return f"<p>{lead}" + (f'<a href="{escape(block.address)}">{text}</a>' if block.address else text) + "</p>"


@_render.register
def _(block: Table) -> str:
    header = "".join(f"<th>{escape(name)}</th>" for name in block.header)
    rows = "\n".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in block.rows)
    return f'<div class="table"><table>\n<tr>{header}</tr>\n{rows}\n</table></div>'


@_render.register
def _(block: Picture) -> str:
    kind = mimetypes.guess_type(block.path.name)[0]
    content = base64.b64encode(block.path.read_bytes()).decode()
    return f'<img alt="{escape(block.words)}" src="data:{kind};base64,{content}">'


@_render.register
def _(block: Contents) -> str:
    links = (f'<li><a href="#{quote(one.anchor)}">{escape(one.text)}</a></li>' for one in block.headings)
    return f"<nav><ul>{''.join(links)}</ul></nav>"
