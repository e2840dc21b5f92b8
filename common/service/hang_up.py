"""Work stops when its caller hangs up.

After an outage the callers of what is queued are long gone, and working for them would make those wait who are still
there.
"""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send


async def answered(app: ASGIApp, scope: Scope, body: bytes, receive: Receive, send: Send) -> bool:
    """Runs the application on a body that was read already; False if the caller left and the work was cancelled."""
    work = asyncio.current_task()
    assert work is not None

    def stop(_departure: asyncio.Future[None]) -> None:
        work.cancel()

    departure = asyncio.ensure_future(_departure(receive))
    departure.add_done_callback(stop)
    try:
        await app(scope, _replay(body, departure), send)
    except asyncio.CancelledError:
        if not departure.done():  # it is we who are cancelled, not the caller who left
            raise
        work.uncancel()
        return False
    else:
        return True
    finally:
        departure.remove_done_callback(stop)
        departure.cancel()


async def _departure(receive: Receive) -> None:
    """Returns when the caller has hung up."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _replay(body: bytes, departure: asyncio.Future[None]) -> Receive:
    pending = [body]

    async def again() -> Message:
        if pending:
            return {"type": "http.request", "body": pending.pop(), "more_body": False}
        await asyncio.shield(departure)
        return {"type": "http.disconnect"}

    return again
