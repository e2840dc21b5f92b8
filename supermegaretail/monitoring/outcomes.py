"""Past forecasts scored in the background as sales become known, and what that says about the tiers."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from operator import itemgetter
from typing import Any

import polars as pl
import structlog
from sqlalchemy.exc import SQLAlchemyError

from supermegaretail.contract import Sale
from supermegaretail.history import SalesHistory
from supermegaretail.monitoring.alarms import Alarm, Limits, added_up, alarms, figures
from supermegaretail.monitoring.outcome_store import DETAIL_DAYS, WINDOW_DAYS, OutcomeStore
from supermegaretail.monitoring.prediction_log import PredictionLog
from supermegaretail.monitoring.scoring import COLUMNS, DayKey, Group, Sums, countable, demand_on, scored

KEYS_AT_ONCE = 1_000  # scored in one go, and in one transaction
KEYS_READ_AT_ONCE = 5_000  # from the log in one go: some 40 MB when each day was forecast from 28 distances
MOST_WAITING = 50_000  # sales; beyond that they are looked up again instead of remembered
GATHER_S = 0.5  # reports come in bursts
LOOK_AFTER_S = 10.0  # after the start: what was sold while nobody scored
REFRESH_EVERY_S = 15.0  # the figures, of which other processes change some
RETRY_AFTER_S = 5.0
LONGEST_REST_S = 1.0
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of the last weeks that have been scored."""

    until: date | None = None  # the last day with a score
    groups: dict[Group, Sums] = field(default_factory=dict)
    alarms: dict[Alarm, str] = field(default_factory=dict)  # since when, ISO 8601

    def as_json(self) -> dict[str, Any]:
        return {
            "until": None if self.until is None else self.until.isoformat(),
            "window_days": WINDOW_DAYS,
            "figures": [
                {"tier": tier, "version": version, "horizon_days": horizon, **figures(sums).as_json()}
                for (tier, version, horizon), sums in sorted(self.groups.items())
            ],
            "totals": [
                {"tier": tier, "version": version, **figures(sums).as_json()}
                for (tier, version), sums in sorted(added_up(self.groups, by=(0, 1)).items())
            ],
            "alarms": [
                {"name": one.name, "tier": one.tier, "version": one.version, "text": one.text, "since": since}
                for one, since in self.alarms.items()
            ],
        }


