"""How far overrides are from what would have been said without them, and who was nearer once the sales are known.

A request only leaves a note. Every few seconds some of them are looked at: where people decided everything, the chain
is asked once more, without overrides, for at most `MOST_ASKED` items.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import structlog
from sqlalchemy import Column, Engine, Float, MetaData, String, Table, case, delete, func, select, tuple_, update
from sqlalchemy.exc import SQLAlchemyError

from common.chain.fallback import Served
from common.deadline import Deadline
from common.overrides.uses import Count, OverrideUses
from common.state.database import create_tables, upsert
from supermegaretail.asking import Question
from supermegaretail.contract import Item
from supermegaretail.demand import Demand
from supermegaretail.features import Floats
from supermegaretail.forecast import Forecaster
from supermegaretail.history import SalesHistory
from supermegaretail.monitoring.scoring import DayKey, demand_on
from supermegaretail.overriding import Overrides

LOOK_EVERY_MS = 5_000
MOST_NOTED = 300  # shaped items between two looks whose difference is worked out; of the others only the use counts
MOST_ASKED = 50  # items that the models are asked about between two looks
ASKING_MS = 1_000
MOST_ROWS = 50_000  # overrides × items × days that await their sales, or have met them
MOST_MET = 5_000  # compared with sales at a time
KEPT_DAYS = 56  # after the day that was forecast
ONE_USE = Count(used=1)
KEY = ("override_id", "store", "sku", "day")
log = structlog.get_logger(__name__)

metadata = MetaData()
told = Table(
    "override_answers",
    metadata,
    Column("override_id", String(32), primary_key=True),
    Column("store", String(200), primary_key=True),
    Column("sku", String(200), primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("told", Float, nullable=False),
    Column("model", Float, nullable=False),  # what would have been said without overrides
    Column("actual", Float),  # units sold, once they are known
)


@dataclass(frozen=True, slots=True)
class Note:
    """One item's answer that people shaped."""

    item: Item
    question: Question
    demand: Demand


