"""`python -m loadtests bench-forecasts`: processor time per forecast request, next to what nobody can save.

The base is [LightGBM's `predict` of the same rows, once with each model] plus [a FastAPI endpoint that takes the same
body and returns an answer of the same size]. Both are measured in every round, for machines change by the minute.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from common.command_line import positive_int
from loadtests.bench.bare_predict import BarePredict
from loadtests.bench.cpu import cpu_s_of
from loadtests.numbers import share
from loadtests.processes import Fleet, ProcessError, Program, free_port
from loadtests.services import api_key, supermegaretail, var_dir

HORIZON_DAYS = 7
JSON = {"Content-Type": "application/json"}
PATIENCE = {"LOW_TIMEOUT_MS": "10000", "HIGH_TIMEOUT_MS": "10000"}  # a busy machine must not turn into fallbacks
BEST = "correction"  # the tier that needs both models


@dataclass(frozen=True, slots=True)
class Size:
    """A request of so many items, and how often the base it may cost."""

    items: int
    requests: int  # of a round
    at_most: float

    @property
    def rows(self) -> int:
        return self.items * HORIZON_DAYS


SIZES = (Size(1, 1_000, 2.0), Size(100, 150, 1.6))


@dataclass(frozen=True, slots=True)
class Costs:
    """Milliseconds of processor time per request, in one round."""

    api_ms: float
    model_ms: float
    empty_ms: float  # the empty endpoint
    predict_ms: float

    @property
    def ratio(self) -> float:
        return (self.api_ms + self.model_ms) / (self.empty_ms + self.predict_ms)


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.epilog = "Needs trained models in VAR_DIR. Exit code 1 if a request costs more than its target."
    command.add_argument("--rounds", type=positive_int, default=5, metavar="N", help="default: %(default)s")
    command.add_argument("--callers", type=positive_int, default=4, metavar="N", help="requests at a time (default: 4)")
    command.add_argument("--share", type=share, default=1.0, metavar="X", help="fewer requests (default: 1)")


def run(arguments: argparse.Namespace) -> int:
    """Measures and shows; 1 if we are over a target."""
    rounds = asyncio.run(_measure(arguments.rounds, arguments.callers, arguments.share))
    console = Console()
    console.print(f"{len(rounds)} rounds, {HORIZON_DAYS} days; ms of processor time per request, medians")
    console.print(results_table(rounds))
    over = over_target(rounds)
    for size in over:
        console.print(f"{size.items} items cost more than {size.at_most} times the base", style="red")
    return int(bool(over))


def over_target(rounds: Sequence[Sequence[Costs]]) -> list[Size]:
    """The sizes that cost more than they may, of rounds with one `Costs` for each of `SIZES`."""
    return [size for number, size in enumerate(SIZES) if _ratio([costs[number] for costs in rounds]) > size.at_most]


def results_table(rounds: Sequence[Sequence[Costs]]) -> Table:
    """A line per size."""
    table = Table("items", "API", "model", "empty FastAPI", "bare predict", "ratio", "at most", box=SIMPLE_HEAD)
    for number, size in enumerate(SIZES):
        costs = [played[number] for played in rounds]
        parts = [[getattr(one, name) for one in costs] for name in ("api_ms", "model_ms", "empty_ms", "predict_ms")]
        cells = [f"{statistics.median(part):.3f}" for part in parts]
        table.add_row(str(size.items), *cells, f"{_ratio(costs):.2f}", f"{size.at_most}")
    return table


def _ratio(costs: Sequence[Costs]) -> float:
    return statistics.median(one.ratio for one in costs)


async def _measure(rounds: int, callers: int, share: float) -> list[list[Costs]]:
    ports = {name: str(free_port()) for name in ("SUPERMEGARETAIL_PORT", "SUPERMEGARETAIL_MODEL_PORT")}
    os.environ.update(ports, **PATIENCE)  # of the children
    service, state = supermegaretail(os.environ), var_dir(os.environ)
    bare = BarePredict(state / "registry")
    with tempfile.TemporaryDirectory() as folder, Fleet(Path(folder)) as fleet:
        fleet.start(service.model)
        await fleet.ready(service.model)
        fleet.start(service.api)
        await fleet.ready(service.api)
        key = api_key(os.environ)
        headers = {**JSON, **({"Authorization": f"Bearer {key}"} if key else {})}
        async with aiohttp.ClientSession(headers=headers) as session:
            url = f"{service.api.url}/v1/forecasts"
            items = await served_items(session, url, state / "demo.json", most=max(size.items for size in SIZES))
            bodies = [body_about(items[: size.items]) for size in SIZES]
            answers = [await _answer(session, url, body) for body in bodies]
            empty = _empty_server(Path(folder), answers)
            fleet.start(empty)
            await fleet.ready(empty)
            played = []
            for _ in range(rounds):
                costs = []
                for number, (size, body) in enumerate(zip(SIZES, bodies, strict=True)):
                    requests = max(callers, int(size.requests * share))
                    pids = [fleet.pid(program.name) for program in (service.api, service.model)]
                    api_s, model_s = await _cpu_s(session, url, body, requests, callers, pids)
                    [empty_s] = await _cpu_s(
                        session, f"{empty.url}/{number}", body, requests, callers, [fleet.pid(empty.name)]
                    )
                    costs.append(Costs(api_s * 1e3, model_s * 1e3, empty_s * 1e3, 1e3 * bare.cpu_s(size.rows)))
                played.append(costs)
        return played


def _items_of(demo: Path) -> list[dict[str, str]]:
    try:
        return [{"store": item["store"], "sku": item["sku"]} for item in json.loads(demo.read_bytes())["items"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ProcessError(f"{demo} names no items: run `python -m supermegaretail data demo`") from error


def body_about(items: Sequence[dict[str, str]]) -> bytes:
    """A request for forecasts of these items."""
    return json.dumps({"items": list(items), "horizon_days": HORIZON_DAYS}).encode()


async def served_items(session: aiohttp.ClientSession, url: str, demo: Path, *, most: int) -> list[dict[str, str]]:
    """So many items that both models serve: a fallback costs something else."""
    items, served = _items_of(demo), list[dict[str, str]]()
    for start in range(0, len(items), most):
        answer = json.loads(await _answer(session, url, body_about(items[start : start + most])))
        served += [
            {name: one[name] for name in ("store", "sku")} for one in answer["forecasts"] if one["served_by"] == BEST
        ]
        if len(served) >= most:
            return served[:most]
    raise ProcessError(f"{most} items are needed that the {BEST} serves, and there are {len(served)}")


def _empty_server(folder: Path, answers: Sequence[bytes]) -> Program:
    files = [folder / f"answer-{number}" for number in range(len(answers))]
    for file, answer in zip(files, answers, strict=True):
        file.write_bytes(answer)
    port = free_port()
    return Program("empty", ("-m", "loadtests.bench.empty_server", str(port), *map(str, files)), port)


async def _answer(session: aiohttp.ClientSession, url: str, body: bytes) -> bytes:
    async with session.post(url, data=body, headers=JSON) as response:
        if response.status != 200:
            raise ProcessError(f"{url} answers {response.status}")
        return await response.read()


async def _cpu_s(
    session: aiohttp.ClientSession, url: str, body: bytes, requests: int, callers: int, pids: Sequence[int]
) -> list[float]:
    """Seconds of processor time per request of each process, under so many callers that wait for their answers."""
    await _send(session, url, body, max(callers, requests // 10), callers)
    before = [cpu_s_of(pid) for pid in pids]
    await _send(session, url, body, requests, callers)
    return [(cpu_s_of(pid) - spent_s) / requests for pid, spent_s in zip(pids, before, strict=True)]


async def _send(session: aiohttp.ClientSession, url: str, body: bytes, requests: int, callers: int) -> None:
    left = iter(range(requests))

    async def caller() -> None:
        for _ in left:
            async with session.post(url, data=body) as response:
                await response.read()
                if response.status != 200 or response.headers.get("X-Degraded", "false") != "false":
                    raise ProcessError(f"{url} answers {response.status}, degraded: its cost would say nothing")

    await asyncio.gather(*(caller() for _ in range(callers)))
