"""The conformance suite: our client through the real runner, and how findings become verdicts and tables."""

from __future__ import annotations

import asyncio
import io
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from loadtests.__main__ import main
from loadtests.conformance.adapters import ADAPTERS, OURS, Adapter, UnknownClientError, adapter_of
from loadtests.conformance.command import measure, verdict
from loadtests.conformance.contract import QUESTION, fault_in
from loadtests.conformance.faults import ROWS, row_of
from loadtests.conformance.ours import Predictions
from loadtests.conformance.probe import Heartbeat, Memory
from loadtests.conformance.report import Findings, as_json, cell_text, markdown, repeated, summary
from loadtests.conformance.runner import run_cell
from loadtests.conformance.verdict import Cell, Ended, Limits, Measured
from loadtests.faults import MENU
from loadtests.mutations import mutate
from loadtests.proxy import CANNED

LIMITS = Limits()
ROOMY = Limits(grace_ms=250, stall_ms=250)  # tests share their machine
Somebodys = Callable[[str], Adapter]


def cell(ended: Ended = "default", *, fault: str = "hang", client: str = OURS, **measured: Any) -> Cell:
    figures = {"elapsed_ms": 201.0, "growth_mb": 0.5, "stall_ms": 1.0, **measured}
    return Cell(client, fault, Measured(ended, **figures))


SOMEBODYS_MODULE = """
import asyncio
from loadtests.conformance.contract import Answer
from loadtests.proxy import CANNED

WARM_UPS = 5

async def careless(url, timeout_ms):
    return counting(raise_something)

async def silent(url, timeout_ms):
    return counting(asyncio.Event().wait)

async def liar(url, timeout_ms):
    async def predict(question):
        return Answer({"items": []})
    return predict

async def slow(url, timeout_ms):
    return counting(lambda: asyncio.sleep(0.1))

async def raise_something():
    raise KeyError("no such thing")

def counting(misbehave):
    calls = 0
    async def predict(question):
        nonlocal calls
        calls += 1
        if calls > WARM_UPS:
            await misbehave()
        return Answer(CANNED)
    return predict
"""


