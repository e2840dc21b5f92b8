"""Which overrides a reranker no longer needs: the search puts the photo there by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from common.deadline import Deadline
from common.overrides.agreements import Agreement, Agreements
from common.state.overrides import Override, OverrideStore
from photostock.answering import ordered
from photostock.contract import SearchFields
from photostock.engine import Engine
from photostock.evaluation.bench import BUDGET_MS, bench
from photostock.kept import KeptSearches
from photostock.labels.decisions import SCOPE
from photostock.overriding import MOST_PLACES, Decision, PhotoOverrides
from photostock.ranking import RERANK_DEPTH
from photostock.settings import PhotoSettings

MOST_ASKED = 1_000  # overrides, the newest
FAR_DOWN = (
    RERANK_DEPTH // 2
)  # a photo behind this place is as good as banned: the reranker has put it behind the others


async def look(settings: PhotoSettings, version: str) -> list[Agreement]:
    """Asks a version about all overrides in force and keeps what it says; `NotReady` where nobody can be asked."""
    async with bench(settings) as (engine, _):
        return await propose(engine, version)


async def propose(engine: Engine, version: str) -> list[Agreement]:
    """The same where an engine is at hand, which asks a reranker that has the time."""
    found = await agreements(engine, version, engine.overrides.live.all)
    state = engine.overrides.live.store.engine
    keep(Agreements(state, SCOPE), found, OverrideStore(state, SCOPE))
    return found


async def agreements(engine: Engine, version: str, overrides: Sequence[Override]) -> list[Agreement]:
    """Of each override about a query what the search says without any, with this version of the reranker.

    `ratio` is the place of the photo ÷ the one that the override gives it.
    """
    decided = [(one, decision) for one in reversed(overrides) if (decision := Decision.of(one)) and decision.query]
    searcher = replace(engine.searcher, overrides=PhotoOverrides, metrics=None, kept=KeptSearches())
    found = []
    for one, decision in decided[:MOST_ASKED]:
        row = engine.library.row_of(decision.photo_id)
        if row is None:
            continue
        fields = SearchFields.model_construct(query=one.value["query"], per_page=MOST_PLACES)
        made = await searcher.search([fields], version=version, deadline=Deadline.after_ms(BUDGET_MS))
        [wanted], [served] = made.wanted, made.served
        if served.value is None or served.degraded:
            continue  # another order than the one that is asked about
        rows = ordered(engine.library, served.value, wanted, PhotoOverrides())[0].rows[:MOST_PLACES].tolist()
        place = rows.index(row) + 1 if row in rows else MOST_PLACES + 1
        found.append(agreement_of(one, decision, place, version))
    return found


def agreement_of(override: Override, decision: Decision, place: int, version: str) -> Agreement:
    """A pin is met by its place or a better one, a promotion by the first, a ban by a place far down."""
    if decision.effect == "ban":
        return Agreement(override.id, version, 1, place / (FAR_DOWN + 1), place > FAR_DOWN)
    told = decision.value if decision.effect == "pin" else 1
    return Agreement(override.id, version, 1, place / told, place <= told)


def keep(agreements: Agreements, found: Sequence[Agreement], store: OverrideStore) -> None:
    """Beside what is kept of those that were withdrawn once a model agreed: the next training must not forget them."""
    past = {one.id for one in store.past(now=datetime.now(UTC))} - {one.override_id for one in found}
    before = agreements.all()
    kept = [Agreement(name, **before[name]) for name in sorted(past & before.keys()) if before[name]["agrees"]]
    agreements.replace([*found, *kept])
