"""The experiment with request ids: it passes on the real thing, and its checker sees each way to be wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from loadtests.request_ids import IN_PROCESS, REMOTE, troubles_in


def test_two_thousand_calls_through_tasks_threads_background_and_another_process_keep_their_ids(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "loadtests.request_ids", "--calls", "2000", "--logs", tmp_path],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2000 calls, 200 of them through another process, 8400 lines expected" in done.stdout
    assert len((tmp_path / "calls.log").read_text().splitlines()) == 8_000


def lines_of_two_calls() -> list[dict[str, Any]]:
    def line(call: int, event: str) -> dict[str, Any]:
        request_id = f"call-{call:07d}"
        gateway = event == "http.request"
        return {
            "event": event,
            "request_id": request_id,
            **({} if gateway else {"expected": request_id}),
            **({"caller": f"caller-{call}"} if event in IN_PROCESS else {}),
        }

    return [line(0, event) for event in (*IN_PROCESS, *REMOTE)] + [line(1, event) for event in IN_PROCESS]


def troubles(lines: list[dict[str, Any]], *more: str) -> list[str]:
    return list(troubles_in([*map(json.dumps, lines), *more], calls=2))


def test_lines_that_are_all_there_are_no_trouble() -> None:
    assert troubles(lines_of_two_calls()) == []


@pytest.mark.parametrize("index", range(10))
def test_each_missing_line_is_seen(index: int) -> None:
    lines = lines_of_two_calls()
    del lines[index]
    assert len(troubles(lines)) == 1


def test_foreign_ids_foreign_callers_doubles_and_rubbish_are_seen() -> None:
    lines = lines_of_two_calls()
    swapped = [{**line, "request_id": "call-0000001"} if index == 1 else line for index, line in enumerate(lines)]
    strange = [{**line, "caller": "caller-6"} if index == 2 else line for index, line in enumerate(lines)]
    assert any("has the id of call-0000001" in trouble for trouble in troubles(swapped))
    assert troubles(strange) == ["'ended' of call-0000000 has the caller 'caller-6'"]
    assert troubles([*lines, lines[3]]) == ["'afterwards' of call-0000000 is there 2 times"]
    assert troubles([*lines, {"event": "begun", "request_id": "call-9", "expected": "call-9"}]) == [
        "'begun' of call-9 belongs to nobody"
    ]
    assert troubles(lines, "half a li") == ["not a line of any request: 'half a li'"]
