"""The port to the network: the one place where a request becomes HTTP, and an HTTP answer becomes bytes or a reason.

It speaks httpx's transport API. httpx's client, one floor up, would merge cookies, redirects and authentication that no
call of ours has, and its own pool of connections can be wedged for good by cancelled calls;
`docs/decisions/0002-http-transport.md` has the measurements.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import httpx

from common.calls.carrier import AiohttpCarrier, Carrier
from common.errors import CallFailed
from common.outcome import Reason

OUR_FAULT = frozenset({400, 404, 409, 413, 422})  # says nothing about the health of the upstream
TRANSIENT = frozenset({500, 502, 503, 504})


class HttpTransport:
    """Connections to one upstream. It follows no redirects, reads no proxy settings and asks for no compression."""

    def __init__(self, base_url: str, *, api_key: str | None, carrier: Carrier = AiohttpCarrier) -> None:
        self._base_url = base_url.rstrip("/")
        self._urls: dict[str, httpx.URL] = {}
        self._carrier = carrier()
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._headers = [
            (b"Host", httpx.URL(base_url).netloc),
            (b"Accept-Encoding", b"identity"),
            (b"Content-Type", b"application/json"),
            *([] if api_key is None else [(b"Authorization", f"Bearer {api_key}".encode())]),
        ]

    async def post(self, path: str, content: bytes, headers: Mapping[str, str], *, max_bytes: int) -> bytes:
        """The body of a 200 answer of at most `max_bytes`, else `CallFailed`. The caller bounds the time."""
        self._in_flight += 1
        try:
            response = await self._carrier.handle_async_request(self._request(path, content, headers))
            assert isinstance(response.stream, httpx.AsyncByteStream)
            try:
                return await _body(response, response.stream, max_bytes)
            finally:
                await response.stream.aclose()
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise CallFailed(Reason.UNREACHABLE, str(error), transient=True) from None
        except httpx.HTTPError as error:
            raise CallFailed(Reason.DISCONNECTED, str(error), transient=True) from None
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()

    async def retire(self) -> None:
        """Closes it as soon as the calls that are under way have ended; it must get no new ones."""
        try:
            if self._in_flight:
                self._idle.clear()
                await self._idle.wait()
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        await self._carrier.aclose()

    def _request(self, path: str, content: bytes, headers: Mapping[str, str]) -> httpx.Request:
        url = self._urls.get(path)
        if url is None:
            url = self._urls[path] = httpx.URL(self._base_url + path)
        # Given a stream, httpx takes the headers as they are; given the content, it would go through all of them again.
        told = [(name.encode(), value.encode()) for name, value in headers.items()]
        told.append((b"Content-Length", b"%d" % len(content)))
        request = httpx.Request("POST", url, headers=self._headers + told, stream=httpx.ByteStream(content))
        request.read()
        return request


async def _body(response: httpx.Response, stream: httpx.AsyncByteStream, max_bytes: int) -> bytes:
    if (status := response.status_code) != httpx.codes.OK:
        raise CallFailed(Reason.HTTP_STATUS, str(status), our_fault=status in OUR_FAULT, transient=status in TRANSIENT)
    told = {name.lower(): value for name, value in response.headers.raw}
    if told.get(b"content-encoding", b"identity") != b"identity":
        raise CallFailed(Reason.ENCODING)
    length = told.get(b"content-length", b"")
    if length.isdigit() and int(length) > max_bytes:
        raise CallFailed(Reason.TOO_LARGE, f"over {max_bytes} bytes")
    pieces, size = [], 0
    async for piece in stream:
        pieces.append(piece)
        size += len(piece)
        if size > max_bytes:
            raise CallFailed(Reason.TOO_LARGE, f"over {max_bytes} bytes")
    return b"".join(pieces)
