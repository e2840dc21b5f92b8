"""The search as it is served, and the same with stages taken away: by the switches that operators and callers have."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from common.chain.standing import Standing
from common.chain.switches import Switch, Switchboard
from photostock.contract import SearchFields
from photostock.engine import Engine
from photostock.hints import Hints

LEXICAL_ALONE, DENSE, WHOLE = "lexical alone", "dense alone", "the whole"
HINTS, FILTER, DIVERSITY = "hints and spelling", "learned filter", "diversity"
TIERS = ("reranker", "semantic", "lexical")
PARTS = (*TIERS, FILTER, HINTS, DIVERSITY)
FOR_EVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Variant:
    """A search without some of its parts.

    Args:
        kind: `stage` of the chain built up from below, the `whole`, or the whole with one part `removed`.
    """

    name: str
    kind: str
    without: frozenset[str]

    def of(self, engine: Engine) -> Engine:
        """The same engine without these parts; what is left is shared."""
        off = {tier: _off(tier) for tier in TIERS if tier in self.without}
        searcher = replace(engine.searcher, standing=Standing(Switchboard(lambda: off)))
        if HINTS in self.without:
            searcher = replace(searcher, hints=Hints, speller=None)
        if FILTER in self.without:
            searcher = replace(searcher, relevance=lambda: None)
        return replace(engine, searcher=searcher)

    def fields(self, **wanted: Any) -> SearchFields:
        """One search; diversity is switched off as a caller would."""
        return SearchFields(**wanted, diversity="off" if DIVERSITY in self.without else "on")


def variants(present: frozenset[str]) -> list[Variant]:
    """The chain from below, then the whole with each part removed in turn.

    Args:
        present: those of reranker and learned filter that there are.
    """
    always = {"semantic", HINTS, DIVERSITY}
    above = frozenset({FILTER, "reranker", HINTS, DIVERSITY})
    made = [Variant(LEXICAL_ALONE, "stage", above | {"semantic"}), Variant(DENSE, "stage", above)]
    steps = [part for part in (FILTER, "reranker", HINTS, DIVERSITY) if part in present | always]
    for place, part in enumerate(steps, start=1):
        kept_out = above - frozenset(steps[:place]) if place < len(steps) else frozenset()
        made.append(Variant(f"+ {part}", "stage", kept_out))
    made.append(Variant(WHOLE, "whole", frozenset()))
    removed = [part for part in PARTS if part in present | always]
    made += [Variant(f"without {part}", "removed", frozenset({part})) for part in removed]
    return [*made, Variant("without semantic and lexical", "removed", frozenset({"semantic", "lexical"}))]


def _off(tier: str) -> Switch:
    return Switch(target=tier, state="off", owner="evaluation", reason="to see what it adds", ends_at=FOR_EVER)
