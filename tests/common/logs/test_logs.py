"""Logs: who asked, no secrets, no floods, no forged lines, and never in the way of a request."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from pydantic import BaseModel

from common.logs.lines import MAX_LINE_BYTES, add_traceback, render_line
from common.logs.redaction import is_sensitive, masked
from common.logs.sampling import Burst, Sampling
from common.logs.writer import QUEUED_LINES, LineWriter
from common.metrics import LogMetrics
from tests.common.conftest import FakeClock

SETUP = "import logging, os, sys, structlog; from common.logs.configure import configure_logs\n"


def run(program: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """A process of its own, because `configure_logs` is for a whole process."""
    options = {"capture_output": True, "text": True, "check": True, "timeout": 60, **options}
    return subprocess.run([sys.executable, "-c", SETUP + program], **options)


def logged(program: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run("configure_logs()\n" + program).stderr.splitlines()]


def line_of(**fields: Any) -> str:
    return render_line(None, "info", {"event": "it.happened", **fields})


def shown(**fields: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(line_of(**fields))
    return document


class Told:
    """Remarks in the plainest form."""

    def dropped(self, count: int) -> str:
        return f"dropped {count}\n"

    def suppressed(self, *, at_end: bool) -> list[str]:
        return ["suppressed\n"] if at_end else []


class Rude:
    """A value that can't be shown."""

    def __repr__(self) -> str:
        raise ValueError("no")


# Who asked


def test_log_lines_are_json_with_request_id_and_caller_those_of_libraries_too() -> None:
    lines = logged(
        "from common.context import request_context\n"
        "with request_context('order-7', caller='shop'):\n"
        "    structlog.get_logger('x').info('it.happened', count=1)\n"
        "    logging.getLogger('library').warning('odd: %s', 3)\n"
    )
    assert [(line["event"], line["level"], line["request_id"], line["caller"]) for line in lines] == [
        ("it.happened", "info", "order-7", "shop"),
        ("odd: 3", "warning", "order-7", "shop"),
    ]


def test_a_library_that_logs_badly_raises_nothing_and_prints_nothing_beside_the_log() -> None:
    lines = logged("logging.getLogger('library').error('%d of %d', 'x')")
    assert [line["event"] for line in lines] == ["%d of %d"]


# No floods


def sampled(sampling: Sampling, method: str = "warning", **fields: Any) -> dict[str, Any] | None:
    try:
        return dict(sampling(None, method, {"event": "client.call_failed", **fields}))
    except structlog.DropEvent:
        return None


def test_of_a_thousand_equal_lines_in_a_second_ten_are_written_and_the_next_one_tells_of_the_rest(
    clock: FakeClock,
) -> None:
    sampling = Sampling(clock=clock)
    passed = [line for _ in range(1_000) if (line := sampled(sampling, upstream="core", detail="x")) is not None]
    clock.advance(1)
    after = [sampled(sampling, upstream="core"), sampled(sampling, upstream="core")]
    assert (len(passed), sampling.suppressed) == (10, 990)
    assert [line and line.get("suppressed") for line in after] == [990, None]


def test_kinds_differ_by_event_level_upstream_and_reason_but_not_by_details(clock: FakeClock) -> None:
    sampling = Sampling(lines_per_s=1, clock=clock)
    assert sampled(sampling, upstream="core", reason="timeout", detail="1") is not None
    assert sampled(sampling, upstream="core", reason="timeout", detail="2") is None
    assert sampled(sampling, upstream="core", reason="schema") is not None
    assert sampled(sampling, upstream="other", reason="timeout") is not None
    assert sampled(sampling, "error", upstream="core", reason="timeout") is not None


def test_info_lines_are_all_written(clock: FakeClock) -> None:
    sampling = Sampling(clock=clock)
    assert all(sampled(sampling, "info") for _ in range(1_000))