class Outcomes:
    """One thread scores. `sold`, `arrived` and `look_again` return at once; to be started and closed once.

    Args:
        history: gives the newest sales, from any thread.
    """

    def __init__(
        self,
        store: OutcomeStore,
        predictions: PredictionLog,
        history: Callable[[], SalesHistory],
        *,
        limits: Limits | None = None,
        gather_s: float = GATHER_S,
        look_after_s: float = LOOK_AFTER_S,
    ) -> None:
        self.report = Report()
        self.trouble: str | None = None  # why what was sold is not scored
        self._store = store
        self._predictions = predictions
        self._history = history
        self._limits = limits or Limits()
        self._gather_s = gather_s
        self._look_after_s = look_after_s
        self._waiting: deque[Sequence[DayKey]] = deque()
        self._waiting_rows = 0
        self._forgot_until: date | None = None
        self._look_at_s: float | None = None  # when all of the log is to be compared with what is known
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="outcomes", daemon=True)

    def start(self) -> None:
        self._look_at_s = time.monotonic() + self._look_after_s
        self._thread.start()

    def sold(self, sales: Sequence[Sale]) -> None:
        """These sales are in the history now."""
        self.arrived([(sale.store, sale.sku, sale.date) for sale in sales])

    def arrived(self, keys: Sequence[DayKey]) -> None:
        """Likewise. When too many wait, the log is looked through instead: none is missed."""
        with self._changed:
            if self._waiting_rows + len(keys) > MOST_WAITING:
                self._look_at_s = time.monotonic()
            else:
                self._waiting.append(keys)
                self._waiting_rows += len(keys)
            self._changed.notify_all()

    def look_again(self) -> None:
        """Any sales may have changed: a table was imported."""
        with self._changed:
            self._look_at_s = time.monotonic()
            self._changed.notify_all()

    def close(self, timeout_s: float = 2.0) -> None:
        """Stops after the piece at work; what is not scored then is found at the next start."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._closing:
            try:
                self._round()
            except (SQLAlchemyError, OSError, pl.exceptions.PolarsError) as error:
                self._fail(f"can't be scored: {type(error).__name__}", f"{type(error).__name__}: {error}")
            except Exception:
                log.exception("outcomes.bug")
                self._fail("can't be scored: a bug", "bug")
            else:
                self.trouble = None

    def _fail(self, trouble: str, error: str) -> None:
        if self.trouble is None:
            log.warning("outcomes.not_scored", error=error)
        self.trouble = trouble
        with self._changed:
            self._look_at_s = time.monotonic() + RETRY_AFTER_S
            self._changed.wait_for(lambda: self._closing, RETRY_AFTER_S)

    def _round(self) -> None:
        self._refresh()
        reported, look = self._next()
        if reported or look:
            self._predictions.flush(RETRY_AFTER_S)  # what was told a moment ago counts, too
        self._score(sorted(reported, key=itemgetter(2)))  # a piece of few days is read from few files
        if look:
            for day in self._logged_days():
                self._score(self._changed_keys(day))

    def _next(self) -> tuple[list[DayKey], bool]:
        """Waits for sales, for the time to look again, or for the figures to be old; then for a burst to end."""
        with self._changed:
            due_s = None if self._look_at_s is None else max(self._look_at_s - time.monotonic(), 0.0)
            self._changed.wait_for(
                lambda: self._closing or self._waiting or self._looks_now(),
                REFRESH_EVERY_S if due_s is None else min(due_s, REFRESH_EVERY_S),
            )
            if self._waiting:
                self._changed.wait_for(lambda: self._closing, self._gather_s)
            reported = list(dict.fromkeys(key for keys in self._waiting for key in keys))
            self._waiting.clear()
            self._waiting_rows = 0
            look = self._looks_now()
            if look:
                self._look_at_s = None
            return reported, look

    def _looks_now(self) -> bool:
        return self._look_at_s is not None and time.monotonic() >= self._look_at_s

    def _score(self, keys: Sequence[DayKey]) -> None:
        """Scores items' days, piece by piece, resting as long as it worked: requests need the processor, too."""
        newest = self._store.newest_day()
        if newest is not None:
            keys = [key for key in keys if (newest - key[2]).days < DETAIL_DAYS]
        for read_from in range(0, len(keys), KEYS_READ_AT_ONCE):
            part = keys[read_from : read_from + KEYS_READ_AT_ONCE]
            began_s = time.monotonic()
            rows = self._forecasts(part)
            for start in range(0, len(part), KEYS_AT_ONCE):
                piece = part[start : start + KEYS_AT_ONCE]
                of_these = rows.join(_table_of(piece), on=["store", "sku", "day"], how="semi")
                history = self._history()
                found = scored(of_these, history)
                self._store.replace([key for key in piece if key in found or _is_hidden(history, key)], found)
                with self._changed:
                    self._changed.wait_for(lambda: self._closing, min(time.monotonic() - began_s, LONGEST_REST_S))
                if self._closing:
                    return
                began_s = time.monotonic()

    def _forecasts(self, keys: Sequence[DayKey]) -> pl.DataFrame:
        """The rows of the log about these items' days that were forecasts when they were made."""
        wanted = _table_of(keys).lazy()
        first, last = min(key[2] for key in keys), max(key[2] for key in keys)

        def ask(rows: pl.LazyFrame) -> pl.LazyFrame:
            of_these_days = rows.filter(pl.col("day").is_between(first, last), countable()).select(COLUMNS)
            return of_these_days.join(wanted, on=["store", "sku", "day"], how="semi")

        return self._predictions.partitions.read(ask)

    def _logged_days(self) -> Iterator[date]:
        """Days with forecasts in the log that the history reaches and that still can be scored, oldest first."""
        last_day, newest = self._history().last_day, self._store.newest_day()
        if last_day is not None:
            first_day = date.min if newest is None else newest - timedelta(days=DETAIL_DAYS - 1)
            within = pl.col("day").is_between(first_day, last_day)
            days = self._predictions.partitions.read(
                lambda rows: rows.filter(within, countable()).select("day").unique()
            )
            yield from sorted(days["day"])

    def _changed_keys(self, day: date) -> list[DayKey]:
        """Items with forecasts for the day whose demand is another one than they were scored with, if they were.

        Sales that are not known here are no change: another process scored them, and here they are still to come.
        """
        logged = self._predictions.partitions.read(
            lambda rows: rows.filter(pl.col("day") == day, countable()).select("store", "sku").unique()
        )
        keys: list[DayKey] = [(store, sku, day) for store, sku in logged.sort("store", "sku").iter_rows()]
        before = self._store.actuals(day)
        history = self._history()
        demand = zip(keys, demand_on(history, keys).tolist(), strict=True)
        return [
            key
            for key, now in demand
            if (key[:2] in before and _is_hidden(history, key))
            or (now == now and abs(now - before.get(key[:2], math.inf)) > 1e-6)
        ]

    def _refresh(self) -> None:
        until = self._store.newest_day()
        if until is None:
            return
        groups = self._store.sums(until=until)
        standing, began, ended = self._store.settle(alarms(self._store.daily(until=until), self._limits))
        self.report = Report(until, groups, standing)
        for one in began:
            log.warning("outcomes.alarm_began", alarm=one.name, tier=one.tier, version=one.version, text=one.text)
        for name, tier, version in ended:
            log.warning("outcomes.alarm_ended", alarm=name, tier=tier, version=version)
        if until != self._forgot_until:
            self._store.forget(until)
            self._forgot_until = until


def _table_of(keys: Sequence[DayKey]) -> pl.DataFrame:
    return pl.DataFrame(keys, schema=["store", "sku", "day"], orient="row")


def _is_hidden(history: SalesHistory, key: DayKey) -> bool:
    """Whether the day's sales are known, but a stock-out hid the demand."""
    place, day = history.panel.places.get(key[:2]), key[2].toordinal()
    known = place is not None and history.panel.series[place].last_report(day) == day
    return known and math.isnan(demand_on(history, [key])[0])
