"""Deliberately bad candidates: each is stopped by the gates that are there for it, and by no other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from common.releases.gate import Finding, verdict_of
from common.versions.probes import PROBES
from common.versions.registry import Registry
from supermegaretail.core.model import CoreModel
from supermegaretail.demo_data import LAST_SALES_DAY, demo_table
from supermegaretail.features import EXTENDED, Floats
from supermegaretail.history import ModelInputs, SalesHistory
from supermegaretail.leaning import Lean
from supermegaretail.panel import Key
from supermegaretail.quality.check import check
from supermegaretail.releasing import sales
from supermegaretail.releasing.artifacts import latency, probes, size
from supermegaretail.releasing.gates import forecasts_judged
from supermegaretail.releasing.limits import LIMITS
from supermegaretail.releasing.pair import Pair
from supermegaretail.releasing.trial import Contest, trial_days
from supermegaretail.spread import Spread
from supermegaretail.training import Trained, fit, publish, rehearse

ROWS = 12_000
NEW_DAYS = 14
Change = Callable[[Floats, Sequence[Key]], Floats]


@dataclass(frozen=True)
class Changed(Pair):
    """A pair that says something else than it has learnt."""

    change: Change

    def demand(self, history: SalesHistory, items: Sequence[Key], *, as_of: date, horizon_days: int) -> Floats:
        return self.change(super().demand(history, items, as_of=as_of, horizon_days=horizon_days), items)


@dataclass(frozen=True)
class Slow(Pair):
    def answer(self, inputs: ModelInputs, *, as_of: date) -> Floats:
        return [super(Slow, self).answer(inputs, as_of=as_of) for _ in range(4)][-1]


@dataclass(frozen=True)
class AgainstPromotions(Pair):
    """Takes a promotion for the lack of one."""

    def answer(self, inputs: ModelInputs, *, as_of: date) -> Floats:
        turned = inputs.extended.copy()
        for name, usual in (("promotion", 1.0), ("promotion_change_7", 0.0), ("promotion_change_28", 0.0)):
            turned[..., EXTENDED.index(name)] = usual - turned[..., EXTENDED.index(name)]
        return super().answer(replace(inputs, extended=turned), as_of=as_of)


@dataclass(frozen=True)
class Chain:
    table: pl.DataFrame
    history: SalesHistory
    contest: Contest
    trained: Trained

    def judged(self, bad: Callable[[Pair], Pair] = lambda pair: pair) -> dict[str, Finding]:
        """The findings on a candidate that was spoilt by its recipe: its rehearsal is as bad."""
        contest = replace(self.contest, candidate=bad(self.contest.candidate), rehearsal=bad(self.contest.rehearsal))
        return {finding.gate: finding for finding in forecasts_judged(contest, self.history, self.table)}


def pair_of(rehearsed: Trained, published: Trained) -> Pair:
    both = Pair(rehearsed.core, rehearsed.correction)
    return both.finished_as(Pair(published.core, published.correction))


@pytest.fixture(scope="module")
def chain() -> Chain:
    """Champion, candidate and rehearsal that are equally good."""
    table = demo_table(stores=3, products=32, days=300)
    history = SalesHistory.build(table)
    as_of, horizon_days = trial_days(LAST_SALES_DAY, LAST_SALES_DAY - timedelta(NEW_DAYS))
    trained = fit(history, rows=ROWS, threads=1)
    champion, rehearsal = (
        pair_of(rehearse(history, until=as_of, rows=ROWS, seed=seed, threads=1), trained) for seed in (1, 2)
    )
    contest = Contest(champion, Pair(trained.core, trained.correction), rehearsal, as_of, horizon_days)
    return Chain(table, history, contest, trained)


def closed(findings: dict[str, Finding]) -> set[str]:
    return {gate for gate, finding in findings.items() if finding.passed is False}


def changed(change: Change) -> Callable[[Pair], Pair]:
    return lambda pair: Changed(pair.core, pair.correction, change)


def test_a_retrained_candidate_finds_every_gate_open(chain: Chain) -> None:
    findings = chain.judged()
    assert verdict_of(list(findings.values())) == "pass", [finding.told for finding in findings.values()]


def test_a_candidate_that_learnt_from_shuffled_sales_is_not_accurate(chain: Chain) -> None:
    shuffled = chain.table.with_columns(
        pl.when(pl.col("sales").is_not_null()).then(pl.col("sales").shuffle(seed=1).forward_fill())
    )
    nonsense = pair_of(
        rehearse(SalesHistory.build(shuffled), until=LAST_SALES_DAY, rows=3_000, seed=1, threads=1), chain.trained
    )
    assert "accuracy" in closed(chain.judged(lambda _: nonsense))


def bakery_higher(demand: Floats, items: Sequence[Key]) -> Floats:
    """By more than half: of a dozen series the gates can't tell much less from chance."""
    return np.where(np.array([[sku.startswith("bakery")] for _, sku in items]), 1.6 * demand, demand)