@pytest.mark.parametrize("method", ["error", "info"])
def test_one_traceback_per_kind_and_second_the_others_name_the_type(clock: FakeClock, method: str) -> None:
    sampling, error = Sampling(clock=clock), KeyError("x")
    lines = [sampled(sampling, method, exc_info=error) for _ in range(100)]
    clock.advance(1)
    lines.append(sampled(sampling, method, exc_info=error))
    written = [line for line in lines if line is not None]
    assert [line.get("exc_info") is error for line in written] == [True, *[False] * 9, True]
    assert {line.get("exception_type") for line in written[1:10]} == {"KeyError"}
    assert written[-1]["suppressed"] == 90


def test_a_burst_that_is_over_is_told_once_and_one_that_goes_on_at_the_end_only(clock: FakeClock) -> None:
    sampling = Sampling(lines_per_s=1, clock=clock)
    for _ in range(3):
        sampled(sampling, tier="core")
    burst = Burst({"of": "client.call_failed", "of_level": "warning", "tier": "core"}, 2)
    assert sampling.bursts() == []
    clock.advance(2)
    assert (sampling.bursts(), sampling.bursts()) == ([burst], [])
    sampled(sampling, tier="core")
    sampled(sampling, tier="core")
    assert [told.suppressed for told in sampling.bursts(at_end=True)] == [1]


def test_kinds_are_bounded_and_nothing_is_lost_untold_even_when_their_names_run_wild(clock: FakeClock) -> None:
    sampling = Sampling(lines_per_s=2, max_kinds=5, clock=clock)
    passed = told = 0
    for number in range(1_000):
        line = sampled(sampling, reason=f"reason {number // 4}")
        passed, told = passed + (line is not None), told + (line or {}).get("suppressed", 0)
        clock.advance(0.01)
    told += sum(burst.suppressed for burst in sampling.bursts(at_end=True))
    assert passed <= 10 * (5 + 1) * 2 + 2
    assert passed + told == 1_000
    assert sampling.suppressed == told


