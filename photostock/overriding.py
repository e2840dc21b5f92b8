"""What editors decide over the ranking: a photo pinned to a place, banned, or promoted, for a query or for all.

Bans hold everywhere and in every order. Pins and promotions are about the order of relevance. A photo that the filter
does not let through is not shown, whoever pinned it.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from common.state.overrides import Override
from photostock.words import words_of

Effect: TypeAlias = Literal["pin", "ban", "promote"]
EFFECTS: tuple[Effect, ...] = ("pin", "ban", "promote")
Rows: TypeAlias = npt.NDArray[np.int64]
MOST_PLACES = 100  # where a photo can be pinned, and how far it can be promoted


def same_query(query: str) -> str:
    """One text for all ways to write a query: case, accents and punctuation do not matter."""
    return " ".join(words_of(query))


class Decision(NamedTuple):
    """One override as it is looked up; its end is Unix time."""

    id: str
    effect: Effect
    photo_id: str
    query: str
    value: int  # the place of a pin from 1, or how many places a promotion is worth
    ends_s: float

    @classmethod
    def of(cls, override: Override) -> Decision | None:
        """None for one that this version does not understand."""
        told = override.value
        if told.get("effect") not in EFFECTS or not isinstance(told.get("photo_id"), str):
            return None
        ends_s = datetime.fromisoformat(override.ends_at).timestamp()
        query = same_query(told.get("query") or "")
        return cls(override.id, told["effect"], told["photo_id"], query, int(told.get("value") or 0), ends_s)


class BannedRows:
    """Where banned photos are, looked up once for as long as neither the bans nor the rows change; by any thread."""

    def __init__(self) -> None:
        self._last: tuple[Collection[str], int, Rows] = ((), 0, np.zeros(0, np.int64))

    def rows(self, banned: Collection[str], row_of: Mapping[str, int], *, generation: int) -> Rows:
        """Ascending."""
        ids, of, rows = self._last
        if ids is not banned or of != generation:
            found = sorted(row for photo_id in banned if (row := row_of.get(photo_id)) is not None)
            rows = np.array(found, np.int64)
            self._last = banned, generation, rows
        return rows


@dataclass(frozen=True, slots=True)
class PhotoOverrides:
    """All in force; made when they change and never changed."""

    banned: Mapping[str, Decision] = field(default_factory=dict)  # by photo, for all queries
    promoted: Mapping[str, Decision] = field(default_factory=dict)
    by_query: Mapping[str, tuple[Decision, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, found: Iterable[Override]) -> PhotoOverrides:
        decisions = [decision for override in found if (decision := Decision.of(override)) is not None]
        by_query: dict[str, list[Decision]] = {}
        for one in decisions:
            if one.query:
                by_query.setdefault(one.query, []).append(one)
        everywhere = [one for one in decisions if not one.query]
        return cls(
            {one.photo_id: one for one in everywhere if one.effect == "ban"},
            {one.photo_id: one for one in everywhere if one.effect == "promote"},
            {query: tuple(some) for query, some in by_query.items()},
        )

    def about(self, *queries: str | None) -> tuple[Decision, ...]:
        """What was decided for one of these ways to put a query and is in force; of a photo what the first one says."""
        if not self.by_query:
            return ()
        now_s, found = time.time(), dict[str, Decision]()
        for query in dict.fromkeys(same_query(query) for query in queries if query):
            for one in self.by_query.get(query, ()):
                if now_s < one.ends_s:
                    found.setdefault(one.photo_id, one)
        return tuple(found.values())

    def reach(self, decisions: tuple[Decision, ...]) -> int:
        """How many more results have to be found, so that a page knows what is moved to it from a later one."""
        return MOST_PLACES if self.promoted or any(one.effect != "ban" for one in decisions) else 0
