"""The healthy server in a process of its own, for the faults that are done with signals."""

from __future__ import annotations

import asyncio
import sys

from loadtests.proxy import ChaosProxy


async def serve(port: int) -> None:
    """Answers rightly until somebody kills it."""
    await ChaosProxy(port=port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