def test_threads_that_log_at_once_are_counted_right(clock: FakeClock) -> None:
    sampling = Sampling(clock=clock)
    threads = [threading.Thread(target=lambda: [sampled(sampling) for _ in range(500)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sampling.suppressed == 1_990


def test_an_outage_writes_few_lines_and_tracebacks_and_all_of_them_are_accounted_for() -> None:
    lines = logged(
        "log, library = structlog.get_logger('x'), logging.getLogger('aiohttp.server')\n"
        "for number in range(3_000):\n"
        "    try:\n"
        "        raise KeyError(number)\n"
        "    except KeyError as error:\n"
        "        log.exception('client.bug', upstream='core')\n"
        "        library.error('Error %s', number, exc_info=error)\n"
    )
    assert len(lines) < 300
    ours = [line for line in lines if "client.bug" in (line["event"], line.get("of"))]
    theirs = [line for line in lines if "aiohttp.server" in (line.get("logger"), line.get("of"))]
    for kind in (ours, theirs):
        written = [line for line in kind if line["event"] != "log.suppressed"]
        assert len(written) + sum(line.get("suppressed", 0) for line in kind) == 3_000
        assert sum("Traceback" in line.get("exception", "") for line in written) <= len(written) / 10 + 1
        assert {line["exception_type"] for line in written} == {"KeyError"}


# No secrets


SENSITIVE = """
    authorization Authorization password db_password PASSWORD secret client_secret token access_token accessToken
    api_key apiKey APIKey X-Api-Key apikey key keys cookie Set-Cookie email email_address phone phoneNumber user_id
    userId customer_id first_name address shipping_addresses credentials
"""
HARMLESS = """
    keyboard monkey token_count max_tokens tokenizer primary_key password_length secretary phonetic emailed_count
    event level reason detail upstream tier component version route method status ms request_id caller item_id
    photo_id exception exception_type suppressed count path error logger place snapshot timestamp
"""


@pytest.mark.parametrize("name", SENSITIVE.split())
def test_these_names_are_sensitive(name: str) -> None:
    assert is_sensitive(name)


@pytest.mark.parametrize("name", HARMLESS.split())
def test_these_names_are_not(name: str) -> None:
    assert not is_sensitive(name)


def test_sensitive_fields_are_masked_in_whatever_they_lie() -> None:
    @dataclass
    class Customer:
        email: str
        orders: int

    class Login(BaseModel):
        user: str
        password: str

    found = shown(
        password="p1",
        headers={"Authorization": "p2", "Accept": "json"},
        rows=[{"user_id": "p3", "price": 2}, ({"cookie": ["p4"]},)],
        customer=Customer("p5", 3),
        login=Login(user="ann", password="p6"),
    )
    assert found == {
        "event": "it.happened",
        "password": "***",
        "headers": {"Authorization": "***", "Accept": "json"},
        "rows": [{"user_id": "***", "price": 2}, [{"cookie": "***"}]],
        "customer": {"email": "***", "orders": 3},
        "login": {"user": "ann", "password": "***"},
    }


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("Authorization: Bearer abc.def-1=, next", "Authorization: Bearer ***, next"),
        ("{'h': 'bearer xyz'}", "{'h': 'Bearer ***'}"),
        ("postgresql://ann:s3cret@db:5432/shop", "postgresql://***@db:5432/shop"),
        ("at redis://:p@ss@cache/0 and https://token@host", "at redis://***@cache/0 and https://***@host"),
        ("http://host:80/path?to=1", "http://host:80/path?to=1"),
        ("3 @ 2.50 by the standard bearer", "3 @ 2.50 by the standard bearer"),
    ],
)
def test_credentials_are_masked_inside_any_text(text: str, safe: str) -> None:
    assert masked(text) == safe
    assert shown(deep=[{"text": text}], **{"as": text.encode()})["deep"] == [{"text": safe}]


def test_credentials_are_masked_in_messages_and_tracebacks_of_exceptions() -> None:
    try:
        try:
            raise OSError("no route to https://ann:pa55@host/x")
        except OSError as cause:
            raise ValueError("sent Bearer t0ken") from cause
    except ValueError as error:
        event = add_traceback(None, "error", {"event": "client.bug", "exc_info": error, "cause": error.__cause__})
    line = render_line(None, "error", event)
    assert "Traceback" in line
    assert "https://***@host" in line
    assert "pa55" not in line
    assert "t0ken\\n" not in line.split("sent")[-1]


# No forged lines, no endless ones, no exceptions


def test_control_characters_can_not_forge_a_line() -> None:
    text = 'x\r\n{"event": "forged"}\x00\x1b[2J\x85\u2028\u2029'
    line = line_of(detail=text, **{"a\nb": text})
    assert line.splitlines() == [line[:-1]]
    assert line.isascii()
    assert shown(detail=text)["detail"] == text


def test_a_line_has_at_most_16_kib_and_keeps_both_ends_of_what_is_cut() -> None:
    long = shown(detail="a" * 100_000 + "the end", other=1)
    assert long["detail"].startswith("aaa")
    assert "characters cut" in long["detail"]
    assert (long["detail"][-7:], long["other"]) == ("the end", 1)
    many = json.loads(line_of(request_id="order-7", **{f"field_{number}": "😀" * 5_000 for number in range(600)}))
    assert many == {"event": "it.happened", "request_id": "order-7", "cut": True}


def test_numbers_that_json_does_not_have_become_text() -> None:
    assert shown(a=float("nan"), b=[float("-inf")], c=10**10_000)["a"] == "nan"
    assert "NaN" not in line_of(a=float("nan"))
    assert shown(c=10**10_000)["c"].startswith("0x")


def test_a_value_that_can_not_be_shown_is_named_instead() -> None:
    assert "Rude" in shown(value=Rude(), deep={"x": [Rude()], Rude(): 1})["value"]


def test_a_structure_that_contains_itself_ends() -> None:
    endless: list[Any] = []
    endless += [endless] * 3
    assert len(line_of(endless=endless)) < MAX_LINE_BYTES


values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(),
        st.characters(categories=["Cs"]),
        st.binary(),
        st.dates(),
        st.builds(Rude),
        st.builds(ValueError, st.text()),
        st.builds(pow, st.just(10), st.just(5_000)),
        st.just("://a:b@" * 2_000),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=8),
        st.tuples(inner),
        st.dictionaries(st.one_of(st.text(), st.integers(), st.binary(), st.none()), inner, max_size=8),
    ),
    max_leaves=30,
)


