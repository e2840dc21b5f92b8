"""`python -m loadtests bench-photos`: processor time per search without the reranker, next to what nobody can save.

The base is [one run of the encoder] plus [one search of a flat FAISS index] plus [a FastAPI endpoint that takes the
same query and returns an answer of the same size]. All are measured in every round, for machines change by the minute.
No search is asked twice, for what was found is kept.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from common.command_line import positive_int
from loadtests.bench.bare_search import BareSearch
from loadtests.bench.cpu import cpu_s_of
from loadtests.experiments.photo_service import NotAnswered, PhotoApi
from loadtests.processes import Fleet, ProcessError, Program, free_port
from loadtests.services import api_key, photostock, var_dir

AT_MOST = 1.6  # times the base
SHARE_PHOTOS = 5_000  # of the bare index
ENVIRONMENT = {
    "LOW_TIMEOUT_MS": "10000",  # a busy machine must not turn into fallbacks
    "HIGH_TIMEOUT_MS": "10000",
    "PHOTOSTOCK_RERANKER_URL": "http://127.0.0.1:9",  # the discard port, where nobody listens
}
WAIT_S = 60.0
WARM_UP = 20  # searches; the breaker of the reranker opens in their course


@dataclass(frozen=True, slots=True)
class Costs:
    """Milliseconds of processor time per search, in one round."""

    api_ms: float
    encode_ms: float
    compare_ms: float
    empty_ms: float  # the empty endpoint

    @property
    def ratio(self) -> float:
        return self.api_ms / (self.encode_ms + self.compare_ms + self.empty_ms)


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.epilog = "Needs photos and an encoder in VAR_DIR. Exit code 1 if a search costs more than its target."
    command.add_argument("--rounds", type=positive_int, default=5, metavar="N", help="default: %(default)s")
    command.add_argument("--callers", type=positive_int, default=2, metavar="N", help="searches at a time (default: 2)")
    command.add_argument(
        "--searches", type=positive_int, default=300, metavar="N", help="of a round (default: %(default)s)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Measures and shows; 1 if we are over the target."""
    rounds = asyncio.run(_measure(arguments.rounds, arguments.callers, arguments.searches))
    console, ratio = Console(), statistics.median(one.ratio for one in rounds)
    table = Table("API", "bare encoder", "bare FAISS", "empty FastAPI", "ratio", "at most", box=SIMPLE_HEAD)
    parts = ([getattr(one, name) for one in rounds] for name in ("api_ms", "encode_ms", "compare_ms", "empty_ms"))
    table.add_row(*(f"{statistics.median(part):.3f}" for part in parts), f"{ratio:.2f}", f"{AT_MOST}")
    console.print(f"{len(rounds)} rounds; ms of processor time per search, medians")
    console.print(table)
    if ratio > AT_MOST:
        console.print(f"a search costs {ratio:.2f} times the base, and {AT_MOST} are allowed", style="red")
    return int(ratio > AT_MOST)


async def _measure(rounds: int, callers: int, searches: int) -> list[Costs]:
    state = var_dir(os.environ)
    queries = new_queries(queries_of(state / "demo.json"))
    bare = BareSearch(state / "registry", photos=SHARE_PHOTOS)
    port = free_port()
    api = Program(
        "photostock-api",
        photostock(os.environ).api.arguments,
        port,
        environment={**ENVIRONMENT, "PHOTOSTOCK_PORT": str(port)},
    )
    key = api_key(os.environ)
    with tempfile.TemporaryDirectory() as folder, Fleet(Path(folder)) as fleet:
        fleet.start(api)
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"} if key else {}) as session:
            await with_encoder(fleet, PhotoApi(session, api.url))
            url = f"{api.url}/v1/search"
            answer = await _send(session, url, _some(queries, WARM_UP), callers)
            empty = _empty_server(Path(folder), answer)
            fleet.start(empty)
            await fleet.ready(empty)
            played = []
            for _ in range(rounds):
                asked = _some(queries, WARM_UP + searches)
                api_s = await _cpu_s(session, url, asked, callers, fleet.pid(api.name))
                empty_s = await _cpu_s(session, f"{empty.url}/0", asked, callers, fleet.pid(empty.name), ours=False)
                encode_s, compare_s = bare.cpu_s(asked[WARM_UP :: max(1, searches // 75)])
                played.append(Costs(api_s * 1e3, encode_s * 1e3, compare_s * 1e3, empty_s * 1e3))
            return played


def queries_of(demo: Path) -> list[str]:
    """What people search for in the demo."""
    try:
        queries = [str(query) for query in json.loads(demo.read_bytes())["queries"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ProcessError(f"{demo} names no queries: run `python -m photostock catalogue demo`") from error
    if not queries:
        raise ProcessError(f"{demo} names no queries")
    return queries


def new_queries(queries: Sequence[str]) -> Iterator[str]:
    """All of them in turn; from the second time on each with a number behind it, so that none comes again."""
    for turn in itertools.count():
        yield from (f"{query} {turn}" for query in queries) if turn else queries


def _some(queries: Iterator[str], count: int) -> list[str]:
    return list(itertools.islice(queries, count))


async def with_encoder(fleet: Fleet, api: PhotoApi) -> None:
    """The encoder is what is measured: without it, words would be searched."""
    for _ in range(int(WAIT_S / 0.1)):
        await asyncio.sleep(0.1)
        if dead := fleet.bury():
            raise ProcessError("; ".join(dead))
        try:
            parts = await api.parts()
        except NotAnswered:
            continue
        if not parts["encoder"]["reason"] and not parts["catalogue"]["reason"]:
            return
    raise ProcessError("there is no encoder: run `python -m photostock train`")


def _empty_server(folder: Path, answer: bytes) -> Program:
    file, port = folder / "answer", free_port()
    file.write_bytes(answer)
    return Program("empty", ("-m", "loadtests.bench.empty_server", str(port), str(file)), port)


async def _cpu_s(
    session: aiohttp.ClientSession, url: str, queries: Sequence[str], callers: int, pid: int, *, ours: bool = True
) -> float:
    """Seconds of processor time per search, under so many callers that wait for their answers."""
    await _send(session, url, queries[:WARM_UP], callers, ours=ours)
    before_s = cpu_s_of(pid)
    await _send(session, url, queries[WARM_UP:], callers, ours=ours)
    return (cpu_s_of(pid) - before_s) / (len(queries) - WARM_UP)


async def _send(
    session: aiohttp.ClientSession, url: str, queries: Sequence[str], callers: int, *, ours: bool = True
) -> bytes:
    """The last answer; each must come from the encoder's index."""
    left, last = iter(queries), b""

    async def caller() -> None:
        nonlocal last
        for query in left:
            async with session.get(url, params={"query": query}) as response:
                last = await response.read()
                served_by = response.headers.get("X-Served-By", "nobody") if ours else "semantic"
                if response.status != 200 or served_by != "semantic":
                    raise ProcessError(f"{url} answers {response.status} by {served_by}: its cost would say nothing")

    await asyncio.gather(*(caller() for _ in range(callers)))
    return last
