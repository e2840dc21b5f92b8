"""Runbooks as operators read them in a browser: Markdown files of a fixed, simple form, one for each alert."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from common.incidents.alerts import find_alert

BESIDE_THE_CODE = Path(__file__).resolve().parents[2] / "docs" / "runbooks"
SECTIONS = ("What you see", "What it means", "How to check", "What to do", "How to know it is over")


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and its blocks, each a paragraph, a list of points, or lines to type."""

    heading: str
    blocks: tuple[tuple[str, tuple[str, ...]], ...]  # ("text" | "list" | "code", lines)


def read_runbook(name: str, folder: Path | None = None) -> list[Section] | None:
    """None for what is no alert, or has no file here; reads a file, so call it in a thread."""
    if find_alert(name) is None:
        return None
    path = (folder or BESIDE_THE_CODE) / f"{name}.md"
    try:
        return sections_of(path.read_text(encoding="utf-8"))
    except OSError:
        return None


def sections_of(text: str) -> list[Section]:
    """What follows each `## heading`."""
    parts = text.split("\n## ")[1:]
    return [Section(part.split("\n", 1)[0].strip(), _blocks(part.split("\n", 1)[1])) for part in parts]


def _blocks(text: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    blocks = []
    for block in text.strip("\n").split("\n\n"):
        lines = tuple(block.split("\n"))
        if all(line.startswith("    ") for line in lines):
            blocks.append(("code", tuple(line[4:] for line in lines)))
        elif lines[0].startswith("- "):
            blocks.append(("list", tuple(point.replace("\n ", "") for point in block[2:].split("\n- "))))
        else:
            blocks.append(("text", (" ".join(lines),)))
    return tuple(blocks)
