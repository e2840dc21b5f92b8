"""`python -m loadtests hostile`: what an attacker sends and how slowly, to a real process over real sockets.

Each answer must be well formed, of a status that fits, and without a stack trace; slow callers are cut off while others
are answered; afterwards the process is as it was.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from common.command_line import positive_int
from loadtests.hostile_bytes import HANGS_UP, Attack, attacks, get, post
from loadtests.processes import Fleet, Program, free_port
from loadtests.wire import Message, WireError, read_answer

ANSWERED_WITHIN_S = 20.0  # on a machine with much else to do; the parser answers at once
CUT_WITHIN_S = 60.0  # a caller who drips
DRIP_EVERY_S = 0.5
PIPELINED = 200
GROWTH_MIB = 96.0  # one body of 4 MiB is parsed at a time, and memory is not given back at once
SECRETS = ("Traceback", 'File "', "/site-packages/", "root:x:")
SHOWN_TROUBLES = 20
OPERATOR_TOKEN = "operator-token"  # noqa: S105  of processes that live as long as the attack


@dataclass
class Target:
    """A process under attack, and what went wrong with it."""

    url: str
    path: str  # takes POST with a JSON object
    pid: int | None = None
    troubles: list[str] = field(default_factory=list)
    sent: int = 0

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        address = urlsplit(self.url)
        return await asyncio.open_connection(address.hostname, address.port, limit=256 * 1024)

    def memory_mib(self) -> float:
        """Resident; 0 where it can't be told."""
        if self.pid is None or not (status := Path(f"/proc/{self.pid}/status")).exists():
            return 0.0
        [line] = [line for line in status.read_text().splitlines() if line.startswith("VmRSS:")]
        return int(line.split()[1]) / 1024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `run` needs."""
    parser.add_argument("--url", action="append", metavar="URL", help="a running process (default: starts all four)")
    parser.add_argument(
        "--slow", type=positive_int, default=200, metavar="N", help="callers who drip (default: %(default)s)"
    )
    parser.add_argument(
        "--rounds", type=positive_int, default=1, metavar="N", help="of the whole list (default: %(default)s)"
    )


def run(arguments: argparse.Namespace) -> int:
    """0 if nothing got through, else 1."""
    return _told(asyncio.run(_attack_all(arguments)))


async def _attack_all(arguments: argparse.Namespace) -> Sequence[Target]:
    """Running processes, or all four side by side, over an empty folder."""
    options = {"slow": arguments.slow, "rounds": arguments.rounds}
    if arguments.url:
        return await asyncio.gather(*(attack(url, **options) for url in arguments.url))
    with tempfile.TemporaryDirectory(prefix="hostile-") as folder, Fleet(Path(folder) / "logs") as fleet:
        started = list(programs(Path(folder)))
        for program in started:
            fleet.start(program)
        for program in started:
            await fleet.ready(program, path="/live")
        targets = await asyncio.gather(*(attack(one.url, pid=fleet.pid(one.name), **options) for one in started))
        fleet.stop_all()
        for target, program in zip(targets, started, strict=True):
            target.troubles += log_troubles(fleet.log_of(program.name))
    return targets


def programs(var_dir: Path) -> Iterator[Program]:
    """The four processes on free ports over an empty `var_dir`."""
    for module, command, variable in (
        ("supermegaretail", "api", "SUPERMEGARETAIL_PORT"),
        ("supermegaretail", "model", "SUPERMEGARETAIL_MODEL_PORT"),
        ("photostock", "api", "PHOTOSTOCK_PORT"),
        ("photostock", "reranker", "PHOTOSTOCK_RERANKER_PORT"),
    ):
        port = free_port()
        environment = {
            "VAR_DIR": str(var_dir),
            "HOST": "127.0.0.1",
            "ADMIN_TOKEN": OPERATOR_TOKEN,
            "API_KEYS": "",
            variable: str(port),
        }
        yield Program(f"{module}-{command}", ("-m", module, command), port, environment=environment)


async def attack(url: str, *, pid: int | None = None, slow: int = 200, rounds: int = 1) -> Target:
    """The whole list, while slow callers hold connections."""
    target = Target(url, await _json_path(url), pid)
    await _all_attacks(target)  # once before memory is looked at: the first requests fill caches
    before_mib = target.memory_mib()
    dripping = [asyncio.create_task(_drip(target, place)) for place in range(slow)]
    for _ in range(rounds):
        await _all_attacks(target)
    await _pipelined(target)
    await _good_then_garbage(target)
    for trouble in await asyncio.gather(*dripping):
        if trouble:
            target.troubles.append(trouble)
    await _check(target, "healthy afterwards", _alive(target))
    if (grown_mib := target.memory_mib() - before_mib) > GROWTH_MIB:
        target.troubles.append(f"memory has grown by {grown_mib:.0f} MiB")
    return target


def log_troubles(log: Path) -> Iterator[str]:
    """Each line of a process's log is one event, and none is a bug."""
    for line in log.read_text(errors="replace").splitlines():
        if line.startswith("ADMIN_TOKEN "):
            continue
        try:
            event = json.loads(line)["event"]
        except (ValueError, KeyError, TypeError):
            yield f"not a log line: {line[:200]!r}"
            continue
        if event.endswith(("bug", "not_read", "not_loaded")) and event != "model.not_loaded":
            yield f"the log has {line[:400]}"


