"""The clients that can be put to the test, by name."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass

from loadtests.conformance.contract import Connect

OURS = "common"


class UnknownClientError(ValueError):
    """Nobody here has this name, and it is not `module:function` either."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """A client under test: `connect` names the function that opens it, `module` what has to be installed for it."""

    name: str
    connect: str
    module: str = ""

    @property
    def installed(self) -> bool:
        return not self.module or importlib.util.find_spec(self.module) is not None

    def load(self) -> Connect:
        """The function itself; for the process that is going to use the client."""
        module, _, function = self.connect.partition(":")
        found: Connect = getattr(importlib.import_module(module), function)
        return found


def _peer(name: str, function: str, *, module: str = "") -> Adapter:
    return Adapter(name, f"loadtests.conformance.peers:{function}", module or function)


ADAPTERS: tuple[Adapter, ...] = (
    Adapter(OURS, "loadtests.conformance.ours:connect"),
    _peer("httpx", "httpx"),
    _peer("httpx+asyncio.timeout", "httpx_in_timeout", module="httpx"),
    _peer("httpx2", "httpx2"),
    _peer("httpx-retries", "httpx_retries"),
    _peer("aiohttp", "aiohttp"),
    _peer("aio-request", "aio_request"),
    _peer("stamina", "stamina"),
    _peer("tenacity", "tenacity"),
    _peer("hyx", "hyx"),
    _peer("aiobreaker", "aiobreaker"),
    _peer("pybreaker", "pybreaker"),
    _peer("purgatory", "purgatory"),
)


def adapter_of(name: str) -> Adapter:
    """The client of this name, or somebody's own that is named `module:function`."""
    for adapter in ADAPTERS:
        if adapter.name == name:
            return adapter
    module, _, function = name.partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), function)):
        known = ", ".join(adapter.name for adapter in ADAPTERS)
        raise UnknownClientError(
            f"no client is called {name!r}; there are {known}, or your own as package.module:function"
        )
    return Adapter(name, name)
