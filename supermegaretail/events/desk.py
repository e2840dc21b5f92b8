"""What planners do with events, behind the API and the page alike. They are kept as overrides are, under another name.

Methods that write block: call them in a thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from common.overrides.desk import refusals
from common.overrides.live import LiveOverrides
from common.service.problems import Problem
from common.state.overrides import MAX_DAYS, MOST_IN_FORCE, Clash, Override, OverrideStore, iso
from common.state.writes import seen_here
from supermegaretail.events.contract import NewEvent
from supermegaretail.events.planned import AFTER_DAYS, PlannedEvents
from supermegaretail.overriding import Scope

SCOPE = "supermegaretail.events"
MOST_OF_A_STORE = 200  # in force; a forecast looks at all of them
NEW = "new"  # the id of what has none yet
FIELDS = ("name", "first_day", "last_day", "factor")
log = structlog.get_logger(__name__)


class EventDesk:
    """The events of one state database: `live.value` is what forecasts read."""

    def __init__(self, state: Engine) -> None:
        self._store = OverrideStore(state, SCOPE)
        self._past: list[Override] = []
        self._found: Sequence[Override] = ()
        self.live = LiveOverrides(self._store, self._made)

    def add(self, wish: NewEvent) -> Override:
        """In force here when it returns; `Problem` 404, 409 or 422 where it can't be, 503 where it is only stored."""
        now = datetime.now(UTC)
        with refusals():
            made = self.live.store.add(
                scope_of(wish).target,
                value_of(wish),
                owner=wish.owner,
                reason=wish.reason,
                ticket=wish.ticket,
                ends_at=end_of(wish, now),
                now=now,
                replaces=wish.replaces,
                clash=lambda others: _refuse_same(wish, others),
                most=(f"{wish.store}\n", MOST_OF_A_STORE),
            )
        log.info("planned_event.added", event_id=made.id, owner=made.owner, ends_at=made.ends_at)
        self._look(f"the event {made.id} is stored")
        return made

    def withdraw(self, event_id: str, *, why: str = "") -> None:
        """Unknown to forecasts here when it returns; `Problem` 404, or 503 where that is only stored."""
        if not self.live.store.withdraw(event_id, now=datetime.now(UTC), why=why):
            raise Problem(404, "no event of this id is in force")
        log.info("planned_event.withdrawn", event_id=event_id)
        self._look("it is withdrawn")

    def listed(self, words: str = "") -> list[dict[str, Any]]:
        """Those in force that have these words, by their first day; from memory."""
        told = (shown(one) for one in self.live.all)
        fitting = (one for one in told if words in f"{one['sentence']} {one['owner']} {one['id']}".casefold())
        return sorted(fitting, key=lambda one: (one["first_day"], one["id"]))

    def find(self, event_id: str) -> dict[str, Any] | None:
        """As `listed` tells it; None if it is not in force."""
        return next((shown(one) for one in self.live.all if one.id == event_id), None)

    def _made(self, found: Sequence[Override]) -> PlannedEvents:
        """The end of one needs no database: where that is away, it joins the past that was read last."""
        now, there = iso(datetime.now(UTC)), {one.id for one in found}
        gone = [one for one in self._found if one.id not in there]
        try:
            past = _past_of(self._store, found)
        except SQLAlchemyError:
            if len(gone) + len(found) > len(self._found) or any(now < one.ends_at for one in gone):
                raise
            past = [*gone, *self._past]
        self._found, self._past = found, past
        return PlannedEvents.of(found, past)

    def _look(self, done: str) -> None:
        seen_here(self.live, done, "events")


def planned(store: OverrideStore, found: Sequence[Override]) -> PlannedEvents:
    """What forecasts look up where these are in force; reads the past."""
    return PlannedEvents.of(found, _past_of(store, found))


def _past_of(store: OverrideStore, found: Sequence[Override]) -> list[Override]:
    """Those before them at the places of those that are expected to be like earlier ones."""
    unknown = {one.target for one in found if one.value.get("factor") is None}
    return store.past(now=datetime.now(UTC), limit=MOST_IN_FORCE, targets=unknown) if unknown else []


def shown(event: Override) -> dict[str, Any]:
    """As the API tells it."""
    scope = Scope.of(event.target)
    return {
        "id": event.id,
        "store": scope.store,
        "sku": scope.sku or None,
        "category": scope.category or None,
        **{name: event.value.get(name) for name in FIELDS},
        **{name: getattr(event, name) for name in ("owner", "reason", "ticket", "created_at", "ends_at")},
        "sentence": sentence(event),
    }


def sentence(event: Override) -> str:
    """What is expected, in a few words."""
    told = event.value
    days = f"{told['first_day']} to {told['last_day']}"
    return f"{told['name']} at {Scope.of(event.target)}, {days}: {effect(told['factor'])}"


def effect(factor: float | None) -> str:
    """+20 % demand, −30 % demand."""
    if factor is None:
        return "like earlier events of this name"
    return f"{'+' if factor >= 1 else '−'}{abs(factor - 1) * 100:.3g} % demand"


def scope_of(wish: NewEvent) -> Scope:
    return Scope(wish.store, wish.sku or "", wish.category or "")


def value_of(wish: NewEvent) -> dict[str, Any]:
    """As it is stored."""
    days = {"first_day": wish.first_day.isoformat(), "last_day": wish.last_day.isoformat()}
    return {"name": wish.name, **days, "factor": wish.factor}


def unsaved(wish: NewEvent) -> Override:
    """For a preview."""
    return Override(
        NEW, scope_of(wish).target, value_of(wish), wish.owner, wish.reason, "", "9999-01-01T00:00:00+00:00"
    )


def end_of(wish: NewEvent, now: datetime) -> datetime:
    """When it is forgotten: `ends_at`, or when no level remembers it, whichever clock is later: sales may be old."""
    if (wish.first_day - now.date()).days > MAX_DAYS:
        raise ValueError("first_day lies too far ahead")
    if wish.ends_at is not None:
        return wish.ends_at
    over = datetime.combine(wish.last_day, time(), UTC) + timedelta(days=1)
    end = max(over, now) + timedelta(days=AFTER_DAYS)
    if end > now + timedelta(days=MAX_DAYS):
        raise ValueError(f"last_day lies too far ahead: an event is known {MAX_DAYS - AFTER_DAYS} days ahead at most")
    return end


def ends_by_itself(event: Mapping[str, Any]) -> bool:
    """Whether an event, as it is shown, is forgotten when `end_of` says, because nobody said otherwise."""
    over = datetime.combine(date.fromisoformat(event["last_day"]), time(), UTC) + timedelta(days=1)
    end = max(over, datetime.fromisoformat(event["created_at"])) + timedelta(days=AFTER_DAYS)
    return abs(datetime.fromisoformat(event["ends_at"]) - end) < timedelta(minutes=1)


def _refuse_same(wish: NewEvent, others: Sequence[Override]) -> None:
    """One place has one event of a name on a day."""
    for other in others:
        told = other.value
        apart = wish.first_day.isoformat() > told["last_day"] or wish.last_day.isoformat() < told["first_day"]
        if told["name"].casefold() == wish.name.casefold() and not apart:
            raise Clash(f"{other.owner} told of {told['name']} on common days", other.id)
