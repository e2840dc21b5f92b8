"""The port to the network: the one place that knows what carries our requests. Now: httpx's API over aiohttp.

httpx's own connection pool can be wedged for good by cancelled calls and scans all its requests on every change;
`docs/decisions/0002-http-transport.md` has the measurements.
"""

from __future__ import annotations

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from common.errors import CallFailed
from common.outcome import Reason

OUR_FAULT = frozenset({400, 404, 409, 413, 422})  # says nothing about the health of the upstream


class HttpTransport:
    """Connections to one upstream. It follows no redirects, reads no proxy settings and asks for no compression."""

    def __init__(self, base_url: str, *, max_connections: int, api_key: str | None) -> None:
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", "Content-Type": "application/json"}
        if api_key is not None:
            headers["Authorization"] = f"Bearer {api_key}"
        self._http = httpx.AsyncClient(
            base_url=base_url,
            headers=headers,
            transport=AiohttpTransport(limits=httpx.Limits(max_connections=max_connections, keepalive_expiry=15)),
            timeout=None,  # noqa: S113  the caller's deadline bounds the whole call; these would bound each read
            follow_redirects=False,
            trust_env=False,
        )

    async def post(self, path: str, content: bytes, headers: dict[str, str], *, max_bytes: int) -> bytes:
        """The body of a 200 answer of at most `max_bytes`, else `CallFailed`. The caller bounds the time."""
        try:
            return await self._exchange(path, content, headers, max_bytes)
        except (httpx.ConnectError, httpx.ConnectTimeout, OSError) as error:
            raise CallFailed(Reason.UNREACHABLE, type(error).__name__) from error
        except (httpx.HTTPError, aiohttp.ClientError) as error:  # the adapter does not translate all of aiohttp's
            raise CallFailed(Reason.DISCONNECTED, type(error).__name__) from error

    async def aclose(self) -> None:
        await self._http.aclose()

    async def _exchange(self, path: str, content: bytes, headers: dict[str, str], max_bytes: int) -> bytes:
        async with self._http.stream("POST", path, content=content, headers=headers) as response:
            if response.status_code != httpx.codes.OK:
                status = response.status_code
                raise CallFailed(Reason.HTTP_STATUS, str(status), our_fault=status in OUR_FAULT)
            if response.headers.get("content-encoding", "identity") != "identity":
                raise CallFailed(Reason.ENCODING)
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > max_bytes:
                    raise CallFailed(Reason.TOO_LARGE, f"over {max_bytes} bytes")
            return bytes(body)
