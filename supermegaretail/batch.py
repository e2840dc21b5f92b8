"""A whole chain's forecasts at once, by the rules of the fallback chain, a few thousand series in memory at a time.

override → core model → moving average → constant          substitutes, best first
           └ correction model                              optional stage on the core model's answer

`forecast.py` is the same chain for the items of a request, with the model in another process.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import polars as pl

from common.chain.switches import Switchboard
from common.outcome import Reason
from common.overrides.uses import Count, OverrideUses
from supermegaretail.baseline import average_of
from supermegaretail.baseline_spread import average_quantiles
from supermegaretail.batch_story import Story
from supermegaretail.contract import Tier
from supermegaretail.demand import WIDEST, credible, in_pieces, ordered
from supermegaretail.drift import Group
from supermegaretail.drift_watch import DriftWatch
from supermegaretail.events.planned import PlannedEvents
from supermegaretail.features import CORE_DESIGN, EXTENDED, STABLE, Floats, core_design, per_target_day
from supermegaretail.history import SalesHistory
from supermegaretail.models import Models
from supermegaretail.overriding import Overrides, Shape
from supermegaretail.panel import Key
from supermegaretail.prepared import Prepared, RetailReason, prepare
from supermegaretail.series import Ints
from supermegaretail.spread import MIDDLE_HALF, Spread
from supermegaretail.states import Flags

SERIES_AT_ONCE = 2_048  # for each thread; what is in memory of them grows with the horizon: 60 MB for 7 days


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What forecasts are made from, and how. Safe to use from many threads.

    Args:
        models: None while there are none: the moving average serves.
        overrides: what people decided.
        uses: are told how often; to be flushed once the forecasts are where they are read.
        events: what planners know ahead.
        switches: tiers that operators switched off are not asked.
        drift: without it nothing is taken for drifted.
        levels: of the quantiles, each between 0 and 1.
        constant_demand: units per day of a product that nothing is known about.
    """

    history: SalesHistory
    models: Models | None
    as_of: date
    horizon_days: int
    overrides: Overrides = field(default_factory=Overrides)
    uses: OverrideUses | None = None
    events: PlannedEvents = field(default_factory=PlannedEvents)
    switches: Switchboard = field(default_factory=Switchboard)
    drift: DriftWatch | None = None
    levels: Sequence[float] = ()
    constant_demand: float = 0.0

    def tables(self, keys: Sequence[Key], *, threads: int = 1) -> Iterator[pl.DataFrame]:
        """The rows of `batch_story.schema` for these series, in their order, a few thousand series at a time."""
        parts = (keys[start : start + SERIES_AT_ONCE] for start in range(0, len(keys), SERIES_AT_ONCE))
        if threads == 1:
            yield from map(self.table, parts)
            return
        with ThreadPoolExecutor(threads, thread_name_prefix="batch") as pool:
            waiting: deque[Future[pl.DataFrame]] = deque()
            for part in parts:
                waiting.append(pool.submit(self.table, part))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def table(self, keys: Sequence[Key]) -> pl.DataFrame:
        """The same for series that are all in memory at once."""
        story = Story(len(keys), horizon_days=self.horizon_days, levels=self.levels)
        shapes = self._override(story, keys)
        prepared = prepare(
            self.history,
            keys,
            as_of=self.as_of,
            horizon_days=self.horizon_days,
            drift=self.drift,
            events=self.events,
        )
        self._models(story, prepared)
        self._moving_average(story, prepared, keys)
        rows = story.open
        story.serve("constant", rows, np.full((len(rows), self.horizon_days), self.constant_demand))
        for row, shape in shapes.items():
            story.shape(row, shape)
        models = self.models
        versions = {
            "core": None if models is None else models.core_version,
            "correction": None if models is None else models.correction_version,
        }
        return story.table(keys, as_of=self.as_of, versions=versions)

    def _override(self, story: Story, keys: Sequence[Key]) -> dict[int, Shape]:
        """Serves where people decided each day; by row, what they decided of the others."""
        if self._switched_off("override"):
            return {}
        shapes = self.overrides.shapes(
            keys, self.history.panel, as_of=self.as_of, horizon_days=self.horizon_days, now_s=time.time()
        )
        self._count(shapes.values())
        decided = {row: shape for row, shape in shapes.items() if shape.leaves_nothing}
        for row, shape in decided.items():
            demand = shape.of(np.zeros((1, self.horizon_days)))
            story.serve("override", np.array([row]), demand)
        return {row: shape for row, shape in shapes.items() if row not in decided}

    def _count(self, shapes: Iterable[Shape]) -> None:
        """As for requests: each decision about each item is one use."""
        if self.uses is not None:
            for override_id, used in Counter(one.id for shape in shapes for one in shape.decisions).items():
                self.uses.note(override_id, Count(used))

    def _models(self, story: Story, prepared: Prepared) -> None:
        """The core's answers, and what the correction makes of them."""
        rows = story.open
        barred = Reason.NOT_LOADED if self.models is None else self._barred("core")
        if self.models is None or barred is not None:
            story.refuse("core", rows, str(barred))
            return
        story.refuse("core", rows, prepared.not_to_ask[rows])
        asked = rows[prepared.not_to_ask[rows] == None]  # noqa: E711  element by element
        design = core_design(
            *per_target_day(prepared.inputs.stable[asked], as_of=self.as_of, horizon_days=self.horizon_days)
        )
        if prepared.fed is not None:
            design[:, CORE_DESIGN.index("level")] *= prepared.fed.factors[asked].ravel()
        core = self.models.core
        demand = core.demand(design)
        good = self._take(story, "core", asked, prepared, demand, design, core.spread)
        chosen = np.repeat(good, self.horizon_days)
        self._correction(story, prepared, asked[good], design[chosen], demand[chosen])

    def _correction(self, story: Story, prepared: Prepared, rows: Ints, design: Floats, core_demand: Floats) -> None:
        """`design` and `core_demand` are those of `rows`, day by day."""
        assert self.models is not None
        if (barred := self._barred("correction")) is not None:
            story.refuse("correction", rows, barred)
            return
        story.refuse("correction", rows, prepared.not_to_correct[rows])
        able = prepared.not_to_correct[rows] == None  # noqa: E711  element by element
        if (correction := self.models.correction) is None:
            story.refuse("correction", rows[able], self.models.correction_reason or Reason.NOT_LOADED)
            return
        if not able.all():
            chosen = np.repeat(able, self.horizon_days)
            rows, design, core_demand = rows[able], design[chosen], core_demand[chosen]
        extended = prepared.inputs.extended[rows].reshape(-1, len(EXTENDED))
        demand = correction.demand(design, extended, core_demand)
        self._take(story, "correction", rows, prepared, demand, design, correction.spread)

    def _moving_average(self, story: Story, prepared: Prepared, keys: Sequence[Key]) -> None:
        rows = story.open
        if self._switched_off("moving_average"):
            story.refuse("moving_average", rows, Reason.SWITCHED_OFF)
            return
        demand = average_of(prepared.inputs.stable[rows], prepared.inputs.special[rows])
        if prepared.fed is not None:
            demand *= prepared.fed.factors[rows]
        known = np.isfinite(demand).all(1)
        story.refuse("moving_average", rows[~known], RetailReason.UNKNOWN_ITEM)
        rows, demand, quantiles = rows[known], demand[known], None
        if self.levels:
            some = [keys[row] for row in rows.tolist()]
            by_level = average_quantiles(self.history, some, demand, as_of=self.as_of, levels=self.levels)
            quantiles = by_level.transpose(0, 2, 1)
        story.serve("moving_average", rows, demand, quantiles)

    def _take(
        self,
        story: Story,
        tier: Tier,
        rows: Ints,
        prepared: Prepared,
        demand: Floats,
        design: Floats,
        spread: Spread | None,
    ) -> Flags:
        """Serves what a model says about `rows` where it can be believed, refuses the rest; which it was.

        `demand` and `design` are day by day; so is the `spread` of the model asked, which may tell that it is not sure.
        """
        days = demand.reshape(len(rows), self.horizon_days)
        sane, likely, sure = np.asarray(np.isfinite(days).all(1)), np.ones(len(rows), bool), np.ones(len(rows), bool)
        quantiles, most = None, prepared.maxima[rows]
        plausible = (days >= 0).all(1) & (days <= most[:, None]).all(1)
        if spread is not None:
            asked = (*MIDDLE_HALF, *self.levels)
            told = spread.quantiles(demand, design, asked).reshape(*days.shape, len(asked))
            told[~np.isfinite(told).all((1, 2))] = np.nan
            level = prepared.inputs.stable[rows, STABLE.index("level")]
            fine, likely, sure = _judged(told, days, most, level, sane, levels=self.levels)
            sane = sane & fine
            told[~likely] = 0  # they are refused, and what is as large as they may be can't be rounded
            if self.levels:
                quantiles = in_pieces(told[:, :, len(MIDDLE_HALF) :], prepared.inputs.by_the_piece[rows])
        story.refuse(tier, rows[~sane], Reason.MEANING)
        story.refuse(tier, rows[sane & ~plausible], Reason.OUT_OF_RANGE)
        story.refuse(tier, rows[sane & plausible & ~sure], Reason.UNCERTAIN)
        story.refuse(tier, rows[sane & plausible & sure & ~likely], Reason.MEANING)
        good = sane & plausible & sure & likely
        story.serve(tier, rows[good], days[good], None if quantiles is None else quantiles[good])
        return np.asarray(good)

    def _barred(self, tier: Group) -> Reason | None:
        """Why a model is not asked about any series, if so."""
        if self._switched_off(tier):
            return Reason.SWITCHED_OFF
        return None if self.drift is None else self.drift.refusal(tier, as_of=self.as_of)

    def _switched_off(self, tier: Tier) -> bool:
        return self.switches.position(tier) == "off"


def _judged(
    told: Floats, days: Floats, most: Floats, level: Floats, sane: Flags, *, levels: Sequence[float]
) -> tuple[Flags, Flags, Flags]:
    """Whose quantiles are ones [n], whose are credible, and whose middle half is narrow enough for the recent `level`.

    `told` [n, days, MIDDLE_HALF and levels] of forecasts [n, days]; without a number there is nothing to judge, as in
    `demand.demands_of`.
    """
    number = sane & ~np.isnan(told[:, 0, 0])
    width = (told[:, :, 1] - told[:, :, 0]).mean(1)
    fine, likely = width >= 0, np.ones(len(told), bool)
    if levels:
        asked = told[:, :, len(MIDDLE_HALF) :].transpose(0, 2, 1)
        fine, likely = fine & ordered(asked, levels), credible(asked, levels, days, most)
    sure = width <= WIDEST * np.maximum(level, 1)
    return ~number | fine, ~number | likely, ~number | sure
