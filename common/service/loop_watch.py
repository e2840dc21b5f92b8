"""How long what is due waits for the event loop: by this more or fewer requests are let in, and operators see it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from common.metrics import HttpMetrics
from common.service.admission import Admission
from common.service.vitals import Vitals, tell_why

LOOK_S = 0.01
TOLD_EVERY_S = 1.0

log = structlog.get_logger(__name__)


@asynccontextmanager
async def watching_loop(admission: Admission, metrics: HttpMetrics, vitals: Vitals) -> AsyncIterator[None]:
    """Looks every 10 ms for the length of a block; tells the log once a second of requests that were refused."""
    metrics.limit.set_function(lambda: admission.limit)
    metrics.tasks.set_function(lambda: len(asyncio.all_tasks()))
    watch = asyncio.create_task(_watch(admission, vitals))
    watch.add_done_callback(tell_why)
    try:
        yield
    finally:
        watch.cancel()


async def _watch(admission: Admission, vitals: Vitals) -> None:
    clock = asyncio.get_running_loop().time
    told, tell_at_s = admission.refused, clock() + TOLD_EVERY_S
    while True:
        due_s = clock() + LOOK_S
        await asyncio.sleep(LOOK_S)
        now_s = clock()
        vitals.waited(now_s - due_s)
        await admission.turns.take()  # behind those who stand in line to begin
        admission.waited((clock() - due_s) * 1000)
        if now_s >= tell_at_s:
            if admission.refused != told:
                log.warning("http.refused", requests=admission.refused - told, limit=int(admission.limit))
            told, tell_at_s = admission.refused, now_s + TOLD_EVERY_S
