"""What Supermegaretail has of a person: their name, as owner, caller or operator, and models that learnt from them.

Nothing else belongs to people here. A product, a store or a category keeps its name, be it that of a person: sales are
found by it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, select, update

from common.erasing.keeper import Belongings
from common.erasing.person import Person
from common.erasing.replays import forgotten
from common.erasing.second_copy import SecondCopy
from common.erasing.whose import decided_in
from common.erasing.work import Erasing
from common.replay.store import STORE_FILE
from common.state.database import open_state
from common.state.erasures import ErasureStore
from common.state.overrides import OverrideStore, overrides
from common.versions.registry import Registry, RegistryError
from supermegaretail.events.desk import SCOPE as EVENTS
from supermegaretail.ledger import arrivals, past_arrivals
from supermegaretail.monitoring.outcome_store import outcomes
from supermegaretail.override_effects import told
from supermegaretail.settings import RetailSettings

SCOPE = "supermegaretail"
LEARNING = ("core", "correction")  # components that may be trained with labels from what people decided


def nothing_in_memory() -> None:
    """Of a process that serves nobody."""


class RetailKeeper:
    """Supermegaretail's part of an erasure.

    Args:
        forget_in_memory: empties what the process remembers.
    """

    scope, events_table = SCOPE, ""  # what people did is not kept
    counted, kept_apart = (overrides.name,), ()
    left_alone = tuple(table.name for table in (arrivals, past_arrivals, outcomes, told))
    decisions_found_by = frozenset({"id", "scope", "target"})

    def __init__(self, settings: RetailSettings, forget_in_memory: Callable[[], None] = nothing_in_memory) -> None:
        self.forget_in_memory = forget_in_memory
        self._replays = settings.replays_dir / STORE_FILE
        self._registry = Registry(settings.registry_dir)
        self._retrain_days = settings.erasure_retrain_days

    def belongings(self, connection: Connection, person: Person) -> Belongings:
        """What the person decided: it stays in force, under another name."""
        mine = overrides.c.owner == person.id, overrides.c.scope.in_([SCOPE, EVENTS])
        return Belongings(list(connection.execute(select(overrides.c.id).where(*mine)).scalars()))

    def remove(self, _connection: Connection, _person: Person, _belongings: Belongings) -> dict[str, int]:
        return {}

    def remove_files(self, _pictures: Sequence[str], *, removed: Mapping[str, int]) -> dict[str, int]:
        return {}

    def rename_in_texts(self, people: Sequence[Person]) -> dict[str, Counter[str]]:
        return {person.hash: Counter() for person in people}

    def remove_answers(self, people: Sequence[Person]) -> int:
        """Answers kept for replays that name one of the people."""
        return forgotten(self._replays, people, lambda _subjects: set())

    def retrain(self, belongings: Belongings, *, events: int) -> list[dict[str, str]]:
        """Versions that learnt from these decisions, and the last day to train them anew."""
        by = (datetime.now(UTC) + timedelta(days=self._retrain_days)).date().isoformat()
        return [
            {"component": component, "version": version, "why": f"trained with {used} of their decisions", "by": by}
            for component in LEARNING
            for version in self._versions(component)
            if (used := len(set(belongings.things) & self._learnt_from(component, version)))
        ]

    def _versions(self, component: str) -> list[str]:
        try:
            return self._registry.versions(component)
        except RegistryError:
            return []

    def _learnt_from(self, component: str, version: str) -> set[str]:
        try:
            training = self._registry.manifest(component, version).training
        except RegistryError:
            return set()
        labels = training.get("labels") or {}
        return set(labels.get("functions", ()))


def erasing_of(
    settings: RetailSettings, state: Engine, forget_in_memory: Callable[[], None] = nothing_in_memory
) -> Erasing:
    """Supermegaretail's erasures; versions in the registry and tables of sales are never changed."""
    OverrideStore(state, SCOPE)  # its table
    keeper = RetailKeeper(settings, forget_in_memory)
    untouched = (settings.registry_dir, settings.table_path, settings.replays_dir / "tables")
    return Erasing(state, keeper, settings.var_dir, untouched=untouched)


def open_erasing() -> Erasing:
    """Under this environment's settings; whom an older copy of the database brought back is forgotten again."""
    settings = RetailSettings()
    state = open_state(settings)
    SecondCopy(settings.var_dir, SCOPE).adopt_key(state)
    erasing = erasing_of(settings, state)
    erasing.restore(again(erasing.store))
    return erasing


def again(store: ErasureStore) -> Callable[[Connection, Mapping[str, str]], int]:
    """Takes the names from decisions of hashes of people, for a database that does not know that they were erased."""

    def erase(connection: Connection, until: Mapping[str, str]) -> int:
        renamed = 0
        ours = connection.execute(select(overrides.c.owner, overrides.c.scope).distinct()).all()
        for owner, scope in ours:
            person = Person(owner, store.person(owner))
            if person.hash in until and decided_in(SCOPE, scope):
                mine = update(overrides).where(overrides.c.owner == owner, overrides.c.scope == scope)
                renamed += connection.execute(mine.values(owner=person.pseudonym)).rowcount
        return renamed

    return erase
