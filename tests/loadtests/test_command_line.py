"""`python -m loadtests`: help, the menu, exit codes, and a proxy that is switched from the keyboard."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loadtests.__main__ import main
from loadtests.faults import MENU
from loadtests.processes import Fleet, Program, free_port
from loadtests.services import api_key, photostock, supermegaretail, var_dir

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def test_the_menu_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["faults"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed] == [fault.name for fault in MENU]


@pytest.mark.parametrize("arguments", [[], ["tuor"], ["proxy"], ["proxy", "--port", "1", "--fault", "frozen"]])
def test_wrong_usage_is_exit_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize("command", [[], ["tour"], ["proxy"], ["faults"], ["bench-reranker"]])
def test_everything_has_a_help(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    assert "usage:" in capsys.readouterr().out


def test_a_tour_without_demo_data_is_one_plain_line_and_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tour", "--subjects", str(tmp_path / "demo.json")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_bench_without_a_reranker_is_one_plain_line_and_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAR_DIR", str(tmp_path))
    assert main(["bench-reranker"]) == 1
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "photostock train" in told


def test_a_registry_that_cannot_be_read_is_one_plain_line_and_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    aliases = tmp_path / "registry" / "reranker" / "aliases.json"
    aliases.parent.mkdir(parents=True)
    aliases.write_text('{"champ')
    monkeypatch.setenv("VAR_DIR", str(tmp_path))
    assert main(["bench-reranker"]) == 1
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "aliases.json" in told


def test_the_proxy_is_switched_by_typing_and_stopped_by_ctrl_c(ask: Callable[..., Any]) -> None:
    port = free_port()
    command = [sys.executable, "-u", "-m", "loadtests", "proxy", "--port", str(port), "--fault", "http_503"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert f":{port}, fault: http_503" in process.stdout.readline()
        assert ask(port).head.startswith(b"HTTP/1.1 503")
        for typed, told in (("nan", "fault: nan"), ("nonsuch", "no fault is called 'nonsuch'"), ("", "fault: none")):
            process.stdin.write(f"{typed}\n")
            process.stdin.flush()
            assert told in process.stdout.readline()
        assert ask(port).head.startswith(b"HTTP/1.1 200")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 130


def test_the_environment_says_where_everything_is(tmp_path: Path) -> None:
    environ = {"VAR_DIR": str(tmp_path), "SUPERMEGARETAIL_PORT": "9001", "SUPERMEGARETAIL_MODEL_PORT": "9002"}
    retail, photos = supermegaretail(environ), photostock(environ)
    assert (retail.api.port, retail.model.port, photos.api.port, photos.model.port) == (9001, 9002, 8003, 8004)
    assert retail.api.environment == {"SUPERMEGARETAIL_MODEL_URL": "http://127.0.0.1:9002"}
    assert retail.moved_model.environment["SUPERMEGARETAIL_MODEL_PORT"] == str(retail.moved_model.port)
    assert retail.moved_model.port not in (9001, 9002)
    assert photos.model.arguments == ("-m", "photostock", "reranker")
    assert photos.api.environment == {"PHOTOSTOCK_RERANKER_URL": "http://127.0.0.1:8004"}
    assert var_dir(environ) == tmp_path


def test_the_key_is_the_one_for_load_tests_or_else_the_first() -> None:
    assert api_key({}) is None
    assert api_key({"API_KEYS": "ana:k1,bo:k2"}) == "k1"
    assert api_key({"API_KEYS": "ana:k1", "LOADTEST_API_KEY": "k9"}) == "k9"


@pytest.mark.parametrize("option", ["--honest", "--silent"])
def test_locust_reads_answers_and_its_gate_fails_on_bad_ones(tmp_path: Path, option: str) -> None:
    subjects = tmp_path / "demo.json"
    subjects.write_text('{"items": [{"store": "CA_1", "sku": "A"}], "queries": ["dog"]}')
    port = free_port()
    service = Program("api", (str(HERE / "fake_services.py"), "api", str(port), str(free_port()), option), port)
    places = {"SUPERMEGARETAIL_URL": service.url, "PHOTOSTOCK_URL": service.url, "LOADTEST_SUBJECTS": str(subjects)}
    locust = [sys.executable, "-m", "locust", "-f", str(ROOT / "loadtests" / "locustfile.py"), "--headless"]
    with Fleet(tmp_path) as fleet:
        fleet.start(service)
        asyncio.run(fleet.ready(service))
        ended = subprocess.run(
            [*locust, "--run-time", "3s", "SupermegaretailUser", "PhotoStockUser"],
            cwd=ROOT,
            env={**os.environ, **places},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
    assert (ended.returncode != 0) == ("threshold broken" in ended.stdout), ended.stdout
    assert (" 0 missing or malformed" in ended.stdout) == (option == "--honest"), ended.stdout
    assert ("(degraded)" in ended.stdout) == (option == "--honest")
    assert ended.returncode == 1 or option == "--honest"
