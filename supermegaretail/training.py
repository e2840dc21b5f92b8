"""Trains core and correction on a table of sales and publishes them: the correction after, and for, its core."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from common.command_line import Failed
from common.progress import Reporter, progress
from common.versions.probes import PROBES
from common.versions.registry import CHAMPION, Manifest, Registry
from supermegaretail import drift, leaning
from supermegaretail.baseline import PLAUSIBLE_FACTOR, PLAUSIBLE_UNITS
from supermegaretail.boosting import MODEL_FILE, libraries
from supermegaretail.components import code_of
from supermegaretail.core import train as core_training
from supermegaretail.core.model import START, CoreModel
from supermegaretail.correction import train as correction_training
from supermegaretail.correction.model import CorrectionModel
from supermegaretail.demand import WIDEST
from supermegaretail.evaluation import errors_at
from supermegaretail.examples import draw, panel_days
from supermegaretail.features import CORE_DESIGN, CORRECTION_DESIGN, FEATURES_VERSION, MAX_HORIZON_DAYS, Floats
from supermegaretail.golden import core_probes, correction_probes, questions_of
from supermegaretail.history import SalesHistory
from supermegaretail.labelled_examples import Labels, labelled, provenance, together
from supermegaretail.leaning import LEAN_FILE, Lean
from supermegaretail.spread import SPREAD_FILE, Spread, learn

ROWS = (50_000, 300_000)  # examples to learn from, at least and at most: in between, half as many as known days
CALIBRATION_ROWS = 200_000  # errors to learn the spread from
TRAINED = "trained"  # in the history of an alias
HELD_OUT_DAYS = (MAX_HORIZON_DAYS, 3 * MAX_HORIZON_DAYS)  # at least and at most; in between, a quarter of the history


@dataclass(frozen=True, slots=True)
class Trained:
    """A core model and the correction of what it gets wrong."""

    core: CoreModel
    correction: CorrectionModel
    # WAPE by tier over the first 28 held-out days, of models that still answer the mean: how far to lean is learnt from
    # these days, too. Empty where none could be held out.
    errors: Mapping[str, float]
    labels: pl.DataFrame | None = None  # that it has learnt from, beside what was sold


def fit(
    history: SalesHistory,
    *,
    rows: int | None = None,
    seed: int = 1,
    threads: int = 2,
    labels: Labels | None = None,
) -> Trained:
    """Both models from everything in the history; the same history, seed and labels give the same models.

    First a pair of models that never sees the last weeks: its errors there tell how good the models are and how far
    demand may lie from a forecast. What is returned has learnt from everything. Each pair learns from the labels as of
    the last day that it sees.
    """
    cut = held_out_from(history)
    assert history.last_day is not None
    stages = 2 if cut is not None else 1
    with progress("training", stages * (core_training.GROWTH.trees + correction_training.GROWTH.trees)) as report:
        grow = partial(_grow, history, rows=rows or examples_for(history), seed=seed, threads=threads, report=report)
        taught = labels and labels(history, history.last_day)
        if cut is None:
            return Trained(*grow(until=history.last_day, labels=taught), errors={}, labels=taught)
        core, correction = grow(until=cut, labels=labels and labels(history, cut))
        report.say("measuring on held-out weeks")
        errors = errors_at(history, Trained(core, correction, errors={}), as_of=cut)
        lean, *spreads = _from_errors(history, core, correction, since=cut, seed=seed)
        core, correction = grow(until=history.last_day, labels=taught)
    core.lean, core.spread, correction.spread = lean, *spreads
    return Trained(core, correction, errors, taught)


def rehearse(
    history: SalesHistory, *, until: date, rows: int, seed: int, threads: int, labels: Labels | None = None
) -> Trained:
    """A pair made by the same recipe that has seen no sale after `until`, and labels as of then.

    It has neither spread nor lean: these are learnt from weeks that a model has not seen.
    """
    taught = labels and labels(history, until)
    with progress("rehearsing", core_training.GROWTH.trees + correction_training.GROWTH.trees) as report:
        pair = _grow(history, rows=rows, seed=seed, threads=threads, report=report, until=until, labels=taught)
    return Trained(*pair, errors={}, labels=taught)


def examples_for(history: SalesHistory) -> int:
    """How many examples are drawn when nobody says: more would take longer and hardly help."""
    known_days = sum(max(one.last_observed - one.first_sale, 0) for one in history.panel.series)
    return int(np.clip(known_days // 2, *ROWS))


def held_out_from(history: SalesHistory) -> date | None:
    """The last day before the weeks that are held out; None where too little would be left to learn from."""
    if history.last_day is None:
        raise Failed("there is not one day of sales to learn from")
    days = int(np.clip(panel_days(history.panel) // 4, *HELD_OUT_DAYS))
    cut = history.last_day - timedelta(days=days)
    day, selling = cut.toordinal(), [one for one in history.panel.series if one.first_sale < one.last_observed]
    to_learn = any(one.first_sale < day for one in selling)
    to_judge = any(one.last_observed > day for one in selling)
    return cut if to_learn and to_judge and panel_days(history.panel) >= 2 * days else None


def _grow(
    history: SalesHistory,
    *,
    rows: int,
    seed: int,
    threads: int,
    report: Reporter,
    until: date,
    labels: pl.DataFrame | None,
) -> tuple[CoreModel, CorrectionModel]:
    report.say("drawing examples")
    opinions = None if labels is None else labelled(history, labels, as_of=until)
    examples = together(draw(history.panel, rows=rows, seed=seed, until=until), opinions)
    report.say("core model")
    core = core_training.fit(examples, seed=seed, threads=threads, advance=report.advance)
    report.say("correction model")
    return core, correction_training.fit(examples, core, seed=seed, threads=threads, advance=report.advance)


def _from_errors(
    history: SalesHistory, core: CoreModel, correction: CorrectionModel, *, since: date, seed: int
) -> tuple[Lean | None, Spread | None, Spread | None]:
    """What the errors of a pair that saw no sale after `since` tell: the lean of the core, then both spreads."""
    examples = draw(history.panel, rows=CALIBRATION_ROWS, seed=seed, since=since, plans_dropped=0)
    mean, sold = core.demand(examples.core), examples.demand
    corrected = correction.demand(examples.core, examples.extended, mean)
    lean = leaning.learn(mean, examples.core, sold)
    factor = 1.0 if lean is None else lean.factors(examples.core)

    def spread(demand: Floats) -> Spread | None:
        levelled = right_in_total(demand, sold)
        return learn(factor * levelled, examples.core, sold, examples.by_the_piece, seed=seed)

    return lean, spread(mean), spread(corrected)


def right_in_total(demand: Floats, sold: Floats) -> Floats:
    """Forecasts without what they were off by on the whole: that is the level of some weeks, and passes."""
    return np.asarray(demand * (sold.sum() / demand.sum()))


def train(
    table: pl.DataFrame,
    registry: Registry,
    *,
    seed: int = 1,
    threads: int = 2,
    rows: int | None = None,
    quality: Mapping[str, Any] | None = None,
    promote: bool = True,
    labels: Labels | None = None,
) -> tuple[Manifest, Manifest]:
    """Publishes core and correction as champions, with their errors on the last weeks when those were held out.

    The errors are those of models that did not see these weeks; what is published has seen everything. `quality` is
    what was found out about the table before; the manifests keep it, and where labels are from. Without `promote` no
    alias moves.
    """
    whole = SalesHistory.build(table)
    rows = rows or examples_for(whole)
    trained = fit(whole, rows=rows, seed=seed, threads=threads, labels=labels)
    core, correction = publish(trained, whole, table, registry, rows=rows, seed=seed, quality=quality)
    if promote:
        promote_pair(registry, core.version, correction.version, why=TRAINED)
    return core, correction


def promote_pair(registry: Registry, core: str, correction: str, *, why: str) -> None:
    """Both versions champions at once: the correction first, for a core is not served before it is there."""
    registry.point("correction", CHAMPION, correction, why=why)
    registry.point("core", CHAMPION, core, why=why)


def publish(
    trained: Trained,
    history: SalesHistory,
    table: pl.DataFrame,
    registry: Registry,
    *,
    rows: int,
    seed: int,
    quality: Mapping[str, Any] | None = None,
) -> tuple[Manifest, Manifest]:
    """New versions of both, which no alias stands for yet; the old ones if they are the same."""
    assert history.last_day is not None
    drawn: dict[str, Any] = {
        "data": _fingerprint(table),
        "rows": rows,
        "seed": seed,
        "last_day": history.last_day.isoformat(),
        "columns": filled_columns(table),
    }
    if trained.labels is not None and not trained.labels.is_empty():
        drawn["labels"] = dict(provenance(trained.labels))
    told: dict[str, Any] = {
        "training": {**drawn, "quality": dict(quality)} if quality is not None else drawn,
        "libraries": libraries(),
        "defaults": {"widest": WIDEST, "plausible_factor": PLAUSIBLE_FACTOR, "plausible_units": PLAUSIBLE_UNITS},
        "alias": None,
    }
    usual, questions = drift.files(history), questions_of(history, trained.core)
    core = registry.publish(
        "core",
        {**_files(trained.core), **usual["core"], PROBES: core_probes(trained.core, questions)},
        features=CORE_DESIGN,
        parameters={START: trained.core.start},
        compatible_with={"features": FEATURES_VERSION},
        metrics=_of("core", trained.errors),
        code=code_of("core"),
        **told,
    )
    correction = registry.publish(
        "correction",
        {
            **_files(trained.correction),
            **usual["correction"],
            PROBES: correction_probes(trained.correction, questions),
        },
        features=CORRECTION_DESIGN,
        compatible_with={"core": core.version, "features": FEATURES_VERSION},
        metrics=_of("correction", trained.errors),
        code=code_of("correction"),
        **told,
    )
    return core, correction


def _files(model: CoreModel | CorrectionModel) -> dict[str, bytes]:
    files = {MODEL_FILE: model.trees.text.encode()}
    if isinstance(model, CoreModel) and model.lean is not None:
        files[LEAN_FILE] = model.lean.as_json()
    return files if model.spread is None else {**files, SPREAD_FILE: model.spread.as_json()}


def _of(tier: str, errors: Mapping[str, float]) -> dict[str, float]:
    """The tier's WAPE on the held-out weeks, beside that of the moving average; none of weeks without a sale."""
    both = {name: errors.get(name, math.nan) for name in (tier, "moving_average")}
    return {f"held_out_wape_{name}": error for name, error in both.items() if math.isfinite(error)}


def filled_columns(table: pl.DataFrame) -> list[str]:
    """Columns with at least one value, in the order of their names."""
    return sorted(name for name in table.columns if table[name].null_count() < table.height)


def _fingerprint(table: pl.DataFrame) -> str:
    """SHA-256 of the sales that were learnt from."""
    digest = hashlib.sha256()
    for name in sorted(table.columns):
        digest.update(name.encode())
        digest.update(table[name].cast(pl.String).fill_null("").str.join("\n").item().encode())
    return digest.hexdigest()