@settings(max_examples=200, deadline=None)
@given(fields=st.dictionaries(st.text(), values, max_size=12), secret=values)
def test_whatever_is_logged_becomes_one_bounded_line_of_strict_json(fields: dict[str, Any], secret: Any) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    line = render_line(None, "info", {"event": "it.happened", **fields, "password": secret})
    document = json.loads(line, parse_constant=refuse)
    assert (line.count("\n"), line[-1]) == (1, "\n")
    assert len(line.encode()) <= MAX_LINE_BYTES
    assert document.get("password", "***") == "***"


# Never in the way


def test_a_pipe_that_nobody_reads_costs_lines_and_no_time_and_the_loss_is_told_when_it_is_read_again() -> None:
    outlet, inlet = os.pipe()
    writer = LineWriter(inlet, remarks=Told(), tell_every_s=0.01)
    line = "x" * 999 + "\n"
    began_s = time.monotonic()
    for _ in range(QUEUED_LINES * 2):
        writer.write(line)
    took_s = time.monotonic() - began_s
    dropped = writer.dropped
    assert took_s < 5  # the sink takes nothing at all; a writer that waits for it would never get here
    assert dropped >= QUEUED_LINES - 1_000
    with os.fdopen(outlet) as lines:
        kept = told = 0
        while kept + told < QUEUED_LINES * 2:
            read = next(lines)
            kept, told = (kept + 1, told) if read == line else (kept, told + int(read.removeprefix("dropped ")))
    assert told == dropped
    writer.close()
    os.close(inlet)


def wait_until(look: Callable[[], bool]) -> None:
    until_s = time.monotonic() + 30
    while not look():
        assert time.monotonic() < until_s
        time.sleep(0.01)


def test_a_sink_that_takes_nothing_is_told_at_once_and_no_more_when_it_is_read_again() -> None:
    outlet, inlet = os.pipe()
    writer = LineWriter(inlet)
    assert writer.blocked_s == 0
    writer.write("x" * 2**20)
    wait_until(lambda: writer.blocked_s > 0)
    with os.fdopen(outlet, "rb") as lines:
        assert len(lines.read(2**20)) == 2**20
        wait_until(lambda: writer.blocked_s == 0)
    writer.close()
    os.close(inlet)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full is a Linux device")
def test_a_full_disk_costs_lines_that_are_told_when_there_is_room_again(tmp_path: Path) -> None:
    sink = os.open("/dev/full", os.O_WRONLY)
    writer = LineWriter(sink, remarks=Told())
    for _ in range(5):
        writer.write("lost\n")
    until_s = time.monotonic() + 30
    while writer.dropped < 5 and time.monotonic() < until_s:
        threading.Event().wait(0.001)
    roomy = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    os.dup2(roomy, sink)
    writer.write("kept\n")
    writer.close()
    assert (tmp_path / "log").read_text() == "kept\ndropped 5\nsuppressed\n"
    assert writer.dropped == 5
    os.close(roomy)
    os.close(sink)


def test_a_line_that_was_torn_by_a_full_sink_does_not_spoil_the_next_one() -> None:
    outlet, inlet = os.pipe()
    os.set_blocking(inlet, False)
    writer = LineWriter(inlet)
    writer.write("x" * 1_000_000 + "\n")
    until_s = time.monotonic() + 30
    while not writer.dropped and time.monotonic() < until_s:
        threading.Event().wait(0.001)
    torn = os.read(outlet, 2_000_000)
    writer.write("whole\n")
    writer.close()
    assert set(torn) == {ord("x")}
    assert os.read(outlet, 100) == b"\nwhole\n"
    os.close(inlet)
    os.close(outlet)


