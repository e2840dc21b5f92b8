"""The blocks of the home page: each part of a service tells in one look how it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import structlog

Level: TypeAlias = Literal["good", "attention", "bad", "quiet"]
MOST_LINES = 8
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a block says now: a sentence, and lines of (what, how)."""

    level: Level
    sentence: str
    lines: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Block:
    """`read` is called on the event loop whenever somebody looks: from memory only. `path` is the page with more."""

    title: str
    path: str | None
    read: Callable[[], Shown]

    def shown(self) -> Shown:
        """A block with a bug of ours says so, and the others are still to be seen."""
        try:
            said = self.read()
        except Exception:
            log.exception("panel.block_bug", block=self.title)
            return Shown("bad", "This can't be told just now: an error of ours, which the log has.")
        return Shown(said.level, said.sentence, tuple(said.lines)[:MOST_LINES])
