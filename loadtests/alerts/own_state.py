"""Situations in what a service knows: sales, releases, overrides, files. Each has a copy of the state of its own."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import repeat
from pathlib import Path
from typing import Any

import polars as pl

from loadtests.alerts.asking import ask_to, sending
from loadtests.experiments.promoter import COMPONENT, WHO, desk_in
from loadtests.experiments.rolling import two_versions
from loadtests.inside.caller import Caller, NotAnswered, session
from loadtests.inside.machine import faketime
from loadtests.inside.storage import REGISTRY
from loadtests.murphy.house import ADMIN_TOKEN, House
from loadtests.murphy.trial import RETAIL

ROWS_AT_ONCE = 5_000
ITEMS = 40  # products whose sales turn out otherwise
FEW = 4  # too few for the inputs as a whole to drift
DAYS = 14
DRIFTED_DAYS, TIMES = 7, 20
TOO_HIGH = 1.5
RELEASE = {"RELEASE_STEPS": "0.5, 1", "RELEASE_STEP_REQUESTS": "100000", "LOW_TIMEOUT_MS": "3000"}
RUSH_TIMES = 4.0  # so that the judge of a release has enough to see
LIFE = timedelta(days=7)  # of the override: six days ago it was decided


@asynccontextmanager
async def own_state(house: House, environment: Mapping[str, str] | None = None) -> AsyncIterator[Path]:
    """The APIs go on with a copy of their state, which is thrown away at the end; the registry stays the same."""
    folder = house.var_dir.parent / "own-state"
    with house.away(house.apis):
        await house.kill(*house.apis)
        await asyncio.to_thread(
            shutil.copytree, house.var_dir, folder, ignore=shutil.ignore_patterns(REGISTRY), dirs_exist_ok=True
        )
        (folder / REGISTRY).symlink_to((house.var_dir / REGISTRY).absolute())
        await house.start(*house.apis, environment={"VAR_DIR": str(folder), **(environment or {})})
    try:
        yield folder
    finally:
        with house.away(house.apis):
            await house.kill(*house.apis)
            await asyncio.to_thread(shutil.rmtree, folder)
            await house.start(*house.apis)


@asynccontextmanager
async def predictions_not_kept(house: House) -> AsyncIterator[None]:
    """Where the log of forecasts should be a folder, there is a file."""
    async with own_state(house) as folder:
        predictions = folder / RETAIL / "predictions"
        await asyncio.to_thread(shutil.rmtree, predictions, ignore_errors=True)
        predictions.touch()
        yield


@asynccontextmanager
async def inputs_drifted(house: House) -> AsyncIterator[None]:
    """The last week of all sales is told once more, in another unit."""
    async with own_state(house) as folder:
        table = await asyncio.to_thread(_sold_lately, folder)
        await _tell(house, [row | {"sales": row["sales"] * TIMES} for row in table])
        yield


@asynccontextmanager
async def single_items_strange(house: House) -> AsyncIterator[None]:
    """Of a few products that are asked for often, far more is sold than of any other."""
    async with own_state(house) as folder:
        table = await asyncio.to_thread(_sold_lately, folder)
        few = _items(table)[:FEW]
        strange = [row for row in table if {"store": row["store"], "sku": row["sku"]} in few]
        await _tell(house, [row | {"sales": row["sales"] * TIMES**2 + 1e4} for row in strange])
        ask = ask_to("/v1/forecasts", json.dumps({"items": few, "horizon_days": 7}).encode())
        async with sending(house, lambda _: repeat(ask)):
            yield


@asynccontextmanager
async def forecasts_off(house: House) -> AsyncIterator[None]:
    """What was forecast is plausible, and then three times as much is sold."""
    async with own_state(house) as folder:
        table = await asyncio.to_thread(_sold_lately, folder)
        items = _items(table)[:ITEMS]
        told = await _call(house, "POST", "/v1/forecasts", {"items": items, "horizon_days": DAYS})
        await _tell(
            house,
            [
                {"store": one["store"], "sku": one["sku"], "date": day, "sales": round(3 * demand + 5)}
                for one in told["forecasts"]
                for day, demand in zip(one["dates"], one["demand"], strict=True)
            ],
        )
        yield


@asynccontextmanager
async def bad_challenger(house: House) -> AsyncIterator[None]:
    """A version that says half as much again as the champion is released; its judge takes it back."""
    async with own_state(house, RELEASE) as folder:
        made = house.var_dir.parent / "challenger"
        _, challenger = await asyncio.to_thread(two_versions, house.var_dir, made, other_start=TOO_HIGH)
        for component in ("core", "correction"):
            await asyncio.to_thread(_add_versions, made / REGISTRY / component, house.var_dir / REGISTRY / component)
        shutil.rmtree(made)
        desk = desk_in(folder)
        release = await asyncio.to_thread(desk.propose, COMPONENT, challenger, who=WHO, why="too high", report={})
        await asyncio.to_thread(desk.start, release.id, who=WHO, why="to see it taken back")
        async with house.rush(RUSH_TIMES):
            yield


@asynccontextmanager
async def override_ends(house: House) -> AsyncIterator[None]:
    """An override that was decided a week ago, by the clock of then, ends in an hour."""
    async with own_state(house) as folder:
        ends_at = (datetime.now(UTC) + timedelta(hours=1)).isoformat(timespec="seconds")
        wish = {"store": "nowhere", "sku": "nothing", "demand_per_day": "7", "ends_at": ends_at}
        wish |= {"owner": "loadtests", "reason": "to see it end"}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "common", "overrides", "add", *(f"{key}={value}" for key, value in wish.items())),
            env={
                **os.environ,
                "VAR_DIR": str(folder),
                "DATABASE_URL": "",
                "LD_PRELOAD": faketime(),
                "FAKETIME": f"-{LIFE.days}d",
            },
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await process.communicate()
        if process.returncode:
            raise NotAnswered(f"overrides add: {said.decode(errors='replace')[-300:]}")
        yield


def _sold_lately(folder: Path) -> list[dict[str, Any]]:
    """The sales of the last days, as `POST /v1/sales` takes them."""
    table = pl.scan_parquet(folder / RETAIL / "sales.parquet").filter(pl.col("sales").is_not_null())
    lately = table.filter(pl.col("date") > pl.col("date").max() - pl.duration(days=DRIFTED_DAYS))
    rows = lately.select("store", "sku", pl.col("date").cast(pl.String), pl.col("sales").cast(pl.Float64)).collect()
    return rows.to_dicts()


def _items(table: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    return [{"store": store, "sku": sku} for store, sku in sorted({(row["store"], row["sku"]) for row in table})]


async def _tell(house: House, sales: Sequence[Mapping[str, Any]]) -> None:
    for start in range(0, len(sales), ROWS_AT_ONCE):
        await _call(house, "POST", "/v1/sales", {"sales": sales[start : start + ROWS_AT_ONCE]})


async def _call(house: House, method: str, path: str, body: Mapping[str, Any]) -> Any:
    async with session() as calls:
        status, answer = await Caller(calls, house.services[RETAIL].api.url, token=ADMIN_TOKEN).call(method, path, body)
    if status not in (200, 201):
        raise NotAnswered(f"{method} {path}: status {status}")
    return answer


def _add_versions(made: Path, to: Path) -> None:
    """The versions that are not there yet; whatever says which one serves stays as it is."""
    for version in made.iterdir():
        if version.is_dir() and not (to / version.name).exists():
            shutil.copytree(version, to / version.name)
