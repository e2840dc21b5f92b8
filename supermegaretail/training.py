"""Trains core and correction on a table of sales and publishes them: the correction after, and for, its core."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import polars as pl

from common.progress import progress
from common.versions.registry import Manifest, Registry
from supermegaretail import drift
from supermegaretail.boosting import MODEL_FILE, libraries
from supermegaretail.core import train as core_training
from supermegaretail.core.model import CoreModel
from supermegaretail.correction import train as correction_training
from supermegaretail.correction.model import CorrectionModel
from supermegaretail.evaluation import errors_at
from supermegaretail.examples import draw
from supermegaretail.features import CORE_DESIGN, CORRECTION_DESIGN, FEATURES_VERSION, MAX_HORIZON_DAYS
from supermegaretail.history import SalesHistory

ROWS = 200_000  # examples to learn from: more take longer and hardly help


@dataclass(frozen=True, slots=True)
class Trained:
    """A core model and the correction of what it gets wrong."""

    core: CoreModel
    correction: CorrectionModel


def fit(history: SalesHistory, *, rows: int = ROWS, seed: int = 1, threads: int = 2) -> Trained:
    """Both models from everything in the history; the same history and seed give the same models."""
    with progress("training", core_training.GROWTH.trees + correction_training.GROWTH.trees) as report:
        report.say("drawing examples")
        examples = draw(history.panel, rows=rows, seed=seed)
        report.say("core model")
        core = core_training.fit(examples, seed=seed, threads=threads, advance=report.advance)
        report.say("correction model")
        correction = correction_training.fit(examples, core, seed=seed, threads=threads, advance=report.advance)
    return Trained(core, correction)


def train(
    table: pl.DataFrame,
    registry: Registry,
    *,
    seed: int = 1,
    threads: int = 2,
    rows: int = ROWS,
    quality: Mapping[str, Any] | None = None,
) -> tuple[Manifest, Manifest]:
    """Publishes core and correction as champions, with their errors on the last weeks when those were held out.

    The errors are those of models that did not see these weeks; what is published has seen everything. `quality` is
    what was found out about the table before; the manifests keep it.
    """
    whole = SalesHistory.build(table)
    if whole.last_day is None:
        raise ValueError("there is not one day of sales to learn from")
    origin = whole.last_day - timedelta(days=MAX_HORIZON_DAYS)
    earlier = SalesHistory.build(table.filter(pl.col("date") <= origin))
    held_out = earlier.last_day is not None
    errors = errors_at(whole, fit(earlier, rows=rows, seed=seed, threads=threads), as_of=origin) if held_out else {}
    trained = fit(whole, rows=rows, seed=seed, threads=threads)
    drawn = {"data": _fingerprint(table), "rows": rows, "seed": seed, "last_day": whole.last_day.isoformat()}
    told: dict[str, Any] = {
        "training": {**drawn, "quality": dict(quality)} if quality is not None else drawn,
        "libraries": libraries(),
    }
    usual = drift.files(whole)
    core = registry.publish(
        "core",
        {MODEL_FILE: trained.core.trees.text.encode(), **usual["core"]},
        features=CORE_DESIGN,
        compatible_with={"features": FEATURES_VERSION},
        metrics=_of("core", errors),
        alias=None,  # not before its correction is there
        **told,
    )
    correction = registry.publish(
        "correction",
        {MODEL_FILE: trained.correction.trees.text.encode(), **usual["correction"]},
        features=CORRECTION_DESIGN,
        compatible_with={"core": core.version, "features": FEATURES_VERSION},
        metrics=_of("correction", errors),
        **told,
    )
    registry.point("core", "champion", core.version)
    return core, correction


def _of(tier: str, errors: dict[str, float]) -> dict[str, float]:
    """The tier's WAPE on the held-out weeks, beside that of the moving average."""
    return {f"held_out_wape_{name}": errors[name] for name in (tier, "moving_average") if name in errors}


def _fingerprint(table: pl.DataFrame) -> str:
    """SHA-256 of the sales that were learnt from."""
    digest = hashlib.sha256()
    for name in sorted(table.columns):
        digest.update(name.encode())
        digest.update(table[name].cast(pl.String).fill_null("").str.join("\n").item().encode())
    return digest.hexdigest()
