"""The figures of the evaluation, on numbers small enough to check by hand."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from supermegaretail.evaluation.measures import LEVELS, point_figures, quantile_figures, wape, widths
from supermegaretail.evaluation.measuring import Findings, measure, parts_of, some
from supermegaretail.evaluation.orders import money_view, spread, spread_around
from supermegaretail.evaluation.outcome import Outcome
from supermegaretail.evaluation.tiers import Made
from supermegaretail.features import Floats
from supermegaretail.series import CHANNELS

AS_OF = date(2026, 6, 28)


def happened(sold: Floats, *, price: float = 2.0) -> Outcome:
    n, days = sold.shape
    return Outcome(
        AS_OF,
        [("north", str(place)) for place in range(n)],
        sold=sold,
        step=np.full(n, 4.0),
        revenue=np.ones(n),
        price=np.full((n, days), price),
        before=np.full((n, len(CHANNELS), 56), np.nan, np.float32),
        during=np.full((n, len(CHANNELS), days), np.nan, np.float32),
    )


def flat(values: tuple[float, ...], days: int = 4) -> Floats:
    """One series' quantiles [1, days, LEVELS], the same every day."""
    return np.tile(np.array(values, dtype=np.float64), (1, days, 1))


def test_the_wape_is_the_sum_of_errors_over_the_sum_of_sales_and_skips_unknown_days() -> None:
    assert wape(np.array([[1.0, 3.0, np.nan]]), np.array([[2.0, 2.0, 9.0]])) == pytest.approx(0.5)


def test_nothing_sold_gives_no_figure_instead_of_an_infinite_one() -> None:
    assert np.isnan(wape(np.zeros((1, 2)), np.ones((1, 2))))


def test_the_weighted_rmsse_listens_to_the_series_with_revenue() -> None:
    sold, demand = np.array([[2.0, 2.0], [2.0, 2.0]]), np.array([[4.0, 4.0], [2.0, 2.0]])
    figures = point_figures(sold, demand, step=np.array([1.0, 1.0]), revenue=np.array([0.0, 5.0]))
    assert figures["rmsse"] == pytest.approx(1.0)
    assert figures["wrmsse"] == 0
    assert figures["bias"] == pytest.approx(0.5)


def test_a_level_between_the_shares_below_and_at_a_whole_unit_falls_short_by_nothing() -> None:
    sold = np.array([[0.0, 0.0, 0.0, 1.0]])  # three quarters are 0: it is the 0.015, the 0.25 and the 0.5 quantile
    figures = {row["level"]: row for row in quantile_figures(sold, flat((0, 0, 0, 0, 1, 1)))}
    assert [figures[level]["shortfall_points"] for level in LEVELS] == [0] * len(LEVELS)


def test_a_quantile_that_is_too_low_falls_short_by_the_missing_points() -> None:
    sold = np.array([[1.0, 2.0, 3.0, 4.0]])
    figures = {row["level"]: row for row in quantile_figures(sold, flat((0, 0, 0, 2.5, 2.5, 9)))}
    assert figures[0.95]["shortfall_points"] == pytest.approx(45)
    assert figures[0.99]["shortfall_points"] == pytest.approx(1)  # nothing above it: a point too many


def test_the_pinball_loss_punishes_the_side_that_the_level_forbids() -> None:
    low, high = (
        next(row for row in quantile_figures(np.array([[10.0]]), flat((value,) * 6, 1)) if row["level"] == 0.95)
        for value in (9.0, 11.0)
    )
    assert low["pinball"] == pytest.approx(0.095)
    assert high["pinball"] == pytest.approx(0.005)


def test_the_width_is_told_in_shares_of_the_sales() -> None:
    told = widths(np.array([[10.0, 10.0, 10.0, 10.0]]), flat((0, 8, 10, 12, 18, 20)))
    assert told == {"width_middle": pytest.approx(0.4), "width_wide": pytest.approx(2.0)}


def test_orders_leave_over_or_lose_what_lies_between_them_and_the_sales() -> None:
    outcome = happened(np.array([[1.0, 3.0]]))
    rows = {row["level"]: row for row in money_view(outcome, flat((0, 1, 2, 3, 4, 5), 2))}
    assert rows[0.5]["overstock"] == rows[0.5]["lost"] == pytest.approx(0.25)
    assert rows[0.99]["overstock_money"] == pytest.approx(1.5)
    assert rows[0.99]["lost_money"] == 0


def test_the_spread_of_earlier_errors_gives_quantiles_in_order_and_never_below_zero() -> None:
    dice = np.random.default_rng(1)
    outcome = happened(dice.poisson(3.0, (50, 7)).astype(np.float64))
    demand = np.full((50, 7), 3.0)
    quantiles = spread_around(outcome, demand, spread(outcome, demand))
    assert quantiles.shape == (50, 7, len(LEVELS))
    assert (np.diff(quantiles, axis=2) >= 0).all()
    assert quantiles.min() >= 0
    assert max(row["shortfall_points"] for row in quantile_figures(outcome.sold, quantiles)) < 1


def test_a_tier_with_quantiles_of_its_own_is_judged_by_them_and_one_without_at_first_not_at_all() -> None:
    outcome = happened(np.array([[1.0, 2.0, 3.0, 4.0]]))
    made = {
        "core": Made(np.full((1, 4), 2.5), flat((0, 1, 2.5, 3, 4, 5)).astype(np.float32)),
        "MA7": Made(np.full((1, 4), 2.0)),
    }
    findings = Findings()
    measure(findings, outcome, made, parts_of(outcome, {}), scope="all", earlier={}, judged=True)
    assert {(row["tier"], row["source"]) for row in findings.quantiles + findings.money} == {("core", "model")}
    assert [row["tier"] for row in findings.figures] == ["core", "MA7"]


def test_a_sample_keeps_items_and_days_together() -> None:
    outcome = happened(np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
    few = some(outcome, np.array([2, 0]))
    assert few.items == [("north", "2"), ("north", "0")]
    assert few.sold.tolist() == [[5, 6], [1, 2]]