def test_one_category_that_is_forecast_too_high_is_found_by_the_gates_on_the_last_weeks(chain: Chain) -> None:
    findings = chain.judged(changed(bakery_higher))
    stopped = {gate for gate, finding in findings.items() if not finding.passed}
    assert "shift" in stopped <= {"accuracy", "bias", "shift"}
    assert "category bakery" in findings["shift"].told


def test_an_artifact_that_says_other_than_its_rehearsal_is_not_what_was_meant(chain: Chain) -> None:
    spoilt = replace(chain.contest, candidate=changed(bakery_higher)(chain.contest.candidate))
    findings = {finding.gate: finding for finding in forecasts_judged(spoilt, chain.history, chain.table)}
    assert closed(findings) == {"published"}


def test_answers_without_a_number_are_not_plausible(chain: Chain) -> None:
    def gaps(demand: Floats, items: Sequence[Key]) -> Floats:
        chosen = np.array([sku == "bakery-001" for _, sku in items])  # one in 32
        return np.where(chosen[:, None], np.nan, demand)

    assert closed(chain.judged(changed(gaps))) == {"plausible"}


def test_absurdly_high_or_negative_answers_are_not_plausible(chain: Chain) -> None:
    def rare(demand: Floats, items: Sequence[Key]) -> Floats:
        return np.where(np.array([[item == items[0]] for item in items]) & (demand.shape[1] > 14), -1.0, demand)

    assert closed(chain.judged(changed(rare))) == {"plausible"}


def test_a_candidate_that_takes_promotions_the_wrong_way_goes_the_wrong_direction(chain: Chain) -> None:
    found = chain.judged(lambda pair: AgainstPromotions(pair.core, pair.correction))
    assert "direction" in closed(found)
    assert "a promotion" in found["direction"].told


def test_answers_that_depend_on_who_else_is_asked_are_not_invariant(chain: Chain) -> None:
    def crowded(demand: Floats, items: Sequence[Key]) -> Floats:
        return demand * (1.001 if len(items) == 1 else 1.0)

    found = chain.judged(changed(crowded))
    assert closed(found) == {"invariance"}
    assert "being asked alone" in found["invariance"].told


def test_answers_that_depend_on_the_name_of_a_store_are_not_invariant(chain: Chain) -> None:
    def named(demand: Floats, items: Sequence[Key]) -> Floats:
        return np.where(np.array([["renamed" in store] for store, _ in items]), 1.01 * demand, demand)

    assert closed(chain.judged(changed(named))) == {"invariance"}


