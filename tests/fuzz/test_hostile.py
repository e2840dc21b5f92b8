"""The attacker's list against all four processes at once, and the bounds of a connection one by one."""

from __future__ import annotations

import asyncio

from loadtests.hostile import attack, misshapen
from loadtests.wire import Message
from tests.fuzz.conftest import House


async def test_nothing_that_an_attacker_sends_gets_through_and_slow_callers_are_cut_off(house: House) -> None:
    pids = {name: house.fleet.pid(name) for name in house.programs}
    targets = await asyncio.gather(*(attack(house.url(name), pid=pid, slow=30) for name, pid in pids.items()))
    assert {target.url: target.troubles for target in targets if target.troubles} == {}
    assert [trouble for name in house.programs for trouble in house.troubles(name)] == []


def test_the_list_notices_an_answer_that_tells_too_much_or_is_no_problem() -> None:
    trace = b"Traceback (most recent call last)"
    assert "tells" in str(misshapen(Message("HTTP/1.1 200 OK", body=trace)))
    assert "cookie" in str(misshapen(Message("HTTP/1.1 200 OK", (("Set-Cookie", "a=b"),))))
    assert "not a problem" in str(misshapen(Message("HTTP/1.1 404 Not Found", (("Content-Type", "text/plain"),))))
    assert misshapen(Message("HTTP/1.1 200 OK", body=b"{}")) is None
