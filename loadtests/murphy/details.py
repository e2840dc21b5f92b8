"""What forecasts say beside the demand, where it was asked for: explanations and quantiles. Either may be missing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from loadtests.checks import Answer, Check, MalformedAnswer, Reading
from loadtests.murphy.meaning import demand, is_amount

ROUNDING, SHARE = 1e-3, 1e-5  # each number of an explanation is rounded by itself


def that_adds_up(check: Check) -> Check:
    """The forecasts, and that on every day the contributions are what lies between moving average and demand."""

    def look(entry: Any) -> None:
        told = entry.get("explanation")
        if told is None or told["moving_average"] is None:
            return
        demand(all(map(is_amount, told["demand"])), "an explanation of no plausible demand")
        days = zip(told["demand"], told["moving_average"], _sums(told), strict=True)
        close = all(abs(units - start - added) <= ROUNDING + SHARE * abs(units) for units, start, added in days)
        demand(close, "the contributions do not add up")

    return _looking(check, look)


def with_quantiles(check: Check, levels: Sequence[float], horizon_days: int) -> Check:
    """The forecasts, and that quantiles are those asked for, whole, and rise with their levels."""

    def look(entry: Any) -> None:
        told = entry.get("quantiles")
        if told is None:
            return
        demand([float(level) for level in told] == list(levels), f"quantiles {list(told)} are not those asked for")
        rows = list(told.values())
        demand(all(len(row) == horizon_days and all(map(is_amount, row)) for row in rows), "a quantile is not whole")
        demand(all(list(day) == sorted(day) for day in zip(*rows, strict=True)), "a quantile is below a lower one")

    return _looking(check, look)


def _sums(told: Any) -> Iterator[float]:
    rows = [one["per_day"] for one in told["contributions"]]
    return (sum(day) for day in zip(*rows, strict=True)) if rows else iter([0.0] * len(told["demand"]))


def _looking(check: Check, look: Callable[[Any], None]) -> Check:
    def read(answer: Answer) -> Reading:
        reading = check(answer)
        if reading.problem is not None:
            return reading
        try:
            for entry in json.loads(answer.body)["forecasts"]:
                look(entry)
        except MalformedAnswer as error:
            return replace(reading, problem=str(error))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            return replace(reading, problem=f"another shape: {type(error).__name__}: {error}"[:200])
        return reading

    return read
