"""What the kill loop would notice, and a short run of the real thing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from common.progress import progress
from loadtests.inside.acknowledged import Ledger
from loadtests.inside.kill_loop import Life, kill_again_and_again, proves_nothing
from loadtests.inside.writers import send
from tests.postgres_server import postgres_server


def test_what_was_acknowledged_and_is_gone_is_noticed() -> None:
    ledger = Ledger()
    ledger.begin({"a": "first"})
    ledger.acknowledge("things", {"a": "first"})
    ledger.see("a", None, "after kill 1")
    assert ledger.broken == ["after kill 1: a is gone, and it should be 'first'"]


def test_what_was_deleted_and_is_back_is_noticed() -> None:
    ledger = Ledger()
    for title in ("first", None):
        ledger.begin({"a": title})
        ledger.acknowledge("things", {"a": title})
    ledger.see("a", "first", "after kill 2")
    assert ledger.broken == ["after kill 2: a is 'first', and it should be gone"]


def test_a_change_without_an_answer_may_have_happened_or_not_but_then_it_stays_so() -> None:
    ledger = Ledger()
    ledger.begin({"a": "first"})
    ledger.acknowledge("things", {"a": "first"})
    ledger.begin({"a": "second"})
    ledger.see("a", "second", "after kill 1")
    assert ledger.broken == []
    ledger.see("a", "first", "after kill 2")
    assert len(ledger.broken) == 1


async def answered(ledger: Ledger, status: int, value: str | None) -> None:
    async def request() -> tuple[int, Any]:
        return status, None

    await send(ledger, {"things/a": value}, request)


async def test_an_error_that_is_no_refusal_is_broken_by_itself() -> None:
    ledger = Ledger()
    for status in (500, 404):
        await answered(ledger, status, None)
    assert ledger.broken == [f"a write (things) was answered with status {status}" for status in (500, 404)]


async def test_a_refused_change_did_not_happen_and_what_was_there_may_not_be_gone() -> None:
    ledger = Ledger()
    await answered(ledger, 201, "first")
    await answered(ledger, 429, None)
    ledger.see("things/a", None, "after kill 1")
    assert ledger.broken == ["after kill 1: things/a is gone, and it should be 'first'"]


async def test_a_write_that_was_out_of_time_may_have_happened_or_not() -> None:
    for seen in ("first", None):
        ledger = Ledger()
        await answered(ledger, 201, "first")
        await answered(ledger, 503, None)
        ledger.see("things/a", seen, "after kill 1")
        assert ledger.broken == []


async def test_kills_during_which_little_was_acknowledged_prove_nothing() -> None:
    life = Life("photostock", kills=3)
    await answered(life.ledger, 201, "first")
    assert proves_nothing(life, ["things", "others"]) == [
        "photostock: 1 writes acknowledged in 3 kills, which proves nothing",
        "photostock: nothing of its others was ever acknowledged",
    ]
    life.kills = 1
    assert proves_nothing(life, ["things", "others"]) == []


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
async def test_nothing_that_was_acknowledged_is_lost_and_nothing_comes_back_after_sigkill(
    tmp_path: Path, database: str
) -> None:
    with progress("kills") as reporter:
        if database == "sqlite":
            lives = await kill_again_and_again(tmp_path, 2, 1, reporter=reporter)
        else:
            with postgres_server() as url:
                lives = await kill_again_and_again(tmp_path, 2, 1, reporter=reporter, database_url=url)
    assert [life.ledger.broken for life in lives] == [[], []]
    assert all(life.ledger.acknowledged > 0 and len(life.starts_s) == 2 for life in lives)
