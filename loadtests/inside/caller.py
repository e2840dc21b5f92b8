"""Calls to a process that may die at any time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aiohttp

CALL_TIMEOUT_S = 10.0


class NotAnswered(Exception):
    """Nothing is known of what became of the request."""


class Caller:
    """Calls one API with `token`, an operator's; `NotAnswered` where the process died in the midst of it."""

    def __init__(self, session: aiohttp.ClientSession, url: str, *, token: str) -> None:
        self._session, self._url = session, url
        self._headers = {"Authorization": f"Bearer {token}"}

    async def call(
        self, method: str, path: str, body: Any = None, *, data: bytes | None = None, query: Mapping[str, str] = {}
    ) -> tuple[int, Any]:
        """Status and JSON; None in place of anything else that was answered."""
        headers = {**self._headers, **({"Content-Type": "image/jpeg"} if data is not None else {})}
        try:
            async with self._session.request(
                method, self._url + path, json=body, data=data, params=query, headers=headers
            ) as response:
                is_json = "json" in response.headers.get("Content-Type", "")
                content = await response.read()
                return response.status, await response.json() if is_json and content else None
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise NotAnswered(type(error).__name__) from error

    async def read(self, path: str, *, query: Mapping[str, str] = {}) -> Any:
        """The JSON of a GET that has to be answered with 200."""
        status, answer = await self.call("GET", path, query=query)
        if status != 200:
            raise NotAnswered(f"GET {path}: status {status}")
        return answer


def session() -> aiohttp.ClientSession:
    """With a deadline for each call."""
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=CALL_TIMEOUT_S))
