"""A shadow that answers at once, with the largest answer that `AnswerLimits` let in: `python -m … PORT`."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from common.calls.answers import AnswerLimits
from loadtests.experiments.server import GRACE_SECONDS, Connection
from loadtests.processes import Fleet, Program, free_port


@asynccontextmanager
async def serving_largest() -> AsyncIterator[str]:
    """Such a service in a process of its own, for the length of a block; yields its address."""
    port = free_port()
    program = Program("largest", ("-m", __name__, str(port)), port)
    with tempfile.TemporaryDirectory() as logs, Fleet(Path(logs), grace_seconds=GRACE_SECONDS) as fleet:
        fleet.start(program)
        await fleet.ready(program)
        yield program.url


def largest_answer() -> bytes:
    """As many values and bytes as the default limits allow; small objects are the dearest values to read."""
    limits = AnswerLimits()
    numbers = [{"value": number / 7} for number in range((limits.max_values - 4) // 2)]
    bare_bytes = len(json.dumps({"text": "", "numbers": numbers}))
    return json.dumps({"text": "x" * (limits.max_bytes - bare_bytes), "numbers": numbers}).encode()


async def serve(port: int) -> None:
    """Until it is stopped."""
    connections: set[Connection] = set()
    answer = largest_answer()
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(connections, lambda _question: answer, 0), "127.0.0.1", port, backlog=512
    )
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
