"""`python -m loadtests bench-overrides`: what 10,000 overrides cost a forecast request, and how soon a replica follows.

Two API processes over copies of what one VAR_DIR knows of the products asked for: one without overrides, one with.
They answer in turn. A third one, a replica of the second, tells how soon a change is seen: with SQLite, or PostgreSQL.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import polars as pl
from rich.console import Console
from sqlalchemy import create_engine, insert, make_url
from sqlalchemy.schema import CreateSchema, DropSchema

from common.command_line import positive_int
from common.settings import ServiceSettings
from common.state.database import open_state
from common.state.overrides import OverrideStore, iso, overrides
from loadtests.bench.cpu import cpu_s_of
from loadtests.bench.forecasts import body_about
from loadtests.processes import Fleet, ProcessError, Program, free_port
from loadtests.services import api_key, var_dir

ITEMS = 10
WARM_UP = 30  # requests
AT_MOST = 1.05
WITHIN_S = 1.0
READY_WITHIN_S = 300.0  # on a busy machine
TOKEN = "bench-overrides-token"  # noqa: S105  of processes that live as long as the measurement


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.epilog = (
        "Needs sales in VAR_DIR. Exit code 1 if a request costs more, or a replica follows later, than it may."
    )
    command.add_argument(
        "--overrides", type=positive_int, default=10_000, metavar="N", help="in force (default: %(default)s)"
    )
    command.add_argument("--rounds", type=positive_int, default=21, metavar="N", help="default: %(default)s")
    command.add_argument(
        "--requests", type=positive_int, default=100, metavar="N", help="of a round (default: %(default)s)"
    )
    command.add_argument(
        "--changes", type=positive_int, default=10, metavar="N", help="to be followed (default: %(default)s)"
    )
    command.add_argument("--database-url", metavar="URL", help="a PostgreSQL; else SQLite")
    command.add_argument("--shaped", action="store_true", help="a factor on every item asked for, instead of on others")


def run(arguments: argparse.Namespace) -> int:
    """Measures and shows; 1 if we are over a target."""
    ratios, none_ms, delays_s = asyncio.run(_measure(arguments))
    ratio = statistics.median(ratios)
    spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
    database = "SQLite" if arguments.database_url is None else "PostgreSQL"
    typical_s, slowest_s = statistics.median(delays_s), max(delays_s)
    Console().print(
        f"{arguments.overrides} overrides, {ITEMS} items: {none_ms:.3f} ms without, × {ratio:.3f} with ({spread}); "
        f"the other replica follows within {typical_s:.2f} s, at most {slowest_s:.2f} s ({database})"
    )
    return int(ratio > AT_MOST or slowest_s > WITHIN_S)


def _api(name: str, folder: Path, database_url: str | None) -> Program:
    port = free_port()
    environment = {
        "VAR_DIR": str(folder),
        "SUPERMEGARETAIL_PORT": str(port),
        "SUPERMEGARETAIL_MODEL_PORT": str(free_port()),  # nobody: the moving average, the cheapest answer, serves
        "ADMIN_TOKEN": TOKEN,
        "HIGH_TIMEOUT_MS": "10000",
        "PYTHONHASHSEED": "0",  # else luck with hashes makes a process up to some percent slower than its twin
        **({} if database_url is None else {"DATABASE_URL": database_url}),
    }
    return Program(name, ("-m", "supermegaretail", "api"), port, environment=environment)


async def _measure(arguments: argparse.Namespace) -> tuple[list[float], float, list[float]]:
    table = var_dir(os.environ) / "supermegaretail" / "sales.parquet"
    items = json.loads((var_dir(os.environ) / "demo.json").read_bytes())["items"][:ITEMS]
    sales = pl.read_parquet(table).join(pl.DataFrame(items).select("store", "sku"), on=["store", "sku"], how="semi")
    with (
        tempfile.TemporaryDirectory() as folder,
        _new_databases(arguments.database_url, 2) as (without_url, with_url),
        Fleet(Path(folder)) as fleet,
    ):
        folders = [Path(folder) / name for name in ("without", "with")]
        for one in folders:
            (one / "supermegaretail").mkdir(parents=True)
            sales.write_parquet(one / "supermegaretail" / "sales.parquet")
        scopes = [_scope(place, items, shaped=arguments.shaped) for place in range(arguments.overrides)]
        _store(folders[1], scopes, with_url)
        without = _api("without", folders[0], without_url)
        with_, other = (_api(name, folders[1], with_url) for name in ("with", "other"))
        for program in (without, with_, other):
            fleet.start(program)
            await fleet.ready(program, within_seconds=READY_WITHIN_S, wholly=False)  # they have no model on purpose
        key = api_key(os.environ)
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
        async with aiohttp.ClientSession(headers=headers) as session:
            body = body_about(items)
            ratios, none_ms = [], []
            await _cost(session, fleet, (without, with_), body, WARM_UP)
            for number in range(arguments.rounds):
                pair = (without, with_) if number % 2 else (with_, without)
                costs = await _cost(session, fleet, pair, body, arguments.requests)
                ratios.append(costs["with"] / costs["without"])
                none_ms.append(costs["without"] * 1e3)
            delays_s = [await _followed(session, with_, other, place) for place in range(arguments.changes)]
        return ratios, statistics.median(none_ms), delays_s


@contextmanager
def _new_databases(database_url: str | None, count: int) -> Iterator[list[str | None]]:
    """As many schemas of that database, thrown away afterwards; without one each API has an SQLite file of its own."""
    if database_url is None:
        yield [None] * count
        return
    schemas = [f"bench_{secrets.token_hex(8)}" for _ in range(count)]
    engine = create_engine(database_url)
    try:
        with engine.begin() as connection:
            for schema in schemas:
                connection.execute(CreateSchema(schema))
        yield [_in_schema(database_url, schema) for schema in schemas]
    finally:
        with engine.begin() as connection:
            for schema in schemas:
                connection.execute(DropSchema(schema, cascade=True, if_exists=True))
        engine.dispose()


def _in_schema(database_url: str, schema: str) -> str:
    options = {"options": f"-csearch_path={schema}"}
    return make_url(database_url).update_query_dict(options).render_as_string(hide_password=False)


def _store(folder: Path, scopes: Sequence[dict[str, str]], database_url: str | None) -> None:
    """Straight into the database: one by one, each with its place in the audit log, they would take minutes."""
    now = datetime.now(UTC)
    times = {"created_at": iso(now), "ends_at": iso(now + timedelta(days=30))}
    value = json.dumps({"effect": "factor", "value": 1.1})
    told = {"scope": "supermegaretail", "owner": "bench", "reason": "measurement", "value": value, **times}
    rows = [
        {**told, "id": f"{number:016x}", "target": f"{scope['store']}\n{scope['sku']}"}
        for number, scope in enumerate(scopes)
    ]
    settings = ServiceSettings(var_dir=folder, database_url=database_url)
    engine = OverrideStore(open_state(settings), "supermegaretail").engine
    with engine.begin() as connection:
        connection.execute(insert(overrides), rows)
    engine.dispose()


def _scope(place: int, items: list[dict[str, str]], *, shaped: bool) -> dict[str, str]:
    if shaped and place < len(items):
        return {"store": items[place]["store"], "sku": items[place]["sku"]}
    return {"store": f"store {place % 50}", "sku": f"product {place}"}


async def _add(session: aiohttp.ClientSession, api: Program, scope: dict[str, str]) -> str:
    ends_at = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    wish = {**scope, "effect": "factor", "value": 1.1, "owner": "bench", "reason": "measurement", "ends_at": ends_at}
    return str((await _admin(session, "POST", f"{api.url}/v1/admin/overrides", wish))["id"])


async def _admin(session: aiohttp.ClientSession, method: str, url: str, body: Any = None) -> Any:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    for _ in range(50):
        async with session.request(method, url, json=body, headers=headers) as response:
            if response.status in (429, 503):  # more at once than may be stored: again
                await asyncio.sleep(0.1)
                continue
            if response.status >= 400:
                raise ProcessError(f"{url} answers {response.status}: {await response.text()}")
            return await response.json() if response.status != 204 else None
    raise ProcessError(f"{url} takes no more")


async def _cost(
    session: aiohttp.ClientSession, fleet: Fleet, apis: Sequence[Program], body: bytes, requests: int
) -> dict[str, float]:
    """Seconds of processor time per request by API, asked in turn: what else the machine does disturbs all alike."""
    before = {api.name: cpu_s_of(fleet.pid(api.name)) for api in apis}
    for _ in range(requests):
        for api in apis:
            async with session.post(f"{api.url}/v1/forecasts", data=body) as response:
                await response.read()
    return {name: (cpu_s_of(fleet.pid(name)) - before_s) / requests for name, before_s in before.items()}


async def _followed(session: aiohttp.ClientSession, api: Program, other: Program, place: int) -> float:
    """Seconds from the acknowledgement on one replica to the first answer of the other that heeds it; both ways."""
    store, sku = f"new {place}", "product"
    override_id = await _add(session, api, {"store": store, "sku": sku})
    added_s = await _until(session, other, store, sku, override_id)
    await _admin(session, "DELETE", f"{api.url}/v1/admin/overrides/{override_id}")
    return max(added_s, await _until(session, other, store, sku, None))


async def _until(session: aiohttp.ClientSession, api: Program, store: str, sku: str, wanted: str | None) -> float:
    started_s, body = time.monotonic(), body_about([{"store": store, "sku": sku}])
    while time.monotonic() - started_s < 10 * WITHIN_S:
        async with session.post(f"{api.url}/v1/forecasts", data=body) as response:
            [one] = (await response.json())["forecasts"]
        if one["override_id"] == wanted:
            return time.monotonic() - started_s
        await asyncio.sleep(0.02)
    raise ProcessError(f"{api.name} does not follow")
