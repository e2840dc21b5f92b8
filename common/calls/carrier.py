"""httpx's transport API over aiohttp's connections: what carries our requests if nobody brings another."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import aiohttp
import httpx
from aiohttp import hdrs
from multidict import CIMultiDict
from yarl import URL

from common.calls.resolver import OwnThreadResolver

KEEP_ALIVE_S = 15
DNS_CACHE_S = 30
PORTION_BYTES = 8 * 1024
MAX_CHUNKS = 1_000
Carrier = Callable[[], httpx.AsyncBaseTransport]  # makes one, inside of a running event loop


class AiohttpCarrier(httpx.AsyncBaseTransport):
    """Connections without a limit of their own: the bulkhead in front has one, and what does not queue can't wedge.

    An answer that is not read to its end costs its connection, at once: to hang up politely may take as long as the
    other side likes.
    """

    def __init__(self, resolver: OwnThreadResolver | None = None) -> None:
        connector = CleanConnector(
            limit=0,
            keepalive_timeout=KEEP_ALIVE_S,
            resolver=resolver or OwnThreadResolver(),
            ttl_dns_cache=DNS_CACHE_S,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(),  # none: the caller's deadline is over all of it
            skip_auto_headers=[hdrs.USER_AGENT, hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.CONTENT_TYPE],
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            answer = await self._session.request(
                request.method,
                URL(str(request.url), encoded=True),
                data=request.content,
                headers=CIMultiDict((name.decode(), value.decode()) for name, value in request.headers.raw),
                allow_redirects=False,
            )
        except aiohttp.ClientConnectorError as error:
            raise httpx.ConnectError(type(error).__name__, request=request) from error
        except (aiohttp.ClientError, OSError) as error:
            raise httpx.RemoteProtocolError(type(error).__name__, request=request) from error
        return httpx.Response(answer.status, headers=answer.raw_headers, stream=AiohttpBody(answer))

    async def aclose(self) -> None:
        await self._session.close()


class CleanConnector(aiohttp.TCPConnector):
    """Hands out no connection on which something arrived while nobody had asked: it would be taken for the answer.

    And it reads in small portions, because what arrived is parsed at once: thousands of tiny chunks in one portion
    would hold up the event loop.
    """

    async def connect(self, req: Any, traces: Any, timeout: Any) -> Any:
        connection = await super().connect(req, traces, timeout)
        while connection.protocol is not None and connection.protocol.should_close:
            connection.close()
            connection = await super().connect(req, traces, timeout)
        with suppress(AttributeError):  # of asyncio's own transport; uvloop's decides for itself
            connection.transport.max_size = PORTION_BYTES  # type: ignore[union-attr]  # its own attribute
        return connection


class AiohttpBody(httpx.AsyncByteStream):
    """The body of an answer, as it comes over the wire, in no more than `MAX_CHUNKS` pieces."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            chunks = 0
            async for piece, _ends_chunk in self._answer.content.iter_chunks():
                chunks += 1
                if chunks > MAX_CHUNKS:
                    raise httpx.ReadError("more chunks than anybody needs")
                yield piece
        except (aiohttp.ClientError, OSError) as error:
            raise httpx.ReadError(type(error).__name__) from error

    async def aclose(self) -> None:
        self._answer.close()  # a connection whose answer was read to its end is back in the pool already
