"""What editors may decide about photos, how it is stored, when two decisions are at odds, and how it is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from common.state.overrides import Override
from photostock.contract import NewPhotoOverride
from photostock.overriding import Decision, same_query

MOST_TOLD = 20  # of those that win over one
WORDS = {
    "pin": "{photo_id} at place {value} for “{query}”",
    "ban": "never {photo_id}",
    "promote": "{photo_id} {value} places up",
}


class PhotoRules:
    """See `common.overrides.desk.Rules`."""

    def target(self, wish: NewPhotoOverride) -> str:
        """A photo, for a query or for all."""
        return f"{wish.photo_id}\n{same_query(wish.query or '')}"

    def value(self, wish: NewPhotoOverride) -> dict[str, Any]:
        told = {"effect": wish.effect, "photo_id": wish.photo_id, "query": wish.query}
        return {**told, "value": wish.position if wish.effect == "pin" else wish.boost}

    def clash(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> str | None:
        """One decision about a photo for a query."""
        return f"{other['effect']} of the same photo{' for the same query' if other.get('query') else ''}"

    def shown(self, override: Override) -> dict[str, Any]:
        told = override.value
        effect, value = told.get("effect"), told.get("value")
        return {
            "effect": effect,
            "photo_id": told.get("photo_id"),
            "query": told.get("query"),
            "position": value if effect == "pin" else None,
            "boost": value if effect == "promote" else None,
        }

    def sentence(self, override: Override) -> str:
        told = override.value
        words = WORDS[told["effect"]].format(**told)
        return words + (f" for “{told['query']}”" if told.get("query") and told["effect"] != "pin" else "")

    def counts_uses(self, override: Override) -> bool:
        """Not of a ban for all queries: what is never found is not missed."""
        return override.value.get("effect") != "ban" or bool(override.value.get("query"))

    def shadows(self, overrides: Sequence[Override]) -> dict[str, list[str]]:
        """A ban for all queries wins over all about its photo, what is decided for a query over what is for all, and
        of pins at one place the newer ones over the older."""
        decisions = [decision for override in overrides if (decision := Decision.of(override)) is not None]
        bans = {one.photo_id: one.id for one in decisions if one.effect == "ban" and not one.query}
        for_queries, places = dict[str, list[str]](), dict[tuple[str, int], list[str]]()
        for one in decisions:
            if one.query:
                for_queries.setdefault(one.photo_id, []).append(one.id)
            if one.effect == "pin":
                places.setdefault((one.query, one.value), []).append(one.id)
        found: dict[str, list[str]] = {}
        for same in places.values():
            for place, override_id in enumerate(same[:-1], start=1):
                found[override_id] = same[place : place + MOST_TOLD]
        for one in decisions:
            if bans.get(one.photo_id, one.id) != one.id:
                found.setdefault(one.id, []).append(bans[one.photo_id])
            elif one.effect == "promote" and not one.query and one.photo_id in for_queries:
                found[one.id] = for_queries[one.photo_id][:MOST_TOLD]
        return found


def for_commands() -> tuple[type[NewPhotoOverride], PhotoRules]:
    """What the command line reads and shows."""
    return NewPhotoOverride, PhotoRules()
