"""httpx's transport API over aiohttp's connections: what carries our requests if nobody brings another."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import aiohttp
import httpx
from aiohttp import hdrs
from multidict import CIMultiDict
from yarl import URL

from common.calls.resolver import OwnThreadResolver

KEEP_ALIVE_S = 15
DNS_CACHE_S = 30
Carrier = Callable[[], httpx.AsyncBaseTransport]  # makes one, inside of a running event loop


class AiohttpCarrier(httpx.AsyncBaseTransport):
    """Connections without a limit of their own: the bulkhead in front has one, and what does not queue can't wedge.

    An answer that is not read to its end costs its connection, at once: to hang up politely may take as long as the
    other side likes.
    """

    def __init__(self, resolver: OwnThreadResolver | None = None) -> None:
        connector = aiohttp.TCPConnector(
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
        except (aiohttp.ClientConnectorError, OSError) as error:
            raise httpx.ConnectError(type(error).__name__, request=request) from error
        except aiohttp.ClientError as error:
            raise httpx.RemoteProtocolError(type(error).__name__, request=request) from error
        return httpx.Response(answer.status, headers=answer.raw_headers, stream=AiohttpBody(answer))

    async def aclose(self) -> None:
        await self._session.close()


class AiohttpBody(httpx.AsyncByteStream):
    """The body of an answer, as it comes over the wire."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._answer.content.iter_any():
                yield piece
        except aiohttp.ClientError as error:
            raise httpx.ReadError(type(error).__name__) from error

    async def aclose(self) -> None:
        self._answer.close()  # a connection whose answer was read to its end is back in the pool already
