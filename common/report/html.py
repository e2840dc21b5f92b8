"""A page without scripts, with nothing loaded from anywhere: readable on a phone, on paper and by ear."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from common.durable import put_in_place
from common.report.style import STYLE


def save_document(path: Path, title: str, parts: Iterable[str], *, style: str = "") -> None:
    """Writes the whole page; makes the folder."""
    with put_in_place(path) as draft:
        draft.write_text(document(title, parts, style=style), encoding="utf-8")


def document(title: str, parts: Iterable[str], *, style: str = "") -> str:
    """The whole page: parts are HTML already, `style` is added to what all pages share."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}{style}</style></head><body><main>{''.join(parts)}</main></body></html>\n"
    )


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]], *, style: str = "", best: int = -1) -> str:
    """A table whose first column names its rows; cells are HTML already. `best` is the row in bold."""
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title in heads)
    body = []
    for place, (first, *cells) in enumerate(rows):
        row = "".join(cell if cell.startswith("<td") else f"<td>{cell}</td>" for cell in cells)
        body.append(f'<tr{" class=best" if place == best else ""}><th scope="row">{escape(first)}</th>{row}</tr>')
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}">'
        f'<table class="{style}"><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def legend(names: Sequence[tuple[str, str]]) -> str:
    """Names with the look of their lines: (name, class)."""
    items = (
        f'<li><svg viewBox="0 0 26 10" aria-hidden="true">'
        f'<line class="line {style}" x1="0" x2="26" y1="5" y2="5"/></svg>{escape(text)}</li>'
        for text, style in names
    )
    return f'<ul class="legend">{"".join(items)}</ul>'


def figure(drawn: str, title: str, more: str = "") -> str:
    """A drawing with its caption; nothing where there is nothing to draw."""
    if not drawn:
        return ""
    tail = f" · {escape(more)}" if more else ""
    return f"<figure><figcaption><b>{escape(title)}</b>{tail}</figcaption>{drawn}</figure>"
