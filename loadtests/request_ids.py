"""Does every log line carry the id of its own request? An experiment with many requests at once.

Each call opens a request of its own and logs from everywhere that a request can get to: its task, a thread of a
`WorkerPool`, a task that outlives it and, for one in ten, another process behind HTTP. Each line has the id twice: put
there by `common`, and as `expected`, handed down by hand. Afterwards all lines are read and compared.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import structlog
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel

from common.calls.client import SafeClient
from common.calls.upstream import Upstream
from common.command_line import positive_int
from common.context import request_context
from common.deadline import Deadline
from common.logs.configure import configure_logs
from common.logs.writer import QUEUED_LINES, LineWriter
from common.service.app import Service, body_of
from common.service.serve import serve
from common.settings import ServiceSettings
from common.workers import WorkerPool
from loadtests.processes import Fleet, Program, free_port

BEGUN, IN_A_THREAD, ENDED, AFTERWARDS = IN_PROCESS = ("begun", "in a thread", "ended", "afterwards")
SERVED, ANSWERED = REMOTE = ("in another process", "http.request")  # the second is the gateway's own line
ROUTE = "/v1/echo"
SIDE_BY_SIDE = 300
SIDE_BY_SIDE_HTTP = 12
REMOTE_EVERY = 10
CALL_MS = 10_000
CALLERS = 7
SHOWN_TROUBLES = 10

log = structlog.get_logger(__name__)


class Payload(BaseModel):
    """What the other process is to log."""

    expected: str


class Echo(BaseModel):
    """Its answer."""

    expected: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the lines of all processes say."""

    calls: int
    remote_calls: int
    lines: int
    seconds: float
    troubles: Sequence[str]


@dataclass(slots=True)
class _Work:
    """What the calls share."""

    pool: WorkerPool
    writer: LineWriter
    http: asyncio.Semaphore
    echo: SafeClient
    outliving: set[asyncio.Task[None]] = field(default_factory=set)
    failed_calls: int = 0


def command(arguments: argparse.Namespace) -> int:
    """`request-ids`: 0 if every line is where it belongs, else 1. Options: `calls`, and `logs` to keep the lines."""
    if arguments.logs is not None:
        return _report(run(arguments.calls, arguments.logs))
    with tempfile.TemporaryDirectory(prefix="request-ids-") as folder:
        return _report(run(arguments.calls, Path(folder)))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `command` needs."""
    parser.add_argument(
        "--calls", type=positive_int, default=100_000, metavar="N", help="how many (default: %(default)s)"
    )
    parser.add_argument("--logs", type=Path, metavar="DIR", help="where to keep the lines (default: nowhere)")


def run(calls: int, folder: Path) -> Verdict:
    """Makes the calls and reads what was logged into `folder`. Takes over the log of this process for good."""
    folder.mkdir(parents=True, exist_ok=True)
    own_lines = folder / "calls.log"
    started_s = time.monotonic()
    program = Program("echo", ("-m", "loadtests.request_ids", "serve"), free_port())
    program = Program(program.name, (*program.arguments, str(program.port), str(folder)), program.port)
    with own_lines.open("wb", buffering=0) as sink, Fleet(folder) as fleet:
        writer = configure_logs(sink=sink.fileno())
        failed_calls = asyncio.run(_make(calls, program, fleet, writer))
        writer.close(timeout_s=30)
        fleet.stop(program.name)
    troubles = list(troubles_in(_lines_of(own_lines, fleet.log_of(program.name)), calls=calls))
    if writer.dropped or failed_calls:
        troubles.append(f"{writer.dropped} lines dropped, {failed_calls} calls over HTTP failed")
    remote_calls = sum(map(_is_remote, range(calls)))
    lines = calls * len(IN_PROCESS) + remote_calls * len(REMOTE)
    return Verdict(calls, remote_calls, lines, time.monotonic() - started_s, troubles)


def troubles_in(lines: Iterable[str], *, calls: int) -> Iterator[str]:
    """A sentence for each line that is missing, doubled, foreign, or under another request's id or caller."""
    seen: Counter[tuple[str, str]] = Counter()
    wanted = {(_id_of(call), hop) for call in range(calls) for hop in _hops_of(call)}
    callers = {_id_of(call): _caller_of(call) for call in range(calls)}
    for line in lines:
        try:
            fields = json.loads(line)
            request_id, event = fields["request_id"], fields["event"]
        except (ValueError, KeyError, TypeError):
            yield f"not a line of any request: {line[:200]!r}"
            continue
        if event in IN_PROCESS and fields.get("caller") != callers.get(request_id):
            yield f"{event!r} of {request_id} has the caller {fields.get('caller')!r}"
        if event != ANSWERED and fields.get("expected") != request_id:
            yield f"{event!r} of {fields.get('expected')} has the id of {request_id}"
        seen[request_id, event] += 1
    yield from (f"{hop!r} of {request_id} is missing" for request_id, hop in sorted(wanted - seen.keys()))
    for (request_id, event), times in seen.items():
        if (request_id, event) not in wanted:
            yield f"{event!r} of {request_id} belongs to nobody"
        elif times > 1:
            yield f"{event!r} of {request_id} is there {times} times"


