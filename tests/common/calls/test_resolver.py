"""Name look-ups: one that hangs holds up nobody else."""

from __future__ import annotations

import asyncio
import socket
import threading
from functools import partial
from typing import Any

import pytest

from common import AnswerModel, RequestModel, SafeClient, Upstream
from common.calls.carrier import AiohttpCarrier
from common.calls.resolver import OwnThreadResolver
from common.outcome import Reason
from tests.json_server import json_server


class Question(RequestModel):
    number: float = 1


class Doubled(AnswerModel):
    doubled: float


async def ask(upstream: Upstream, *, timeout_ms: int) -> Any:
    endpoint = SafeClient(upstream, timeout_ms=timeout_ms).endpoint(
        "/double", answer=Doubled, default=Doubled(doubled=-1.0)
    )
    return await endpoint(Question())


async def test_look_ups_that_hang_do_not_delay_another_host() -> None:
    let_go, real = threading.Event(), socket.getaddrinfo

    def slow_for_some(host: Any, *arguments: Any, **options: Any) -> Any:
        if str(host).endswith(".example"):
            let_go.wait(30)
        return real("127.0.0.1" if host == "healthy" else host, *arguments, **options)

    def upstream(name: str, address: str) -> Upstream:
        return Upstream(name, address, carrier=partial(AiohttpCarrier, OwnThreadResolver(slow_for_some)))

    with json_server(lambda _: {"doubled": 2}) as url:
        hanging = [upstream(f"slow-{number}", f"http://host-{number}.example") for number in range(12)]
        healthy = upstream("healthy", url.replace("127.0.0.1", "healthy"))
        reasons = {(await ask(slow, timeout_ms=30)).reason for slow in hanging}
        outcome = await ask(healthy, timeout_ms=2_000)
        let_go.set()
        for used in (*hanging, healthy):
            await used.aclose()
    assert reasons == {Reason.TIMEOUT}
    assert outcome.reason is None


async def test_callers_share_a_look_up_that_is_under_way() -> None:
    look_ups = 0

    def counting(*_arguments: Any, **_options: Any) -> Any:
        nonlocal look_ups
        look_ups += 1
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))]

    resolver = OwnThreadResolver(counting)
    first, second = resolver.resolve("host", 80), resolver.resolve("host", 80)
    found = await asyncio.gather(first, second)
    assert found[0] == found[1]
    assert (look_ups, found[0][0]["host"]) == (1, "127.0.0.1")


@pytest.mark.parametrize("error", [socket.gaierror(-2, "unknown"), UnicodeError("label too long")])
async def test_an_unknown_name_is_an_os_error(error: Exception) -> None:
    def failing(*_arguments: Any, **_options: Any) -> Any:
        raise error

    with pytest.raises(OSError, match=r"unknown|host name"):
        await OwnThreadResolver(failing).resolve("nowhere")