def test_a_closed_log_takes_no_lines_and_raises_nothing() -> None:
    outlet, inlet = os.pipe()
    writer = LineWriter(inlet)
    writer.write("kept\n")
    writer.close()
    writer.write("late\n")
    assert writer.dropped == 1
    assert os.read(outlet, 100) == b"kept\n"
    os.close(inlet)
    os.close(outlet)


def test_a_process_ends_though_nobody_reads_its_log() -> None:
    outlet, inlet = os.pipe()
    run(
        "configure_logs()\nfor n in range(500): structlog.get_logger().info('x', text='y' * 1000)",
        capture_output=False,
        stderr=inlet,
    )
    os.close(inlet)
    os.close(outlet)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_logs_and_counts_for_itself() -> None:
    done = run(
        "import warnings; warnings.simplefilter('ignore')\n"
        "writer = configure_logs(); log = structlog.get_logger()\n"
        "for number in range(50): log.info('parent', number=number)\n"
        "for number in range(15): log.warning('flood')\n"
        "if (child := os.fork()) == 0:\n"
        "    for number in range(50): log.error('child', number=number)\n"
        "    logging.getLogger('library').error('child too')\n"
        "    writer.close(); os._exit(0)\n"
        "os.waitpid(child, 0)\n"
        "log.info('parent', number=50)\n"
    )
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["number"] for line in lines if line["event"] == "parent"] == list(range(51))
    child = [line for line in lines if line["event"] == "child"]
    assert [line["number"] for line in child] == list(range(10))
    told = [(line["of"], line["suppressed"]) for line in lines if line["event"] == "log.suppressed"]
    assert sorted(told) == [("child", 40), ("flood", 5)]
    assert [line["event"] for line in lines].count("child too") == 1


def test_a_spawned_child_is_a_process_of_its_own_and_sets_up_its_own_log(tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(
        SETUP + "import multiprocessing\n"
        "def work():\n"
        "    writer = configure_logs(); structlog.get_logger().info('child'); writer.close()\n"
        "if __name__ == '__main__':\n"
        "    configure_logs()\n"
        "    child = multiprocessing.get_context('spawn').Process(target=work)\n"
        "    child.start(); child.join(); structlog.get_logger().info('parent', code=child.exitcode)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True, timeout=60)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(line["event"], line.get("code")) for line in lines] == [("child", None), ("parent", 0)]


def test_a_finaliser_that_logs_in_the_midst_of_logging_does_not_block(clock: FakeClock) -> None:
    """Libraries do so: "Unclosed client session" is logged when the garbage is collected, wherever that happens."""
    outlet, inlet = os.pipe()
    writer = LineWriter(inlet)

    def logs_again() -> float:
        if not finalised.is_set():
            finalised.set()
            sampled(sampling)
            writer.write("inner\n")
        return clock()

    finalised = threading.Event()
    finalised.set()
    sampling = Sampling(clock=logs_again)
    finalised.clear()
    assert sampled(sampling) is not None
    assert finalised.is_set()
    writer.close()
    os.close(inlet)
    os.close(outlet)


# What was lost is counted


def test_losses_are_shown_to_prometheus() -> None:
    done = run(
        "from prometheus_client import CollectorRegistry, generate_latest; from common.metrics import LogMetrics\n"
        "registry = CollectorRegistry(); LogMetrics(registry); writer = configure_logs()\n"
        "for _ in range(15): structlog.get_logger().warning('x')\n"
        "writer.close(); structlog.get_logger().info('late'); print(generate_latest(registry).decode())\n"
    )
    assert "log_lines_suppressed_total 5.0" in done.stdout
    assert "log_lines_dropped_total 1.0" in done.stdout


def test_without_a_configured_log_nothing_is_lost() -> None:
    registry = CollectorRegistry()
    LogMetrics(registry)
    assert b"log_lines_dropped_total 0.0" in generate_latest(registry)
