"""What changed between two OpenAPI documents, and whether a caller of the older one would notice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]


class Side(Enum):
    """Who writes what a schema describes: that decides whether less or more of it breaks somebody."""

    REQUEST = "request"  # callers write it: what was allowed must stay allowed
    ANSWER = "answer"  # callers read it: what never came must not come


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: where, a sentence, and whether it breaks callers of the recorded document."""

    place: str
    what: str
    breaking: bool

    def __str__(self) -> str:
        return f"{self.place}: {self.what}"


Changes: TypeAlias = Iterator[Change]


def narrowed(side: Side, place: str, what: str) -> Change:
    """Fewer values are possible than before."""
    return Change(place, what, breaking=side is Side.REQUEST)


def widened(side: Side, place: str, what: str) -> Change:
    """More values are possible than before."""
    return Change(place, what, breaking=side is Side.ANSWER)
