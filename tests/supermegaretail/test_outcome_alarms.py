"""Which figures of past forecasts alarm, and that chance, or two bad days, do not."""

from __future__ import annotations

import numpy as np
import pytest

from supermegaretail.monitoring.alarms import Limits, alarms, chance, figures
from supermegaretail.monitoring.scoring import Maker, Sums

CORRECTION: Maker = ("correction", "1.0.0+1.1.0")


def good() -> Sums:
    """A day of a hundred forecasts of 10, about right."""
    errors: Sums = {"forecasts": 100, "demand": 1_000, "actual": 1_010, "absolute_error": 200}
    compared: Sums = {"compared": 100, "compared_error": 200, "average_error": 220}
    return errors | compared | {"told@0.95": 100, "below@0.95": 93, "upto@0.95": 96}


def days(**change: float) -> list[Sums]:
    """Ten such days, no two of them quite alike."""
    return [
        {figure: value * (1 + 0.02 * (number % 3)) for figure, value in (good() | change).items()}
        for number in range(10)
    ]


def names_of(seen: list[Sums]) -> list[str]:
    return [alarm.name for alarm in alarms({CORRECTION: seen}, Limits())]


def test_good_forecasts_do_not_alarm() -> None:
    assert names_of(days()) == []


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("bias", {"demand": 1_200.0}),
        ("bias", {"demand": 800.0}),
        ("bias", {"actual": 0.0}),
        ("worse_than_average", {"compared_error": 260.0}),
        ("coverage", {"upto@0.95": 80.0, "below@0.95": 78.0}),
        ("negative", {"negative": 1.0}),
        ("above_ever", {"above_ever": 1.0}),
    ],
)
def test_a_figure_beyond_its_threshold_alarms(name: str, change: dict[str, float]) -> None:
    assert names_of(days(**change)) == [name]


def test_few_forecasts_or_few_days_do_not_alarm() -> None:
    assert names_of(days(demand=1_200.0, forecasts=4.0)) == []
    assert names_of(days(demand=1_200.0)[:6]) == []


@pytest.mark.parametrize(
    "change",
    [{"demand": 2_400.0}, {"compared_error": 600.0}, {"upto@0.95": 40.0, "below@0.95": 40.0}],
    ids=["bias", "worse_than_average", "coverage"],
)
def test_two_bad_days_of_the_whole_chain_do_not_alarm_however_many_forecasts_they_had(change: dict[str, float]) -> None:
    assert names_of(days(**change)[:2] + days()[2:]) == []


def test_errors_that_last_for_days_are_worth_less_than_errors_that_alternate() -> None:
    wholes = [100.0] * 14
    assert chance([30.0] * 7 + [0.0] * 7, wholes, Limits()) > 2 * chance([30.0, 0.0] * 7, wholes, Limits())


def test_chance_rarely_raises_an_alarm() -> None:
    random = np.random.default_rng(1)
    limits = Limits(bias=0.0)
    for number_of_days, at_most in ((7, 0.01), (28, 0.01)):
        errors = random.normal(size=(2_000, number_of_days)).tolist()
        beyond = [abs(sum(one)) / number_of_days > chance(one, [1.0] * number_of_days, limits) for one in errors]
        assert np.mean(beyond) <= at_most


def test_a_quantile_of_whole_units_is_right_when_its_level_lies_within_the_step() -> None:
    step = {"told@0.015": 100.0, "below@0.015": 0.0, "upto@0.015": 60.0}  # most days nothing is sold
    assert names_of(days(**step)) == []


def test_an_alarm_says_its_numbers_in_a_sentence() -> None:
    seen = [good() | {"demand": 1_200.0}] * 7
    texts = [alarm.text for alarm in alarms({CORRECTION: seen}, Limits())]
    sentence = "8,400 units were forecast and 7,070 sold, 18.8 % more (alarm from 10 % on, 700 forecasts)"
    assert texts == [f"correction 1.0.0+1.1.0: {sentence}"]


def test_nothing_sold_gives_no_share() -> None:
    assert figures({"forecasts": 2.0, "absolute_error": 1.0}).wape is None
