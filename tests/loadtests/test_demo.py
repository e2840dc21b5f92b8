"""The whole demo in small: real processes, real signals, a real proxy, and services that fit in a hundred lines."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

HERE = Path(__file__).parent
PHASES = ("normal", "killed", "restarted", "frozen", "continued", "nonsense", "put right", "normal again")


@contextmanager
def demo(logs: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(HERE / "fake_demo.py"), str(logs), *options]
    environment = {"PYTHONPATH": str(HERE.parents[1]), "PATH": "", "COLUMNS": "100"}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def output_of(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdout is not None
    return process.stdout


def nobody_listens(text: str) -> bool:
    ports = [int(port) for line in text.splitlines() if line.startswith("ports") for port in line.split()[1:]]
    assert len(ports) == 6
    for port in ports:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return False
    return True


def test_services_that_keep_their_promises_end_with_a_good_verdict_and_no_process_left(tmp_path: Path) -> None:
    with demo(tmp_path, "--once") as process:
        told, _ = process.communicate(timeout=90)
    assert process.returncode == 0, told
    assert all(f"] {phase}: " in told for phase in PHASES)
    assert told.count("full quality after") == 3
    assert "all said so." in told
    assert "broken" not in told
    assert nobody_listens(told)


def test_services_that_claim_that_a_dead_model_answered_are_found_out(tmp_path: Path) -> None:
    with demo(tmp_path, "--once", "--lies") as process:
        told, _ = process.communicate(timeout=90)
    assert process.returncode == 1, told
    assert "broken: killed, supermegaretail: no answer said that it was degraded" in told
    assert nobody_listens(told)


@pytest.mark.parametrize(("how", "phase"), [(signal.SIGINT, "normal:"), (signal.SIGTERM, "frozen:")])
def test_an_interrupted_tour_leaves_no_process_behind(tmp_path: Path, how: signal.Signals, phase: str) -> None:
    with demo(tmp_path) as process:
        told = ""
        for line in output_of(process):
            told += line
            if phase in line:
                break
        process.send_signal(how)
        rest, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert nobody_listens(told + rest)


def test_a_service_that_does_not_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    with demo(tmp_path, "--breaks") as process:
        told, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "ended with code 3 before it was ready" in told
    assert "no model is there" in told
    assert nobody_listens(told)
