"""What operators do with the overrides of one service, behind the API, the page and the command line alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Generic, Protocol, TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

from common.deadline import Deadline
from common.errors import PoolFull
from common.overrides.agreements import Agreements
from common.overrides.contract import NewDecision
from common.overrides.live import LiveOverrides
from common.overrides.report import LOOKED_AT, Limits, concerns, story
from common.overrides.uses import OverrideUses
from common.service.problems import Problem, not_now
from common.state.overrides import Clash, Override, TooMany, iso, not_in_force, stored_end
from common.state.writes import seen_here
from common.workers import WorkerPool

Made = TypeVar("Made")
Wish = TypeVar("Wish", bound=NewDecision, contravariant=True)
Told = TypeVar("Told")
Truths = Mapping[str, Mapping[str, Any]]
WAITING = 16  # operators at a time
NEW = "new"  # the id of what is not saved
log = structlog.get_logger(__name__)


class Rules(Protocol[Wish]):
    """What a service's overrides are about."""

    def target(self, wish: Wish) -> str:
        """What it is about: overrides of one target can be at odds."""

    def value(self, wish: Wish) -> dict[str, Any]:
        """What it decides, as it is stored."""

    def clash(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> str | None:
        """Why two values for one target can't be true together; None if they can."""

    def shown(self, override: Override) -> dict[str, Any]:
        """The fields of its target and value, as operators sent them."""

    def sentence(self, override: Override) -> str:
        """What it decides, in a few words."""

    def counts_uses(self, override: Override) -> bool:
        """Whether it can be told when it shaped an answer."""

    def shadows(self, overrides: Sequence[Override]) -> dict[str, list[str]]:
        """By the id of an override that others leave nothing to decide: theirs."""


@contextmanager
def refusals() -> Iterator[None]:
    """What a store does not take, as the `Problem` that callers are told: 404, 409 or 422."""
    try:
        yield
    except Clash as clash:
        detail = f"{clash}; replaces: {clash.other} would end it"
        raise Problem(409, detail, errors=[{"where": "replaces", "what": clash.other}]) from clash
    except TooMany as error:
        raise Problem(409, str(error)) from error
    except LookupError as error:
        raise Problem(404, str(error.args[0])) from error
    except ValueError as error:
        where, _, what = str(error).partition(" ")  # the field comes first
        raise Problem(422, f"{where}: {what}", errors=[{"where": where, "what": what}]) from error


@dataclass(frozen=True, slots=True)
class Tried(Generic[Made]):
    """One that is not saved, among the others: `made` is what requests would look up."""

    new: Override
    made: Made
    conflicts: list[dict[str, str]]
    shadowed_by: list[str]


class OverrideDesk(Generic[Made, Wish]):
    """Its methods block: who writes takes the service's writer thread, who reads takes `ask`; `close` it at the end."""

    def __init__(
        self,
        live: LiveOverrides[Made],
        uses: OverrideUses,
        rules: Rules[Wish],
        *,
        truths: Callable[[], Truths] = dict,
    ) -> None:
        self.live = live
        self.uses = uses
        self.rules = rules
        self.counts = Counter[str]()  # `in_force`, and by concern; as of the last `count`
        self._truths = truths
        self._agreements = Agreements(live.store.engine, live.store.scope)
        self._readers = WorkerPool("overrides", threads=1, queue=WAITING)
        self._counted: tuple[object, object, str] | None = None  # of which copy, uses and ten minutes
        uses.flushed = self.count

    async def ask(self, work: Callable[[], Told], *, deadline: Deadline) -> Told:
        """What `work` reads, in a thread that no write waits for; `Problem` 429 or 503 where it can't be told now."""
        try:
            return await self._readers.run(work, deadline=deadline)
        except (PoolFull, TimeoutError, SQLAlchemyError) as error:
            raise not_now(error, "the overrides can't be told in time") from error

    def close(self) -> None:
        self._readers.close()

    def add(self, wish: Wish) -> Override:
        """In force here when it returns; `Problem` 404, 409 or 422 where it can't be, 503 where it is only stored."""
        value, now = self.rules.value(wish), datetime.now(UTC)
        with refusals():
            made = self.live.store.add(
                self.rules.target(wish),
                value,
                owner=wish.owner,
                reason=wish.reason,
                ends_at=wish.ends_at,
                now=now,
                ticket=wish.ticket,
                plan=wish.plan,
                plan_due=_day(wish.plan_due),
                replaces=wish.replaces,
                clash=lambda others: self._refuse_clash(value, others),
            )
        log.info("override.added", override_id=made.id, owner=made.owner, ends_at=made.ends_at)
        self._look(f"override {made.id} is stored")
        return made

    def unsaved(self, wish: Wish) -> Override:
        """For a preview, from memory: `Problem` 404 or 422 for an end or a `replaces` that `add` does not take."""
        now = datetime.now(UTC)
        with refusals():
            end = stored_end(wish.ends_at, now)
            if wish.replaces is not None and all(one.id != wish.replaces for one in self.live.all):
                raise not_in_force(wish.replaces)
        return Override(NEW, self.rules.target(wish), self.rules.value(wish), wish.owner, wish.reason, iso(now), end)

    def tried(self, wish: Wish) -> Tried[Made]:
        """For a preview, in a thread: of thousands it takes tenths of a second; the `Problem`s of `unsaved`."""
        new, others = self.unsaved(wish), [one for one in self.live.all if one.id != wish.replaces]
        same = [one for one in others if one.target == new.target]
        told = [(one, self.rules.clash(new.value, one.value)) for one in same]
        conflicts = [{"id": one.id, "owner": one.owner, "why": why} for one, why in told if why is not None]
        together = [*others, new]
        return Tried(new, self.live.make(together), conflicts, self.rules.shadows(together).get(NEW, []))

    def withdraw(self, override_id: str, *, why: str = "") -> None:
        """Out of force here when it returns; `Problem` 404, or 503 where that is only stored."""
        if not self.live.store.withdraw(override_id, now=datetime.now(UTC), why=why):
            raise Problem(404, "no override of this id is in force")
        log.info("override.withdrawn", override_id=override_id)
        self._look("it is withdrawn")

    def shown(self, override: Override) -> dict[str, Any]:
        """As the API tells it."""
        document = {name: value for name, value in override.as_json().items() if name not in ("target", "value")}
        return {**document, **self.rules.shown(override)}

    def stories(self, chosen: Sequence[Override] | None = None) -> list[dict[str, Any]]:
        """Of these, or of all in force: use, effect, and what speaks for a look at each."""
        agreements, truths, found = self._agreements.all(), self._truths(), self.live.all
        told = found if chosen is None else chosen
        concerned, shadows = self.concerned(told), self.rules.shadows(found)
        return [
            {
                **self.shown(one),
                "sentence": self.rules.sentence(one),
                **story(
                    use=self.uses.stored.get(one.id),
                    truth=truths.get(one.id),
                    shadowed_by=shadows.get(one.id, []),
                    concerns=concerned.get(one.id, []),
                    agreement=agreements.get(one.id),
                ),
            }
            for one in told
        ]

    def page(self, *, after: str | None, limit: int) -> tuple[list[dict[str, Any]], str | None]:
        """Stories of the oldest that come after this one, and the id after which to go on; None at the end."""
        found = self.live.all
        start = 0 if after is None else next((n for n, one in enumerate(found, start=1) if one.id == after), None)
        if start is None:
            raise Problem(404, f"after: no override {after!r} is in force any more")
        some = found[start : start + limit]
        return self.stories(some), some[-1].id if len(found) > start + limit else None

    def agreed(self) -> frozenset[str]:
        """The ids of those with which the newest model agrees by itself; reads the database."""
        return frozenset(override_id for override_id, one in self._agreements.all().items() if one["agrees"])

    def count(self) -> None:
        """Works `counts` out, if anything has changed or ten minutes are over; in a thread: it takes milliseconds."""
        value, stored, ten_minutes = seen = (self.live.value, self.uses.stored, iso(datetime.now(UTC))[:15])
        if (last := self._counted) and last[0] is value and last[1] is stored and last[2] == ten_minutes:
            return
        self._counted = seen
        concerned = self.concerned(self.live.all)
        found = Counter(name for names in concerned.values() for name in names)
        found["in_force"] = len(concerned)
        self.counts = found

    def concerned(self, some: Sequence[Override]) -> dict[str, list[str]]:
        """What speaks for a look at each of these, by id; from memory, so without `AGREES`."""
        limits, stored = Limits.at(datetime.now(UTC)), self.uses.stored
        return {
            one.id: concerns(
                one,
                last_used_at=stored[one.id]["last_used_at"] if one.id in stored else None,
                counted=self.rules.counts_uses(one),
                limits=limits,
            )
            for one in some
        }

    def report(self) -> dict[str, Any]:
        """How many are in force, how many need a look and why, and these."""
        stories = self.stories()
        counts = {name: sum(name in one["concerns"] for one in stories) for name in LOOKED_AT}
        return {"in_force": len(stories), **counts, "overrides": [one for one in stories if one["concerns"]]}

    def _look(self, done: str) -> None:
        seen_here(self.live, done, "overrides")
        self.count()

    def _refuse_clash(self, value: Mapping[str, Any], others: Sequence[Override]) -> None:
        for other in others:
            if (why := self.rules.clash(value, other.value)) is not None:
                raise Clash(f"override {other.id} by {other.owner} is in force: {why}", other.id)


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