@pytest.fixture
def somebodys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Adapter]:
    """What `--client somebodys.module:function` means to the author of a client."""
    (tmp_path / "somebodys").mkdir()
    (tmp_path / "somebodys" / "module.py").write_text(SOMEBODYS_MODULE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return lambda function: adapter_of(f"somebodys.module:{function}")


@pytest.mark.parametrize("fault", ["ok", "hang", "nan", "huge_body", "unknown_host"])
async def test_our_client_is_usable_whatever_the_server_does(fault: str) -> None:
    found = await run_cell(adapter_of(OURS), row_of(fault), ROOMY)
    assert found.complaints(ROOMY) == ()
    assert found.measured.ended == ("right" if fault == "ok" else "default")


async def test_a_client_of_ones_own_is_named_by_module_and_function_and_what_it_raises_is_told(
    somebodys: Somebodys,
) -> None:
    found = await run_cell(somebodys("careless"), row_of("http_500"), ROOMY)
    assert found.complaints(ROOMY) == ("raised KeyError",)


async def test_a_client_that_never_comes_back_is_given_up(somebodys: Somebodys) -> None:
    limits = Limits(cap_ms=400)
    found = await run_cell(somebodys("silent"), row_of("ok"), limits)
    assert found.complaints(limits) == ("not back after 400 ms",)


@pytest.mark.parametrize(("function", "what"), [("liar", "other ids"), ("nobody", "has no attribute 'nobody'")])
async def test_a_client_that_fails_without_any_fault_is_not_blamed_on_the_fault(
    somebodys: Somebodys, function: str, what: str
) -> None:
    found = await run_cell(somebodys(function), row_of("hang"), ROOMY)
    assert found.measured.ended == "unfit"
    assert what in found.measured.detail


def test_every_fault_of_the_menu_is_a_row_and_so_are_the_healthy_call_and_two_addresses() -> None:
    names = {row.name for row in ROWS}
    assert names == {fault.name for fault in MENU} | {"ok", "unknown_host", "no_route"}
    assert len(names) == len(ROWS)


def test_a_right_answer_is_right_and_every_broken_content_is_told_from_it() -> None:
    assert fault_in(CANNED, QUESTION) == ""
    assert fault_in(Predictions.model_validate(CANNED), QUESTION) == ""
    broken = [fault.name for fault in MENU if fault.kind == "content" and fault.name != "truncated_json"]
    assert [name for name in broken if not fault_in(json.loads(mutate(name, CANNED)), QUESTION)] == []
    assert fault_in([], QUESTION) == fault_in({"items": [1]}, QUESTION) == "another shape"


@pytest.mark.parametrize(
    ("found", "complaint"),
    [
        (cell("raised", detail="httpx.ReadTimeout"), "raised httpx.ReadTimeout"),
        (cell("wrong", detail="not a number: 'x'"), "wrong value as success: not a number: 'x'"),
        (cell(elapsed_ms=231), "back after 231 ms"),
        (cell(growth_mb=87), "+87 MB"),
        (cell(stall_ms=48), "loop stalled 48 ms"),
        (cell("never", growth_mb=None, stall_ms=None), "not back after 3000 ms"),
        (cell("unfit", detail="an old version"), "fails without any fault: an old version"),
        (cell("default", fault="ok"), "no value from a healthy server: default"),
    ],
)
def test_each_thing_that_a_caller_could_not_live_with_is_one_complaint(found: Cell, complaint: str) -> None:
    assert found.complaints(LIMITS) == (complaint,)
    assert complaint in cell_text(found, LIMITS) or cell_text(found, LIMITS).startswith("✗ ")


@pytest.mark.parametrize("ended", ["default", "told", "right"])
def test_a_default_a_told_failure_and_a_right_value_in_time_are_usable(ended: Ended) -> None:
    assert cell(ended, detail="status 500" if ended == "told" else "").usable(LIMITS)


def test_only_what_a_busy_machine_can_do_is_measured_again() -> None:
    assert cell(elapsed_ms=231).may_be_noise(LIMITS)
    assert cell(stall_ms=48).may_be_noise(LIMITS)
    settled = [cell(), cell("raised", elapsed_ms=231), cell("wrong"), cell(growth_mb=87, stall_ms=48), cell("never")]
    assert not any(found.may_be_noise(LIMITS) for found in settled)


def test_what_was_measured_again_is_told() -> None:
    assert repeated(cell()) is None
    assert (
        repeated(replace(cell(), tries=2))
        == f"{OURS}: hang: measured 2 times, because time was all that was wrong before"
    )


async def test_a_client_that_is_late_every_time_is_tried_three_times_and_stays_unusable(somebodys: Somebodys) -> None:
    written = io.StringIO()
    found = await measure([somebodys("slow")], [row_of("hang")], Limits(grace_ms=-150), console=Console(file=written))
    (late,) = found.cells
    assert (late.tries, late.measured.ended, late.usable(found.limits)) == (3, "right", False)
    assert "hang: measured 3 times" in written.getvalue()


def findings() -> Findings:
    cells = (
        cell("right", fault="ok", elapsed_ms=2),
        cell(),
        cell("right", fault="ok", elapsed_ms=3, client="peer"),
        cell("raised", detail="a|b", elapsed_ms=231, stall_ms=48, client="peer"),
    )
    return Findings(cells, ("absent",), LIMITS)


def test_the_summary_counts_each_promise_by_itself() -> None:
    assert list(summary(findings())) == [
        (OURS, "2 of 2", "2", "2", "2", "2", "2"),
        ("peer", "1 of 2", "1", "1", "2", "2", "1"),
    ]


def test_markdown_has_a_row_per_fault_a_column_per_client_and_says_loudly_who_was_skipped() -> None:
    text = markdown(findings())
    assert "| fault | common | peer |" in text
    assert "| `ok` | value 2 ms | value 3 ms |" in text
    assert "| `hang` | default 201 ms | ✗ raised a/b 231 ms, loop stalled 48 ms |" in text
    assert "**absent: SKIPPED, it is not installed.**" in text


def test_json_has_every_figure_and_stays_json_when_something_is_unknown() -> None:
    told = json.loads(as_json(Findings((cell("never", growth_mb=None, stall_ms=None),), ("absent",), LIMITS)))
    assert told["cells"][0]["measured"]["growth_mb"] is None
    assert told["cells"][0]["complaints"] == ["not back after 3000 ms"]
    assert told["skipped"] == ["absent"]


def test_the_exit_code_judges_the_clients_that_were_asked_for_and_a_skipped_one_is_no_success() -> None:
    assert verdict(findings(), judged=[OURS]) == 0
    assert verdict(findings(), judged=[OURS, "peer"]) == 1
    assert verdict(findings(), judged=["absent"]) == 1


def test_the_command_measures_shows_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told, written = tmp_path / "told.json", tmp_path / "told.md"
    options = ["--json", str(told), "--markdown", str(written)]
    code = main(["conformance", "--client", OURS, "--fault", "not_json", *options])
    found = json.loads(told.read_text())["cells"][0]
    assert code == int(bool(found["complaints"]))
    assert found["measured"]["ended"] == "default"
    assert "| `not_json` |" in written.read_text()
    assert "not_json" in capsys.readouterr().out


async def test_a_client_that_is_not_installed_is_skipped_loudly_and_never_a_success() -> None:
    absent, written = Adapter("absent", "absent:connect", module="no_such_module"), io.StringIO()
    found = await measure([absent], ROWS, LIMITS, console=Console(file=written))
    assert "SKIPPED: absent, no_such_module is not installed" in written.getvalue()
    assert (found.cells, found.skipped) == ((), ("absent",))


def test_clients_are_known_by_name_or_by_module_and_function() -> None:
    assert len({adapter.name for adapter in ADAPTERS}) == len(ADAPTERS)
    assert all(callable(adapter.load()) for adapter in ADAPTERS)
    assert adapter_of("some.module:connect").connect == "some.module:connect"
    with pytest.raises(UnknownClientError, match="httpx2"):
        adapter_of("htpx")


async def test_the_heartbeat_notices_a_loop_that_stands_still_even_at_the_very_end() -> None:
    heartbeat = Heartbeat()
    await heartbeat.start()
    busy_until = asyncio.get_running_loop().time() + 0.08
    while asyncio.get_running_loop().time() < busy_until:
        math.sqrt(2)
    assert await heartbeat.stop() >= 75


def test_memory_that_was_given_back_already_still_counts() -> None:
    memory = Memory()
    held = bytearray(b"x" * 30_000_000)
    del held
    assert memory.growth_mb > 20