def create_echo(settings: ServiceSettings) -> FastAPI:
    """A service like any other; its only route logs what it was sent."""
    service = Service("echo", version="1", settings=settings)
    router = APIRouter()

    @router.post(ROUTE)
    async def echo(payload: Annotated[Payload, body_of(Payload)]) -> Echo:
        await asyncio.sleep(0)
        log.info(SERVED, expected=payload.expected)
        return Echo(expected=payload.expected)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield

    return service.app(routers=[router], lifespan=lifespan, default_budget_ms=CALL_MS)


async def _make(calls: int, program: Program, fleet: Fleet, writer: LineWriter) -> int:
    """All calls, hundreds side by side; how many of those over HTTP failed."""
    fleet.start(program)
    await fleet.ready(program)
    upstream = Upstream(program.name, program.url, max_in_flight=SIDE_BY_SIDE_HTTP)
    work = _Work(
        WorkerPool("request-ids", threads=4, queue=SIDE_BY_SIDE),
        writer,
        asyncio.Semaphore(SIDE_BY_SIDE_HTTP),
        SafeClient(upstream, timeout_ms=CALL_MS),
    )
    todo = iter(range(calls))
    try:
        await asyncio.gather(*(_one_by_one(todo, work) for _ in range(SIDE_BY_SIDE)))
        await asyncio.gather(*work.outliving)
    finally:
        work.pool.close()
        await upstream.aclose()
    return work.failed_calls


async def _one_by_one(todo: Iterator[int], work: _Work) -> None:
    for call in todo:
        while work.writer.waiting > QUEUED_LINES // 2:  # noqa: ASYNC110  a thread works it off, and tells nobody
            await asyncio.sleep(0.01)  # the product would drop lines at the bound; this is about those that stay
        await _call(call, work)


async def _call(call: int, work: _Work) -> None:
    expected, over = _id_of(call), asyncio.Event()
    with request_context(expected, caller=_caller_of(call)):
        log.info(BEGUN, expected=expected)
        background = asyncio.create_task(_afterwards(expected, over))
        work.outliving.add(background)
        background.add_done_callback(work.outliving.discard)
        await asyncio.sleep(0)
        await work.pool.run(_in_a_thread, expected, deadline=Deadline.after_ms(CALL_MS))
        if _is_remote(call):
            async with work.http:
                endpoint = work.echo.endpoint(ROUTE, answer=Echo, default=Echo(expected=""))
                outcome = await endpoint(Payload(expected=expected), deadline=Deadline.after_ms(CALL_MS))
            work.failed_calls += outcome.is_default or outcome.value.expected != expected
        log.info(ENDED, expected=expected)
    over.set()


async def _afterwards(expected: str, over: asyncio.Event) -> None:
    """Work in the background that goes on when the request is answered and other requests are at work."""
    await over.wait()
    await asyncio.sleep(0)
    log.info(AFTERWARDS, expected=expected)


def _in_a_thread(expected: str) -> None:
    log.info(IN_A_THREAD, expected=expected)


def _id_of(call: int) -> str:
    return f"call-{call:07d}"


def _caller_of(call: int) -> str:
    return f"caller-{call % CALLERS}"


def _is_remote(call: int) -> bool:
    return call % REMOTE_EVERY == 0


def _hops_of(call: int) -> tuple[str, ...]:
    return (*IN_PROCESS, *REMOTE) if _is_remote(call) else IN_PROCESS


def _lines_of(*files: Path) -> Iterator[str]:
    for file in files:
        with file.open() as lines:
            yield from lines


def _report(verdict: Verdict) -> int:
    print(
        f"{verdict.calls} calls, {verdict.remote_calls} of them through another process, "
        f"{verdict.lines} lines expected, {verdict.seconds:.1f} s"
    )
    for trouble in verdict.troubles[:SHOWN_TROUBLES]:
        print(f"  {trouble}")
    print(f"{len(verdict.troubles)} troubles" if verdict.troubles else "every line carries its own request's id")
    return 1 if verdict.troubles else 0


def _serve(port: int, folder: Path) -> None:
    """The other process; its log goes to standard error, which the fleet keeps in a file."""
    settings = ServiceSettings(var_dir=folder, drain_notice_ms=0)
    serve(lambda: create_echo(settings), settings, port=port)


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        _serve(int(sys.argv[2]), Path(sys.argv[3]))
    else:
        options = argparse.ArgumentParser(description=__doc__)
        add_arguments(options)
        sys.exit(command(options.parse_args()))
