"""Explanations and quantiles are asked for under load, and read."""

from __future__ import annotations

import json
from datetime import date
from itertools import islice
from typing import Any

import pytest

from loadtests.checks import Answer, Check, Reading
from loadtests.murphy.asks import BY_MODEL, LEVELS, RATES, Traffic
from loadtests.murphy.details import that_adds_up, with_quantiles
from loadtests.murphy.ledger import Ledger
from loadtests.traffic import Subjects


def asked(kind: str) -> Any:
    """The body of a request of this kind."""
    traffic = Traffic(Subjects((("CA_1", "A"),), ("dog",)), ("p1",), date(2026, 1, 31), Ledger())
    lanes = dict(zip(RATES, traffic.lanes({"supermegaretail": "http://r", "photostock": "http://p"}), strict=True))
    (ask,) = islice(lanes[kind].asks, 1)
    return json.loads(ask.body or b"")


def problem(check: Check, **told: Any) -> str | None:
    body = json.dumps({"forecasts": [{"demand": [2.0, 3.0], **told}]}).encode()
    return check(Answer(200, {}, body)).problem


def well(_: Answer) -> Reading:
    return Reading(("core",))


def test_explanations_and_quantiles_are_asked_for_under_load() -> None:
    assert asked("forecast explained")["explain"] is True
    assert asked("forecast quantiles")["quantiles"] == list(LEVELS)
    assert {"forecast explained", "forecast quantiles"} <= BY_MODEL


def explanation(*contributions: list[float]) -> dict[str, Any]:
    rows = [{"feature": "price", "per_day": per_day} for per_day in contributions]
    return {"moving_average": [1.0, 1.0], "demand": [2.0, 3.0], "contributions": rows}


@pytest.mark.parametrize(
    ("told", "found"),
    [
        (None, None),
        (explanation([0.5, 1.0], [0.5, 1.0]), None),
        (explanation([0.5, 1.0]), "the contributions do not add up"),
        (explanation(), "the contributions do not add up"),
        ({**explanation(), "demand": [1.0, 1.0]}, None),
        ({**explanation(), "moving_average": None}, None),
        ({**explanation(), "demand": [None, 1.0]}, "an explanation of no plausible demand"),
        ({"moving_average": [1.0]}, "another shape: KeyError: 'demand'"),
    ],
)
def test_contributions_add_up_or_are_not_told(told: Any, found: str | None) -> None:
    assert problem(that_adds_up(well), explanation=told) == found


@pytest.mark.parametrize(
    ("told", "found"),
    [
        (None, None),
        ({"0.25": [1.0, 2.0], "0.5": [1.0, 3.0]}, None),
        ({"0.25": [1.0, 4.0], "0.5": [1.0, 3.0]}, "a quantile is below a lower one"),
        ({"0.25": [1.0, 2.0], "0.5": [1.0]}, "a quantile is not whole"),
        ({"0.25": [1.0, 2.0]}, "quantiles ['0.25'] are not those asked for"),
    ],
)
def test_quantiles_rise_with_their_levels_or_are_not_told(told: Any, found: str | None) -> None:
    assert problem(with_quantiles(well, (0.25, 0.5), 2), quantiles=told) == found


def test_what_is_wrong_with_the_forecast_itself_is_told_first() -> None:
    spoiled = that_adds_up(lambda _: Reading(problem="status 500"))
    assert problem(spoiled, explanation=explanation()) == "status 500"