def test_a_candidate_that_knows_the_days_to_come_is_found_out(chain: Chain) -> None:
    @dataclass(frozen=True)
    class Peeping(Pair):
        def demand(self, history: SalesHistory, items: Sequence[Key], *, as_of: date, horizon_days: int) -> Floats:
            told = super().demand(history, items, as_of=as_of, horizon_days=horizon_days)
            places = [history.panel.places.get(item) for item in items]
            last = [history.panel.series[place].last_observed if place is not None else 0 for place in places]
            return told * (1 + 0.001 * (np.array(last) > as_of.toordinal()))[:, None]

    assert closed(chain.judged(lambda pair: Peeping(pair.core, pair.correction))) == {"invariance"}


def test_quantiles_that_cover_too_few_days_are_not_calibrated(chain: Chain) -> None:
    @dataclass(frozen=True)
    class Overconfident(Pair):
        def quantiles(
            self, inputs: ModelInputs, demand: Floats, *, as_of: date, levels: Sequence[float]
        ) -> Floats | None:
            return np.repeat(demand[..., None], len(levels), axis=2)

    assert closed(chain.judged(lambda pair: Overconfident(pair.core, pair.correction))) == {"calibration"}


def test_a_candidate_that_takes_much_longer_is_too_slow(chain: Chain) -> None:
    champion, candidate = chain.contest.champion, chain.contest.candidate
    slow = Slow(candidate.core, candidate.correction)
    assert latency(slow, champion, chain.history, LAST_SALES_DAY, LIMITS).passed is False
    assert latency(candidate, None, chain.history, LAST_SALES_DAY, LIMITS).passed is True


def test_files_of_another_size_are_stopped_and_a_little_larger_ones_doubted() -> None:
    assert [size(own, 1_000, LIMITS).passed for own in (1_100, 1_600, 2_500, 300)] == [True, None, False, False]


def test_a_candidate_that_does_not_replay_its_golden_probes_is_stopped(chain: Chain, tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    core, _ = publish(chain.trained, chain.history, chain.table, registry, rows=ROWS, seed=1)
    assert probes(registry, core.version).passed is True
    path = registry.load("core", core.version).path(PROBES)
    path.write_bytes(path.read_bytes() + b" ")
    assert probes(registry, core.version).passed is False


def test_sales_that_stop_a_training_stop_a_release(chain: Chain) -> None:
    assert sales.quality(check(chain.table, today=LAST_SALES_DAY)).passed is True
    broken = chain.table.with_columns(-pl.col("sales"))
    assert sales.quality(check(broken, today=LAST_SALES_DAY)).passed is False


def test_a_column_that_the_champion_knew_must_not_be_missing() -> None:
    assert sales.schema(["price", "sales"], {"columns": ["price", "sales"]}).passed is True
    assert sales.schema(["sales", "x_new"], {"columns": ["price", "sales"]}).told == "lost: price"


@pytest.mark.parametrize(("days", "passed"), [(-1, False), (0, None), (6, None), (7, True)])
def test_only_new_days_are_worth_a_release(days: int, passed: bool | None) -> None:
    assert sales.news(LAST_SALES_DAY + timedelta(days), LAST_SALES_DAY, LIMITS).passed is passed


def test_the_first_candidate_is_judged_alone(chain: Chain) -> None:
    alone = replace(chain.contest, champion=None)
    assert closed({one.gate: one for one in forecasts_judged(alone, chain.history, chain.table)}) <= {"bias"}


def test_lean_and_spreads_are_those_that_are_published(chain: Chain, tmp_path: Path) -> None:
    core, correction = chain.contest.rehearsal.core, chain.contest.rehearsal.correction
    assert correction is not None
    assert isinstance(correction.spread, Spread)
    assert isinstance(core.lean, Lean)
    registry = Registry(tmp_path)
    published, _ = publish(chain.trained, chain.history, chain.table, registry, rows=ROWS, seed=1)
    served = CoreModel.load(registry.load("core", published.version))
    assert served.lean is not None
    assert served.spread is not None
    assert core.spread is not None
    assert (served.lean.as_json(), served.spread.as_json()) == (core.lean.as_json(), core.spread.as_json())
