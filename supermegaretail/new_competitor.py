"""The experiment behind labels: a competitor opens next to a store, and from one day to the next it sells 30 % less.

The model is wrong at first, and a planner multiplies its forecasts from that day on. A model's recent level follows the
sales within weeks, labels or not; what labels can teach is what the sales don't tell yet. So models are released soon
after the opening, each trained with labels and without, and measured on the store's next 14 days. The override is
withdrawn at the first release at which the rule of `retiring` holds.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from html import escape
from pathlib import Path

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table
from sqlalchemy import create_engine

from common.overrides.agreements import Agreement, Agreements, sentence
from common.report.html import save_document, table
from common.state.overrides import OverrideStore
from supermegaretail.decisions import functions_of
from supermegaretail.demo_data import demo_table
from supermegaretail.evaluation.measures import wape
from supermegaretail.evaluation.outcome import outcome
from supermegaretail.evaluation.tiers import CORRECTION, forecasts
from supermegaretail.features import MAX_HORIZON_DAYS, Floats
from supermegaretail.history import SalesHistory
from supermegaretail.labelling import Forecast, label
from supermegaretail.overriding import Scope
from supermegaretail.panel import Key
from supermegaretail.retiring import agreements
from supermegaretail.training import Trained, examples_for, rehearse

FALL = 0.7
RELEASES_DAYS = (3, 7, 14, 28)  # of sales since the opening that each training knows
MEASURED_DAYS = 14  # after each release
SERVICE = "supermegaretail"
TITLE = "A competitor next door"
COLUMNS = ("as of", "who forecasts", "WAPE", "bias", "WAPE, overridden", "bias, overridden")


@dataclass(frozen=True, slots=True)
class Errors:
    """Of one forecast of the store; a positive bias is too much."""

    wape: float
    bias: float


@dataclass(frozen=True, slots=True)
class Shown:
    """The store over the 14 days after `as_of`, without the override and with it."""

    who: str
    as_of: date
    alone: Errors
    overridden: Errors


@dataclass(frozen=True, slots=True)
class Judged:
    """After a training: how many labels it had, and what the rule says of the override, None once it is gone."""

    as_of: date
    labels: int
    agreement: Agreement | None


@dataclass(frozen=True, slots=True)
class Story:
    """What came of it."""

    shown: Sequence[Shown]
    judged: Sequence[Judged]
    retired: date | None


def run(
    *, seed: int, stores: int = 6, products: int = 40, days: int = 600, rows: int | None = None, threads: int = 2
) -> Story:
    """All of it on synthetic sales; the same seed tells the same story. `rows`: examples, else the usual number."""
    whole, store, opening = _with_competitor(demo_table(seed=seed, stores=stores, products=products, days=days), seed)
    truth, eve = SalesHistory.build(whole), opening - timedelta(days=1)
    earlier = SalesHistory.build(_until(whole, eve))
    rows = rows or examples_for(earlier)
    champion = old = rehearse(earlier, until=eve, rows=rows, seed=seed, threads=threads)
    shown, judged, retired = [_shown("old model", truth, old, store, eve)], list[Judged](), None
    with tempfile.TemporaryDirectory(prefix="new-competitor-") as folder:
        engine = create_engine(f"sqlite:///{folder}/state.sqlite3")
        try:
            kept, proposed = OverrideStore(engine, SERVICE), Agreements(engine, SERVICE)
            override_id = _overridden(kept, store, opening)
            for known_days in RELEASES_DAYS:
                today = eve + timedelta(days=known_days)
                known, now = SalesHistory.build(_until(whole, today)), _evening(today)
                in_force = kept.in_force(now=now)
                functions = functions_of([*in_force, *kept.past(now=now)], [], today, now=now)
                made = label(known, functions, _forecast(known, champion)).rows
                train = partial(rehearse, known, until=today, rows=rows, seed=seed, threads=threads)
                without = train()
                champion = without if made.is_empty() else train(labels=partial(_told, made))
                shown += [
                    _shown(who, truth, model, store, today)
                    for who, model in (
                        ("old model", old),
                        ("new model, sales alone", without),
                        ("new model, sales and labels", champion),
                    )
                ]
                in_question = functions_of(in_force, [], today, now=now)
                found = agreements(known, in_question, _forecast(known, champion), version="the new model")
                proposed.replace(found)
                judged.append(Judged(today, made.height, next(iter(found), None)))
                if proposed.all().get(override_id, {}).get("agrees") and kept.withdraw(override_id, now=now):
                    retired = today
        finally:
            engine.dispose()
    return Story(shown, judged, retired)


def render(story: Story, console: Console) -> None:
    """Prints the table and what became of the override."""
    shown = Table(title=f"{TITLE}: the store's next {MEASURED_DAYS} days")
    for name in COLUMNS:
        shown.add_column(name, justify="left" if name in COLUMNS[:2] else "right")
    for row in _cells(story):
        shown.add_row(*row)
    console.print(shown)
    for said in sentences(story):
        console.print(said)


def save_page(story: Story, path: Path) -> None:
    """The same as a page."""
    told = "".join(f"<p>{escape(said)}</p>" for said in sentences(story))
    rows = [tuple(map(escape, row)) for row in _cells(story)]
    drawn = table(f"the store's next {MEASURED_DAYS} days", COLUMNS, rows)
    save_document(path, TITLE, [f"<h1>{TITLE}</h1>", told, drawn])


def sentences(story: Story) -> list[str]:
    """What became of the override."""
    said = []
    for one in story.judged:
        rule = "the override is gone"
        if one.agreement is not None:
            fate = "it is proposed for retirement" if one.agreement.agrees else "it stays"
            rule = f"{sentence(asdict(one.agreement))}: {fate}"
        said.append(f"As of {one.as_of}, {one.labels:,} labels; {rule}.")
    fate = "stays in force" if story.retired is None else f"was withdrawn on {story.retired}"
    return [*said, f"The override {fate}."]


def _cells(story: Story) -> list[tuple[str, ...]]:
    return [
        (
            one.as_of.isoformat(),
            one.who,
            *(text for errors in (one.alone, one.overridden) for text in (f"{errors.wape:.3f}", f"{errors.bias:+.3f}")),
        )
        for one in story.shown
    ]


def _overridden(kept: OverrideStore, store: str, opening: date) -> str:
    """What the planner decides on the day of the opening; its id."""
    now = datetime.combine(opening, time(8), UTC)
    return kept.add(
        Scope(store).target,
        {"effect": "factor", "value": FALL, "first_day": opening.isoformat()},
        owner="planner",
        reason="a competitor opened next door",
        plan="the next training",
        ends_at=now + timedelta(days=180),
        now=now,
    ).id


def _told(labels: pl.DataFrame, _history: SalesHistory, _as_of: date) -> pl.DataFrame:
    return labels


def _evening(day: date) -> datetime:
    return datetime.combine(day, time(22), UTC)


def _with_competitor(sales: pl.DataFrame, seed: int) -> tuple[pl.DataFrame, str, date]:
    """The sales with one store thinned from the opening on, that store, and the day of the opening."""
    store = sales["store"].min()
    last = sales.filter(pl.col("sales").is_not_null())["date"].max()
    assert isinstance(store, str)
    assert isinstance(last, date)
    opening = last - timedelta(days=MEASURED_DAYS + max(RELEASES_DAYS) - 1)
    units = sales["sales"].fill_null(0).to_numpy().astype(np.int64)
    thinned = pl.Series("thinned", np.random.default_rng(seed).binomial(units, FALL), dtype=sales["sales"].dtype)
    hit = (pl.col("store") == store) & (pl.col("date") >= opening) & pl.col("sales").is_not_null()
    made = sales.with_columns(thinned).with_columns(
        pl.when(hit).then(pl.col("thinned")).otherwise(pl.col("sales")).alias("sales")
    )
    return made.drop("thinned"), store, opening


def _until(sales: pl.DataFrame, day: date) -> pl.DataFrame:
    """What is known at the end of a day: later sales and stock-outs are not, plans are."""
    later = pl.col("date") > day
    unknown = [name for name in ("sales", "stockout_hours") if name in sales.columns]
    return sales.filter(pl.col("date") <= day + timedelta(days=MAX_HORIZON_DAYS)).with_columns(
        [pl.when(later).then(None).otherwise(pl.col(name)).alias(name) for name in unknown]
    )


def _forecast(history: SalesHistory, model: Trained) -> Forecast:
    return lambda items, as_of, days: _said(history, model, items, as_of)[:, :days]


def _said(history: SalesHistory, model: Trained, items: list[Key], as_of: date) -> Floats:
    made = forecasts(history, model, items, as_of=as_of, horizon_days=MAX_HORIZON_DAYS, quantiles=False)
    return made[CORRECTION].demand


def _shown(who: str, truth: SalesHistory, model: Trained, store: str, as_of: date) -> Shown:
    happened = outcome(truth, as_of=as_of, horizon_days=MEASURED_DAYS)
    mine = [row for row, item in enumerate(happened.items) if item[0] == store]
    sold = happened.sold[mine]
    demand = _said(truth, model, [happened.items[row] for row in mine], as_of)[:, :MEASURED_DAYS]
    return Shown(who, as_of, _errors(sold, demand), _errors(sold, FALL * demand))


def _errors(sold: Floats, demand: Floats) -> Errors:
    known = np.isfinite(sold)
    return Errors(wape(sold, demand), float((demand - sold)[known].sum() / sold[known].sum()))
