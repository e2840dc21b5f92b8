"""httpx's transport API over aiohttp's connections: what carries our requests if nobody brings another."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import aiohttp
import httpx
from aiohttp import hdrs
from aiohttp.client_proto import ResponseHandler
from multidict import CIMultiDict
from yarl import URL

from common.calls.resolver import OwnThreadResolver

KEEP_ALIVE_S = 15
DNS_CACHE_S = 30
PORTION_BYTES = 8 * 1024
MAX_CHUNKS = 1_000
MAX_ANSWERS = 8  # that wait on a connection: one is asked for, and 1xx may come before it
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


class OneAnswer(ResponseHandler):
    """Reads in small portions, and leaves a server that says `100 Continue` again and again, or sends tiny chunks.

    aiohttp parses at once what arrived, keeps every answer, and skips all that are 1xx before anybody else has a turn.
    """

    def data_received(self, data: bytes) -> None:
        for start in range(0, len(data) or 1, PORTION_BYTES):  # aiohttp itself comes with nothing, to go on parsing
            super().data_received(data[start : start + PORTION_BYTES])
            chunks = getattr(self._payload, "_http_chunk_splits", None) or ()
            if len(self._buffer) > MAX_ANSWERS or len(chunks) > MAX_CHUNKS:
                self._leave(aiohttp.ServerDisconnectedError("more answers or chunks than anybody needs"))
            if not self.is_connected():
                return

    def _leave(self, error: aiohttp.ServerDisconnectedError) -> None:
        self.set_exception(error)
        self._buffer.clear()
        if self._payload is not None:
            self._payload.set_exception(error)
        if self.transport is not None:
            self.transport.abort()


class CleanConnector(aiohttp.TCPConnector):
    """Hands out no connection on which something arrived while nobody had asked: it would be taken for the answer."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._factory = partial(OneAnswer, loop=self._loop)  # type: ignore[assignment]  # a kind of it

    async def connect(self, req: Any, traces: Any, timeout: Any) -> Any:
        connection = await super().connect(req, traces, timeout)
        while connection.protocol is not None and connection.protocol.should_close:
            connection.close()
            connection = await super().connect(req, traces, timeout)
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