class OverrideEffects:
    """`note` returns at once; `watching` compares in the background."""

    def __init__(self, engine: Engine, forecaster: Forecaster, uses: OverrideUses) -> None:
        create_tables(engine, metadata)
        self.truths: Mapping[str, Mapping[str, Any]] = {}  # by override, as of the last flush
        self._engine = engine
        self._uses = uses
        self._without = replace(forecaster, overrides=Overrides, metrics=None)
        self._notes: deque[Note] = deque(maxlen=MOST_NOTED)
        self._met_until: tuple[str, ...] | None = None  # how far waiting rows were compared; None: to their end
        self._meeting: SalesHistory | None = None  # with which that was begun
        self._met: SalesHistory | None = None  # with which all were compared: it has nothing new to tell

    def note(self, items: Sequence[Item], served: Sequence[Served[Demand]], question: Question) -> None:
        """What a request was answered: adds to counts, and keeps some of it for the next look."""
        for item, one in zip(items, served, strict=True):
            if one.value is not None and one.value.shape is not None:
                for decision in one.value.shape.decisions:
                    self._uses.note(decision.id, ONE_USE)
                self._notes.append(Note(item, question, one.value))

    @asynccontextmanager
    async def watching(self, history: Callable[[], SalesHistory]) -> AsyncIterator[None]:
        """Looks every few seconds, for as long as the `async with` block lasts."""
        watcher = asyncio.create_task(self._look_for_ever(history))
        try:
            yield
        finally:
            watcher.cancel()

    async def look(self, history: SalesHistory) -> None:
        """Compares what was noted with what would have been said without overrides, and with what was sold."""
        notes = [self._notes.popleft() for _ in range(len(self._notes))]
        known = [(note, note.demand.before) for note in notes if note.demand.before is not None]
        unknown = list({(n.item.store, n.item.sku): n for n in notes if n.demand.before is None}.values())[-MOST_ASKED:]
        by_question: dict[Question, list[Note]] = {}
        for note in unknown:
            by_question.setdefault(note.question, []).append(note)
        deadline = Deadline.after_ms(ASKING_MS)
        for question, some in by_question.items():
            if deadline.expired:
                break
            items = [note.item for note in some]
            made = await self._without.forecast(items, question, history=history, deadline=deadline)
            values = zip(some, made.served, strict=True)
            known += [(note, one.value.per_day) for note, one in values if one.value is not None]
        await asyncio.to_thread(self._compare_all, known, history)

    async def _look_for_ever(self, history: Callable[[], SalesHistory]) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_MS / 1000)
            try:
                await self.look(history())
            except SQLAlchemyError as error:
                log.warning("overrides.not_compared", error=type(error).__name__)
            except Exception:
                log.exception("overrides.bug")

    def _compare_all(self, known: Sequence[tuple[Note, Floats]], history: SalesHistory) -> None:
        rows: dict[tuple[str, ...], dict[str, Any]] = {}
        for note, before in known:
            for row in self._compared(note, before, history.last_day):
                rows[tuple(row[name] for name in KEY)] = row
        if rows:
            statement = upsert(self._engine, told)
            new = {name: statement.excluded[name] for name in ("told", "model")}
            storing = statement.on_conflict_do_update(index_elements=KEY, set_=new)
            with self._engine.begin() as connection:
                connection.execute(storing, [rows[key] for key in sorted(rows)])
        if history.last_day is not None:
            self._meet(history, history.last_day)
        self.truths = self._read()

    def _compared(self, note: Note, before: Floats, last_day: date | None) -> Iterator[dict[str, Any]]:
        """Counts how far each decision is from the model, and gives the days of which the sales are to come."""
        assert note.demand.shape is not None
        first = note.question.as_of.toordinal() + 1
        apart = note.demand.per_day - before
        for decision in note.demand.shape.decisions:
            days = range(*slice(max(decision.first - first, 0), max(decision.last - first + 1, 0)).indices(len(apart)))
            if not days:
                continue
            own = apart[days.start : days.stop]
            self._uses.note(decision.id, Count(0, 1, float(own.mean()), float(np.abs(own).mean())))
            for ahead in days:
                day = note.question.as_of + timedelta(days=1 + ahead)
                if apart[ahead] and (last_day is None or day > last_day):  # else it is no forecast
                    numbers = {"told": float(note.demand.per_day[ahead]), "model": float(before[ahead])}
                    key = (decision.id, note.item.store, note.item.sku, day.isoformat())
                    yield {**dict(zip(KEY, key, strict=True)), **numbers}

    def _meet(self, history: SalesHistory, last_day: date) -> None:
        if history is not self._met:
            self._meet_some(history, last_day)
        with self._engine.begin() as connection:
            long_ago = min(last_day, datetime.now(UTC).date()) - timedelta(days=KEPT_DAYS)
            connection.execute(delete(told).where(told.c.day < long_ago.isoformat()))
            surplus = connection.execute(select(func.count()).select_from(told)).scalar_one() - MOST_ROWS
            if surplus > 0:
                last_gone = select(told.c.day).order_by(told.c.day).offset(surplus - 1).limit(1)
                connection.execute(delete(told).where(told.c.day <= last_gone.scalar_subquery()))

    def _meet_some(self, history: SalesHistory, last_day: date) -> None:
        """Goes on where the last time ended, for some days never become known: stock-outs, unknown products."""
        waiting = select(told).where(told.c.actual.is_(None), told.c.day <= last_day.isoformat())
        key = [told.c[name] for name in KEY]
        if self._met_until is None:
            self._meeting = history
        else:
            waiting = waiting.where(tuple_(*key) > self._met_until)
        with self._engine.begin() as connection:
            rows = connection.execute(waiting.order_by(*key).limit(MOST_MET)).mappings().all()
            keys: list[DayKey] = [(row["store"], row["sku"], date.fromisoformat(row["day"])) for row in rows]
            for row, actual in zip(rows, demand_on(history, keys).tolist(), strict=True):
                if np.isfinite(actual):
                    mine = [told.c[name] == row[name] for name in KEY]
                    connection.execute(update(told).where(*mine).values(actual=actual))
        if len(rows) < MOST_MET:
            self._met_until, self._met = None, self._meeting
        else:
            self._met_until = tuple(rows[-1][name] for name in KEY)

    def _read(self) -> dict[str, dict[str, Any]]:
        ours, models = func.abs(told.c.told - told.c.actual), func.abs(told.c.model - told.c.actual)
        query = select(
            told.c.override_id,
            func.count().label("days"),
            func.sum(ours).label("error"),
            func.sum(models).label("model_error"),
            func.sum(case((ours < models, 1), else_=0)).label("nearer"),
        )
        with self._engine.connect() as connection:
            rows = connection.execute(query.where(told.c.actual.is_not(None)).group_by(told.c.override_id)).mappings()
            return {
                row["override_id"]: {
                    "days": row["days"],
                    "mean_error": round(row["error"] / row["days"], 4),
                    "mean_model_error": round(row["model_error"] / row["days"], 4),
                    "nearer_days": int(row["nearer"]),
                    "was_nearer": bool(row["error"] < row["model_error"]),
                }
                for row in rows
            }
