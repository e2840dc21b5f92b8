"""What planners do with events, behind the API and the page alike. They are kept as overrides are, under another name.

Methods that write block: call them in a thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any

import structlog
from sqlalchemy import Engine

from common.overrides.live import LiveOverrides
from common.service.problems import Problem
from common.state.overrides import MAX_DAYS, Clash, Override, OverrideStore
from supermegaretail.events.contract import NewEvent
from supermegaretail.events.planned import AFTER_DAYS, PlannedEvents
from supermegaretail.overriding import Scope

SCOPE = "supermegaretail.events"
MOST_OF_A_STORE = 200  # each item of the store looks at all of them
NEW = "new"  # the id of what has none yet
FIELDS = ("name", "first_day", "last_day", "factor")
log = structlog.get_logger(__name__)


class EventDesk:
    """The events of one state database: `live.value` is what forecasts read."""

    def __init__(self, state: Engine) -> None:
        self.live = LiveOverrides(OverrideStore(state, SCOPE), PlannedEvents.of)

    def add(self, wish: NewEvent) -> Override:
        """In force here when it returns; `Problem` 404, 409 or 422 where it can't be."""
        now = datetime.now(UTC)
        if sum(Scope.of(one.target).store == wish.store for one in self.live.all) >= MOST_OF_A_STORE:
            raise Problem(409, f"{MOST_OF_A_STORE} events are known of this store: withdraw some")
        try:
            made = self.live.store.add(
                scope_of(wish).target,
                value_of(wish),
                owner=wish.owner,
                reason=wish.reason,
                ticket=wish.ticket,
                ends_at=_end(wish, now),
                now=now,
                replaces=wish.replaces,
                clash=lambda others: _refuse_same(wish, others),
            )
        except Clash as clash:
            detail = f"{clash}; replaces: {clash.other} would end it"
            raise Problem(409, detail, errors=[{"where": "replaces", "what": clash.other}]) from clash
        except LookupError as error:
            raise Problem(404, str(error.args[0])) from error
        except ValueError as error:
            raise Problem(422, str(error)) from error
        self.live.refresh()
        log.info("planned_event.added", event_id=made.id, owner=made.owner, ends_at=made.ends_at)
        return made

    def withdraw(self, event_id: str) -> None:
        """Unknown to forecasts here when it returns; `Problem` 404."""
        if not self.live.store.withdraw(event_id, now=datetime.now(UTC)):
            raise Problem(404, "no event of this id is in force")
        self.live.refresh()
        log.info("planned_event.withdrawn", event_id=event_id)

    def listed(self) -> list[dict[str, Any]]:
        """Those in force, by their first day; from memory."""
        return sorted((shown(one) for one in self.live.all), key=lambda one: (one["first_day"], one["id"]))


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


def _end(wish: NewEvent, now: datetime) -> datetime:
    """When it is forgotten: `ends_at`, or when no level remembers it, whichever clock is later: sales may be old."""
    if wish.ends_at is not None:
        return wish.ends_at
    try:
        over = datetime.combine(wish.last_day, time(), UTC) + timedelta(days=1)
    except OverflowError as error:
        raise ValueError("last_day lies too far ahead") from error
    end = max(over, now) + timedelta(days=AFTER_DAYS)
    if end > now + timedelta(days=MAX_DAYS):
        raise ValueError(f"last_day: an event is known {MAX_DAYS - AFTER_DAYS} days ahead at most")
    return end


def _refuse_same(wish: NewEvent, others: Sequence[Override]) -> None:
    """One place has one event of a name on a day."""
    for other in others:
        told = other.value
        apart = wish.first_day.isoformat() > told["last_day"] or wish.last_day.isoformat() < told["first_day"]
        if told["name"].casefold() == wish.name.casefold() and not apart:
            raise Clash(f"{other.owner} told of {told['name']} on common days", other.id)
