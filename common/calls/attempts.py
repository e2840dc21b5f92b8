"""More than one attempt per call, where somebody asked for it: retries and hedges, out of one budget with the shadows.

Off by default, because retries multiply load in the very moment in which an upstream is short of breath. Only for calls
that change nothing: a prediction may be asked for twice, an order may not.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel

from common.calls.upstream import MIN_BUDGET_MS, Call, Upstream
from common.errors import CallFailed

Answer = TypeVar("Answer", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class AttemptPolicy:
    """All within the one deadline of the call.

    Args:
        retries: further attempts after one that failed for a reason that may pass: no connection, a broken one, 5xx.
        backoff_ms: the mean pause before the first retry; it doubles, and is drawn at random so that callers spread.
        hedge_after_ms: after so long without an answer a second request is sent and the first good answer is taken.
    """

    retries: int = 0
    backoff_ms: float = 10
    hedge_after_ms: float | None = None


ONE_ATTEMPT = AttemptPolicy()


async def ask(upstream: Upstream, call: Call[Answer], policy: AttemptPolicy) -> Answer:
    """The answer of the first attempt that brings one; raises the `CallFailed` of the last."""
    for retry in range(policy.retries):
        pause_ms = policy.backoff_ms * 2**retry * random.uniform(0.5, 1.5)  # noqa: S311  spreads callers, hides nothing
        try:
            return await _hedged(upstream, call, policy.hedge_after_ms)
        except CallFailed as failed:
            in_time = call.deadline.remaining_ms > pause_ms + MIN_BUDGET_MS
            if not (failed.transient and in_time and upstream.spend_extra("retry")):
                raise
        await asyncio.sleep(pause_ms / 1000)
    return await _hedged(upstream, call, policy.hedge_after_ms)


async def _hedged(upstream: Upstream, call: Call[Answer], after_ms: float | None) -> Answer:
    if after_ms is None:
        return await upstream.ask(call)
    first = asyncio.create_task(upstream.ask(call))
    attempts = {first}
    try:
        await asyncio.wait(attempts, timeout=after_ms / 1000)
        if not first.done() and upstream.spend_extra("hedge"):
            attempts.add(asyncio.create_task(upstream.ask(call)))
        pending = attempts
        while pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            if good := [attempt for attempt in done if attempt.exception() is None]:
                return good[0].result()
        return first.result()  # raises what it failed with
    finally:
        for attempt in attempts:
            attempt.cancel()
