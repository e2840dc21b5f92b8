"""A logged request forecast again, and what is different now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from supermegaretail.contract import Forecast, ForecastAnswer, ForecastRequest, Item
from supermegaretail.history import SalesHistory
from supermegaretail.monitoring.records import MARKS, marks

PARTS = ("core", "correction", "features", "api")
MODELS = ("core", "correction")
TOLD_OF = (  # in the order of `MARKS`
    "the item's sales up to as_of",
    "the item's prices, promotions or events",
    "sales or plans of its store, its category or its product elsewhere",
)


@dataclass(frozen=True, slots=True)
class LoggedItem:
    """One item of a request as it was told."""

    store: str
    sku: str
    dates: list[date]
    demand: list[float]
    quantiles: dict[str, list[float]] | None
    served_by: str
    degraded: bool
    reason: str | None
    override_id: str | None
    marks: list[int]  # in `MARKS`


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """A request as it was answered."""

    request_id: str
    made_at: str
    caller: str
    version: str  # the one that was heard, or the name that was asked for where no model was heard
    seed: int
    as_of: date
    known_until: date | None
    versions: dict[str, str]
    items: list[LoggedItem]

    @classmethod
    def of(cls, rows: pl.DataFrame) -> LoggedRequest:
        """From all its rows in the log, by item and day; there must be some."""
        first = rows.row(0, named=True)
        versions = {part: first[f"{part}_version"] for part in PARTS if first[f"{part}_version"] is not None}
        return cls(
            request_id=first["request_id"],
            made_at=first["made_at"].isoformat(timespec="milliseconds"),
            caller=first["caller"],
            version=versions.get("core", first["version"]),
            seed=first["seed"],
            as_of=first["as_of"],
            known_until=first["known_until"],
            versions=versions,
            items=[_item(part) for part in rows.partition_by("position", maintain_order=True)],
        )

    def as_request(self) -> ForecastRequest:
        """The same request again, about the same days, by the same version."""
        levels = next((one.quantiles for one in self.items if one.quantiles), {})  # an override has none
        return ForecastRequest.model_construct(
            items=[Item.model_construct(store=one.store, sku=one.sku) for one in self.items],
            horizon_days=len(self.items[0].dates),
            as_of=self.as_of,
            quantiles=tuple(float(level) for level in levels),
            version=self.version,
            seed=self.seed,
            explain=False,
        )


def compared(then: LoggedRequest, now: ForecastAnswer, history: SalesHistory) -> dict[str, Any]:
    """Per item whether it came out the same, and if not what differs; JSON."""
    horizon_days = len(then.items[0].dates)
    keys = [(one.store, one.sku) for one in then.items]
    marked = marks(history, keys, as_of=then.as_of, horizon_days=horizon_days).tolist()
    items = [
        _compared(one, again, then, now, mark)
        for one, again, mark in zip(then.items, now.forecasts, marked, strict=True)
    ]
    return {
        "request_id": then.request_id,
        "made_at": then.made_at,
        "caller": then.caller,
        "as_of": then.as_of.isoformat(),
        "horizon_days": horizon_days,
        "version": then.version,
        "seed": then.seed,
        "same": all(item["same"] for item in items),
        "versions": {
            part: {"then": then.versions.get(part), "now": now.versions.get(part)}
            for part in sorted({*then.versions, *now.versions})
        },
        "sales_known_until": {"then": _iso(then.known_until), "now": _iso(history.last_day)},
        "items": items,
    }


def in_words(replay: dict[str, Any]) -> str:
    """The replay for a terminal: one line per item, and one for each difference."""
    items = replay["items"]
    same = sum(item["same"] for item in items)
    head = f"{replay['request_id']}, made at {replay['made_at']}: {same} of {len(items)} items come out the same"
    return "\n".join([head, *(line for item in items for line in _lines(item))])


def _item(rows: pl.DataFrame) -> LoggedItem:
    first = rows.row(0, named=True)
    levels = [f"{level:g}" for level in first["quantile_levels"]]
    by_day = rows["quantile_values"].to_list()
    return LoggedItem(
        store=first["store"],
        sku=first["sku"],
        dates=rows["day"].to_list(),
        demand=rows["demand"].to_list(),
        quantiles={level: [day[place] for day in by_day] for place, level in enumerate(levels)} or None,
        served_by=first["served_by"],
        degraded=first["degraded"],
        reason=first["reason"],
        override_id=first["override_id"],
        marks=[first[name] for name in MARKS],
    )


def _compared(
    then: LoggedItem, now: Forecast, request: LoggedRequest, answer: ForecastAnswer, marked: list[int]
) -> dict[str, Any]:
    pairs = {
        "demand": (then.demand, now.demand),
        "quantiles": (then.quantiles, _named_alike(now.quantiles)),
        "served_by": (then.served_by, now.served_by),
        "reason": (then.reason, now.reason),
        "override_id": (then.override_id, now.override_id),
    }
    differs: dict[str, Any] = {
        name: {"then": before, "now": after} for name, (before, after) in pairs.items() if before != after
    }
    same = not differs
    versions = _versions_that_differ(then.served_by, request.versions, answer.versions)
    if versions:
        differs["versions"] = versions
    arrived = [text for text, before, mark in zip(TOLD_OF, then.marks, marked, strict=True) if before != mark]
    return {"store": then.store, "sku": then.sku, "same": same, "differs": differs, "arrived_since": arrived}


def _versions_that_differ(served_by: str, then: dict[str, str], now: dict[str, str]) -> dict[str, Any]:
    """Of the models that made this item's number, and of the code."""
    heard = MODELS[: {"core": 1, "correction": 2}.get(served_by, 0)]
    return {
        part: {"then": then.get(part), "now": now.get(part)}
        for part in (*heard, "features", "api")
        if then.get(part) != now.get(part)
    }


def _named_alike(quantiles: dict[str, list[float]] | None) -> dict[str, list[float]] | None:
    return {f"{float(level):g}": values for level, values in quantiles.items()} if quantiles else None


def _lines(item: dict[str, Any]) -> Iterator[str]:
    yield f"{item['store']} {item['sku']}: {'the same' if item['same'] else 'not the same'}"
    for name, pair in item["differs"].items():
        if name == "versions":
            yield from (f"  {part}: {both['then']} → {both['now']}" for part, both in pair.items())
        else:
            yield f"  {name}: {pair['then']} → {pair['now']}"
    if item["arrived_since"]:
        yield f"  arrived since: {', '.join(item['arrived_since'])}"


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