async def _all_attacks(target: Target) -> None:
    for one in attacks(target.path):
        await _check(target, one.name, _attacked(target, one))


async def _attacked(target: Target, one: Attack) -> str | None:
    reader, writer = await target.connect()
    try:
        with suppress(ConnectionError):  # it need not read all of it
            writer.write(one.sent)
            await writer.drain()
        try:
            answer: Message | None = await read_answer(reader, to_head=one.sent.startswith(b"HEAD"))
        except (WireError, ConnectionError):
            answer = None
    finally:
        writer.close()
    status = HANGS_UP if answer is None else int(answer.start.split(" ")[1])
    if status not in one.wanted:
        return f"status {status}, not one of {sorted(one.wanted)}: {answer.body[:200] if answer else b''!r}"
    return None if answer is None else misshapen(answer)


def misshapen(answer: Message) -> str | None:
    """What is wrong with the form of an answer, whatever it says."""
    text = answer.body.decode(errors="replace")
    if told := [secret for secret in SECRETS if secret in text]:
        return f"it tells {told}"
    if answer.header("set-cookie"):
        return "it sets a cookie"
    status = int(answer.start.split(" ")[1])
    if status < 400:
        return None
    if answer.header("content-type") != "application/problem+json":
        return f"{status} is {answer.header('content-type')!r}, not a problem: {text[:100]!r}"
    problem = json.loads(text)
    if problem["status"] != status or not problem["detail"] or problem["request_id"] != answer.header("x-request-id"):
        return f"an incomplete problem: {text[:200]}"
    return "422 without a place" if status == 422 and ": " not in problem["detail"] else None


async def _drip(target: Target, place: int) -> str | None:
    """A head or a body, a byte at a time; returns what is wrong once the connection is closed."""
    body, ever = place % 2, place % 3 == 0
    whole = post(target.path, b" " * 1_000_000) if body else get("/live", "X-Long: " + "a" * 60_000)
    first = whole.index(b"\r\n\r\n") + 4 if body else 10
    reader, writer = await target.connect()
    try:
        writer.write(whole[:first] if not ever or body else b"")
        async with asyncio.timeout(CUT_WITHIN_S):
            reading = asyncio.create_task(reader.read())
            for byte in whole[first:]:
                if (await asyncio.wait([reading], timeout=DRIP_EVERY_S))[0]:
                    break
                if not ever:  # else it never says anything more
                    writer.write(bytes([byte]))
            told = await reading
    except ConnectionError:
        return None
    except TimeoutError:
        return f"a caller who drips {'a body' if body else 'a head'} was not cut off"
    finally:
        writer.close()
    return None if not told or told.startswith(b"HTTP/1.1 408 ") else f"a slow caller was told {told[:100]!r}"


async def _pipelined(target: Target) -> None:
    async def work() -> str | None:
        reader, writer = await target.connect()
        try:
            writer.write(b"".join(get("/live", f"X-Request-ID: piped-{place}") for place in range(PIPELINED)))
            answers = [await read_answer(reader) for _ in range(PIPELINED)]
        finally:
            writer.close()
        ids = [answer.header("x-request-id") for answer in answers]
        return None if ids == [f"piped-{place}" for place in range(PIPELINED)] else "answers are not in order"

    await _check(target, f"{PIPELINED} requests at once", work())


async def _good_then_garbage(target: Target) -> None:
    async def work() -> str | None:
        reader, writer = await target.connect()
        try:
            writer.write(get("/live") + b"\0garbage\r\n\r\n" + get("/live"))
            answer, rest = await read_answer(reader), await reader.read()
        finally:
            writer.close()
        well = answer.start.startswith("HTTP/1.1 200") and rest.count(b"HTTP/1.1 ") <= 1 and b" 200 " not in rest
        return None if well else f"{answer.start}, then {rest[:100]!r}"

    await _check(target, "a good request, then garbage", work())


async def _alive(target: Target) -> str | None:
    reader, writer = await target.connect()
    try:
        writer.write(get("/live"))
        answer = await read_answer(reader)
    finally:
        writer.close()
    return None if answer.start.startswith("HTTP/1.1 200") else answer.start


async def _check(target: Target, name: str, work: Awaitable[str | None]) -> None:
    target.sent += 1
    try:
        async with asyncio.timeout(ANSWERED_WITHIN_S):
            trouble = await work
    except (OSError, WireError, ValueError, KeyError) as error:  # TimeoutError is one of the first
        trouble = f"{type(error).__name__}: {error}"
    if trouble:
        target.troubles.append(f"{name}: {trouble}")


async def _json_path(url: str) -> str:
    """The first path of the service's own documents that takes POST with a JSON object."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/openapi.json") as response:
        document = await response.json()
    return next(
        str(path)
        for path, methods in document["paths"].items()
        if path.startswith("/v1/")
        and "{" not in path
        and not path.startswith("/v1/admin/")
        and "application/json" in methods.get("post", {}).get("requestBody", {}).get("content", {})
    )


def _told(targets: Sequence[Target]) -> int:
    for target in targets:
        verdict = f"{len(target.troubles)} troubles" if target.troubles else "nothing got through"
        print(f"{target.url}: {target.sent} attacks, {verdict}")
        for trouble in target.troubles[:SHOWN_TROUBLES]:
            print(f"  {trouble}")
    return 1 if any(target.troubles for target in targets) else 0
