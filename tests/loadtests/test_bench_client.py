"""The benchmark: its arithmetic, its honesty, and that its parts meet."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loadtests.__main__ import main
from loadtests.bench.cores import ANYWHERE, staying_on, two_cores
from loadtests.bench.ratios import Target, compare, misses
from loadtests.bench.server import Echo
from loadtests.bench.timing import BODY_BYTES, Load, Round, Timing, WrongAnswerError, play_rounds, question
from loadtests.conformance.contract import Answer, Predict, fault_in
from loadtests.mutations import Json

ROOT = Path(__file__).parents[2]
BASE, OURS = "httpx", "common"
TARGET = Target("c=1", "cpu_us", 0.5)


def rounds_of(*ours_and_base: tuple[float, float]) -> list[Round]:
    return [
        {(OURS, "c=1"): Timing(mine / 1000, mine), (BASE, "c=1"): Timing(its / 1000, its)}
        for mine, its in ours_and_base
    ]


def test_a_ratio_is_taken_within_a_round_so_a_slow_minute_does_not_count() -> None:
    found = compare(rounds_of((50, 100), (500, 1000), (50, 100)), OURS, base=BASE, load="c=1", figure="cpu_us")
    assert (found.ratio, found.lower, found.upper) == (0.5, 0.5, 0.5)
    assert found.absolute == 50


def test_median_and_quartiles_are_over_the_rounds() -> None:
    rounds = rounds_of((10, 100), (20, 100), (30, 100), (40, 100), (50, 100))
    found = compare(rounds, OURS, base=BASE, load="c=1", figure="p50_ms")
    assert (found.lower, found.ratio, found.upper) == pytest.approx((0.2, 0.3, 0.4))
    assert found.absolute == pytest.approx(0.03)


def test_one_round_is_its_own_median() -> None:
    found = compare(rounds_of((30, 60)), OURS, base=BASE, load="c=1", figure="cpu_us")
    assert (found.lower, found.ratio, found.upper) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(("cost", "sentences"), [(49.0, 0), (50.0, 0), (51.0, 1)])
def test_a_target_is_missed_only_when_it_is_exceeded(cost: float, sentences: int) -> None:
    told = misses(rounds_of((cost, 100)), OURS, base=BASE, targets=[TARGET])
    assert len(told) == sentences
    assert all("over 0.50" in sentence for sentence in told)


def test_the_question_is_1024_bytes_and_its_echo_is_a_right_answer() -> None:
    assert len(json.dumps(question(), separators=(",", ":"))) == BODY_BYTES
    assert fault_in(question(), question()) == ""


def client(answer: Callable[[Json], Answer], order: list[str], name: str) -> Predict:
    async def predict(asked: Json) -> Answer:
        order.append(name)
        await asyncio.sleep(0)
        return answer(asked)

    return predict


async def test_every_round_has_every_client_under_every_load_and_the_order_changes() -> None:
    order: list[str] = []
    clients = {name: client(Answer, order, name) for name in "abcd"}
    loads = [Load(4, 8)]
    rounds = await play_rounds(clients, rounds=3, seed=1, loads=loads)
    assert [set(played) for played in rounds] == [{(name, load.name) for name in clients for load in loads}] * 3
    calls = [order[start : start + len(order) // 3] for start in range(0, len(order), len(order) // 3)]
    assert len({tuple(dict.fromkeys(of_round)) for of_round in calls}) > 1
    assert all(timing.p50_ms >= 0 for played in rounds for timing in played.values())


@pytest.mark.parametrize(
    "answer",
    [
        lambda asked: Answer(asked, is_default=True),
        lambda asked: Answer(asked, failure="status 500"),
        lambda asked: Answer({**asked, "version": "2.0.0"}),
    ],
)
async def test_a_fast_wrong_answer_is_no_result(answer: Callable[[Json], Answer]) -> None:
    with pytest.raises(WrongAnswerError, match="quick"):
        await play_rounds({"quick": client(answer, [], "quick")}, rounds=1, seed=1, loads=[Load(2, 4)])


async def test_the_server_echoes_whatever_way_the_bytes_arrive() -> None:
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        head = b"POST / HTTP/1.1\r\nHost: x\r\ncontent-length: %d\r\n\r\n"
        for part in (head % 2 + b"[", b"]" + head % 4 + b"[1]\n"):
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0)
        received = await reader.readuntil(b"[1]\n")
        writer.close()
        await writer.wait_closed()
    assert received.count(b"HTTP/1.1 200 OK") == 2
    assert b"Content-Length: 2\r\n\r\n[]" in received


def test_a_core_is_kept_only_for_the_length_of_a_block() -> None:
    before = two_cores()
    with staying_on(before[0]):
        assert before[0] == ANYWHERE or two_cores() == (ANYWHERE, ANYWHERE)
    assert two_cores() == before


def test_the_command_compares_ours_with_bare_httpx_and_its_exit_code_follows_the_targets(tmp_path: Path) -> None:
    told = tmp_path / "told.json"
    options = ["--rounds", "1", "--quick", "--clients", OURS, "--json", str(told)]
    ended = subprocess.run(  # clients can't be closed: they need a process of their own
        [sys.executable, "-m", "loadtests", "bench-client", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    timings: list[dict[str, Any]] = json.loads(told.read_text())["rounds"][0]
    assert {timing["client"] for timing in timings} == {OURS, BASE, "httpx (again)"}
    assert ("keeps all" in ended.stdout) == (ended.returncode == 0)
    assert ended.returncode in {0, 1}
    assert "Unclosed" not in ended.stderr


def test_without_our_client_nothing_is_proved(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["bench-client", "--clients", "htpx"])
    assert "invalid choice" in capsys.readouterr().err
