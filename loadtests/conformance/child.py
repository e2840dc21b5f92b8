"""The process in which one client meets one fault, once: `python -m loadtests.conformance.child ORDER`.

It warms the client up on the healthy server, says "warm", waits for a line (by then the server is broken), makes the
one call that counts, and writes what it measured as JSON.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from typing import TextIO

from loadtests.conformance.adapters import adapter_of
from loadtests.conformance.contract import QUESTION, Answer, Predict, fault_in
from loadtests.conformance.probe import Heartbeat, Memory
from loadtests.conformance.verdict import Measured

WARM_UPS = 5
WARM_UP_SECONDS = 10.0
WARM = "warm"


@dataclass(frozen=True, slots=True)
class Order:
    """What the runner wants measured; `broken_url` is another address to call when the fault is the address."""

    client: str
    url: str
    broken_url: str
    timeout_ms: int
    cap_ms: int


async def measure(order: Order, talk: TextIO) -> Measured:
    """The whole life of this process."""
    connect = adapter_of(order.client).load()
    predict = await connect(order.url, order.timeout_ms)
    if (trouble := await _warmed_up(predict)) is not None:
        return Measured("unfit", trouble)
    if order.broken_url:
        predict = await connect(order.broken_url, order.timeout_ms)
    print(WARM, file=talk, flush=True)
    await asyncio.to_thread(sys.stdin.readline)  # the loop goes on: it may notice that connections died
    gc.collect()
    return await _call_once(predict, order.cap_ms / 1000)


async def _warmed_up(predict: Predict) -> str | None:
    """None if it answers rightly. The first call may be slow (imports, connections): that is not what is measured."""
    for call in range(WARM_UPS):
        try:
            async with asyncio.timeout(WARM_UP_SECONDS):
                answer = await predict(QUESTION)
        except Exception as error:  # noqa: BLE001  a client may raise anything; the finding names it
            if call == WARM_UPS - 1:
                return _named(error)
            continue
        wrong = answer.failure or ("a default" if answer.is_default else fault_in(answer.document, QUESTION))
        if wrong and call == WARM_UPS - 1:
            return wrong
    return None


async def _call_once(predict: Predict, cap_s: float) -> Measured:
    heartbeat = Heartbeat()
    await heartbeat.start()
    memory, ended_s, started_s = Memory(), 0.0, time.perf_counter()

    async def call() -> Answer | BaseException:
        nonlocal ended_s
        try:
            return await predict(QUESTION)
        except BaseException as error:  # noqa: BLE001  a CancelledError that leaks out is a finding, too
            return error
        finally:
            ended_s = time.perf_counter()

    task = asyncio.create_task(call())
    done, _ = await asyncio.wait({task}, timeout=cap_s)
    stall_ms = await heartbeat.stop()
    elapsed_ms = (ended_s - started_s) * 1000
    if not done or elapsed_ms > cap_s * 1000:
        return Measured("never", "", cap_s * 1000, memory.growth_mb, stall_ms)
    return _seen(task.result(), elapsed_ms, memory.growth_mb, stall_ms)


def _seen(result: Answer | BaseException, elapsed_ms: float, growth_mb: float, stall_ms: float) -> Measured:
    if isinstance(result, BaseException):
        return Measured("raised", _named(result), elapsed_ms, growth_mb, stall_ms)
    if result.failure:
        return Measured("told", result.failure, elapsed_ms, growth_mb, stall_ms)
    if result.is_default:
        return Measured("default", "", elapsed_ms, growth_mb, stall_ms)
    wrong = fault_in(result.document, QUESTION)
    return Measured("wrong" if wrong else "right", wrong, elapsed_ms, growth_mb, stall_ms)


def _named(error: BaseException) -> str:
    kind = type(error)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__.split('.')[0]}.{kind.__name__}"


def main() -> None:
    """Standard output is for the runner alone; whatever the client prints goes to standard error."""
    talk = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    asyncio.run(_report(Order(**json.loads(sys.argv[1])), talk))


async def _report(order: Order, talk: TextIO) -> None:
    measured = await measure(order, talk)
    print(json.dumps(asdict(measured)), file=talk, flush=True)
    os._exit(0)  # what still hangs (a task, a thread, a name look-up) must not be waited for


if __name__ == "__main__":
    main()
