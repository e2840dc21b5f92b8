"""The scoreboard of faults in small: real processes and proxies, services that fit in two hundred lines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from loadtests.__main__ import main
from loadtests.murphy.house import MODEL_URLS, PROXY_PORTS, House, running_services
from loadtests.murphy.menu import MAY_PASS, SELECTION, TRIALS
from loadtests.processes import Fleet, Program, free_ports

HERE = Path(__file__).parent
SERVICES = str(HERE / "fake_services.py")
DEMO = {"items": [{"store": "CA_1", "sku": "A"}, {"store": "CA_1", "sku": "B"}], "queries": ["dog", "beach"]}


@contextmanager
def fake_services(folder: Path, *options: str) -> Iterator[dict[str, str]]:
    """Two APIs and their models; the APIs look for them where the proxies will be. The environment to call with."""
    ports = free_ports(6)
    environment = {"PYTHONPATH": str(HERE.parents[1])}
    programs = [
        Program(f"{kind}{port}", (SERVICES, kind, str(port), str(model), *options), port, environment=environment)
        for kind, port, model in (
            *(("api", ports[0], ports[4]), ("model", ports[1], 0)),
            *(("api", ports[2], ports[5]), ("model", ports[3], 0)),
        )
    ]
    with Fleet(folder / "logs") as fleet:
        for program in programs:
            fleet.start(program)
        (folder / "demo.json").write_text(json.dumps(DEMO))
        names = ("SUPERMEGARETAIL_URL", "SUPERMEGARETAIL_MODEL_URL", "PHOTOSTOCK_URL", "PHOTOSTOCK_RERANKER_URL")
        urls = {name: program.url for name, program in zip(names, programs, strict=True)}
        yield {**urls, "VAR_DIR": str(folder), "PROXIES": f"{ports[4]} {ports[5]}", "COLUMNS": "100"}


def murphy(environment: dict[str, str], *options: str) -> tuple[int, str, dict[str, Any]]:
    ports = environment["PROXIES"].split()
    command = [sys.executable, "-m", "loadtests", "murphy", "--running", "--seconds", "1.5", *options]
    ended = subprocess.run(
        [*command, "--proxy-ports", *ports],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    told = ended.stdout + ended.stderr
    report = Path(environment["VAR_DIR"]) / "murphy.json"
    return ended.returncode, told, json.loads(report.read_text()) if report.exists() else {}


def test_services_that_keep_their_promises_are_told_so_on_the_terminal_the_page_and_in_json(tmp_path: Path) -> None:
    with fake_services(tmp_path) as environment:
        _, told, document = murphy(environment, "--only", "close_early")
    assert "close_early" in told, told
    assert [fault["name"] for fault in document["faults"]] == ["nothing", "close_early"]
    fault = document["faults"][1]
    kinds = {row["kind"]: row["figures"] for row in fault["rows"]}
    assert kinds["forecast"]["degraded"], fault["broken"]
    assert all(figures["well_formed"] == figures["requests"] for figures in kinds.values()), fault["broken"]
    assert set(fault["back_after"]) == {"supermegaretail", "photostock"}
    assert None not in fault["back_after"].values()
    assert fault["alerts"]["supermegaretail"]
    assert fault["lost"] == []
    page = (tmp_path / "murphy.html").read_text()
    assert "2. close_early" in page
    assert "<script" not in page


def test_a_service_that_forgets_what_it_acknowledged_and_hides_that_it_is_degraded_is_found_out_also_once_more(
    tmp_path: Path,
) -> None:
    with fake_services(tmp_path, "--forgets", "--lies") as environment:
        code, told, document = murphy(environment, "--only", "close_early", "--seconds", "3")
        once_more, _, again = murphy(environment, "--broken", "--seconds", "3")
    assert (code, once_more) == (1, 1)
    assert [fault["name"] for fault in again["faults"]] == ["nothing", "close_early"]
    lost = [sentence for fault in document["faults"] for sentence in fault["lost"]]
    assert any("is gone, and acknowledged was" in sentence for sentence in lost), told
    assert "no answer said that it was degraded" in told


def test_the_proxies_stand_where_the_composed_containers_look_for_their_models(tmp_path: Path) -> None:
    services = running_services({}, PROXY_PORTS, "172.17.0.1")
    house = House(services, var_dir=tmp_path, fleet=Fleet(tmp_path), owned=False)
    assert [proxy.url for proxy in house.proxies.values()] == [f"http://172.17.0.1:{port}" for port in PROXY_PORTS]
    override = (HERE.parents[1] / "docker" / "murphy.yml").read_text()
    for name, port in zip(MODEL_URLS.values(), PROXY_PORTS, strict=True):
        assert f"{name}: http://host.docker.internal:{port}\n" in override


def test_every_trial_has_its_own_name_and_a_sentence_and_the_short_menu_is_part_of_the_whole() -> None:
    names = [trial.name for trial in TRIALS]
    assert len(set(names)) == len(names)
    assert all(trial.sentence.endswith(".") for trial in TRIALS)
    assert set(names) >= SELECTION


def test_every_fault_that_is_no_bad_answer_says_what_shows_it() -> None:
    silent = {
        trial.name for trial in TRIALS if not (trial.shows or trial.logs) and trial.expects not in ("degraded", "dead")
    }
    assert silent <= MAY_PASS | {"nothing", "rush", "api_killed", "api_sigterm"}


def test_the_menu_is_listed_and_a_fault_that_is_not_on_it_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["murphy", "--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [trial.name for trial in TRIALS]
    assert main(["murphy", "--only", "meteorite"]) == 2
    assert "meteorite" in capsys.readouterr().err


def test_what_broke_can_not_be_played_again_where_no_report_tells_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "murphy.json").write_text('{"faults": 7}')
    for folder in (tmp_path, tmp_path / "nowhere"):
        assert main(["murphy", "--broken", "--report", str(folder)]) == 2
        assert f"{folder}/murphy.json tells of no run" in capsys.readouterr().err
