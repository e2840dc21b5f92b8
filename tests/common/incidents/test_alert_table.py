"""Faults, alerts, runbooks, dashboards and files agree, in every direction."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import redirect_stderr
from functools import cache
from io import StringIO
from pathlib import Path

import pytest

from common.__main__ import parser
from common.incidents import rules
from common.incidents.alerts import ALERTS, CAUSES, SYMPTOMS, find_alert
from common.incidents.faults import ALERT_OF, BESIDE, FAULTS, UNNOTICED
from common.incidents.runbooks import SECTIONS, read_runbook
from common.incidents.store import NOT_REPEATED
from loadtests.__main__ import parser as parser_of_loadtests
from loadtests.alerts.menu import FAULTS as PLAYED
from loadtests.alerts.menu import chosen, shared_out
from loadtests.alerts.situations import SITUATIONS
from loadtests.faults import MENU
from loadtests.murphy.menu import TRIALS

ROOT = Path(__file__).resolve().parents[3]
RUNBOOKS = ROOT / "docs" / "runbooks"
PROMETHEUS_OWN = {"up", "process_start_time_seconds", "process_resident_memory_bytes", "process_cpu_seconds_total"}
NAMES = {alert.name for alert in ALERTS}


def program(name: str) -> str:
    if (found := shutil.which(name)) is None:
        if os.environ.get("CI"):
            pytest.fail(f"{name} is not installed; .ci/run installs it")
        pytest.skip(f"NOT TESTED: {name} is not installed (Debian: prometheus, prometheus-alertmanager)")
    return found


def check(*command: str, cwd: Path = ROOT) -> None:
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@cache
def metrics_of_the_code() -> frozenset[str]:
    pattern = re.compile(r'(?:Counter|Gauge|Histogram)\(\s*"([a-z_]+)"')
    packages = ("common", "supermegaretail", "photostock")
    return frozenset(
        name
        for package in packages
        for path in (ROOT / package).rglob("*.py")
        for name in pattern.findall(path.read_text())
    )


def named_in(expression: str) -> set[str]:
    """Metrics of a PromQL expression: what stands before a brace or a bracket, or looks like one of ours."""
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|by \([^)]*\)|\[[^\]]*\]', " ", expression)
    return {word for word in re.findall(r"[a-z]+(?:_[a-z]+)+|\bup\b", bare) if word != "histogram_quantile"}


def unknown(expression: str) -> set[str]:
    bases = {re.sub(r"_(bucket|sum|count)$", "", name) for name in named_in(expression)}
    return {name for name in bases if name not in metrics_of_the_code() | PROMETHEUS_OWN}


def panels(document: object) -> Iterator[str]:
    if isinstance(document, dict):
        if isinstance(document.get("expr"), str):
            yield document["expr"]
        for value in document.values():
            yield from panels(value)
    elif isinstance(document, list):
        for value in document:
            yield from panels(value)


def test_every_fault_that_can_be_played_has_an_alert_or_a_reason_to_go_unnoticed() -> None:
    played = {fault.name for fault in MENU} | {trial.name for trial in (*TRIALS, *SITUATIONS)}
    assert played == set(ALERT_OF) | set(UNNOTICED)
    assert not set(ALERT_OF) & set(UNNOTICED)
    assert all(UNNOTICED.values())


def test_every_alert_is_raised_by_a_fault_that_is_played_with_a_real_prometheus() -> None:
    assert {ALERT_OF[trial.name] for trial in PLAYED} == NAMES
    assert len({trial.name for trial in PLAYED}) == len(PLAYED) == len(ALERT_OF)


def test_what_comes_beside_an_alert_is_known_and_is_no_consequence_of_it() -> None:
    for fault, alerts in BESIDE.items():
        known = find_alert(ALERT_OF[fault])
        assert known is not None
        assert set(alerts) <= NAMES - {known.name, *known.leads_to}


def test_each_fault_is_played_at_a_service_that_can_have_it_and_everywhere_at_all_of_them() -> None:
    services = ("supermegaretail", "photostock")
    for everywhere in (False, True):
        lanes = shared_out(chosen([]), services, everywhere=everywhere, seed=3)
        assert all(service in trial.services for service, lane in lanes.items() for trial in lane)
        count = sum(len(trial.services) if everywhere else 1 for trial in PLAYED)
        assert sum(map(len, lanes.values())) == count
    assert list(shared_out(chosen(["nan"]), ["photostock"], everywhere=False, seed=1)) == ["photostock"]
    with pytest.raises(ValueError, match="unknown faults no_such_fault"):
        chosen(["no_such_fault"])


def test_every_alert_has_a_fault_that_raises_it_and_every_fault_one_alert() -> None:
    assert set(FAULTS) == NAMES
    assert all(FAULTS.values())
    assert len(ALERT_OF) == sum(map(len, FAULTS.values()))


def test_every_alert_has_its_runbook_and_every_runbook_its_alert() -> None:
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_runbook_has_all_its_sections_and_names_the_faults(name: str) -> None:
    text = (RUNBOOKS / f"{name}.md").read_text()
    assert set(re.findall(r"`([a-z_0-9]+)`", text.split("## ")[0])) == set(FAULTS[name])
    sections = read_runbook(name)
    assert sections is not None
    assert tuple(section.heading for section in sections) == SECTIONS
    assert all(section.blocks for section in sections)


def test_every_command_of_a_runbook_can_be_typed() -> None:
    typed = [
        (path.stem, command)
        for path in sorted(RUNBOOKS.glob("*.md"))
        for command in re.findall(
            r"python -m ((?:common|loadtests|supermegaretail|photostock) [^`\n]+)`", path.read_text()
        )
    ]
    assert len(typed) > 5
    parsers = {"common": parser, "loadtests": parser_of_loadtests}
    for name, command in typed:
        program_name, *arguments = shlex.split(command)
        told = StringIO()
        try:
            with redirect_stderr(told):
                parsers[program_name]().parse_args(arguments)
        except SystemExit:
            pytest.fail(f"{name}: python -m {command}: {told.getvalue()}")


def test_what_pages_goes_to_people_too_and_all_of_it_to_the_apis() -> None:
    made = rules.alertmanager(pager="https://pager.example/x")
    assert 'url: "https://pager.example/x"' in made
    route = made.split("receivers:")[0]
    assert route.index("receiver: people") < route.index("continue: true") < route.rindex("receiver: incidents")


def test_alertmanager_repeats_what_fires_before_it_counts_as_ended() -> None:
    for window_s in (10, 300, 3_600):
        repeat_s = re.search(r"\n  repeat_interval: (\d+)s", rules.alertmanager(window_s=window_s))
        assert repeat_s is not None
        assert 2 * int(repeat_s[1]) < NOT_REPEATED.total_seconds()


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: str(alert.name))
def test_a_rule_names_only_metrics_that_the_services_have(alert: object) -> None:
    assert unknown(getattr(alert, "expr", "")) == set()


def test_the_alerts_that_an_alert_names_exist_and_what_is_shown_is_not_hidden() -> None:
    for alert in ALERTS:
        assert set(alert.explains) | set(alert.leads_to) <= NAMES
        assert not set(alert.explains) & set(alert.leads_to)
    assert find_alert("InputsDrifted").explains == ()  # type: ignore[union-attr]  # it lasts for weeks


def test_a_cause_never_hides_what_must_wake_somebody() -> None:
    pages = {alert.name for alert in SYMPTOMS}
    assert [alert.name for alert in CAUSES if pages & set(alert.explains)] == []
    assert {alert.severity for alert in SYMPTOMS} == {"page"}
    assert {alert.severity for alert in CAUSES} == {"inform"}


@pytest.mark.parametrize(
    ("path", "made"),
    [
        ("docker/prometheus/rules.yml", rules.rules),
        ("docker/prometheus/prometheus.yml", rules.prometheus),
        ("docker/alertmanager/alertmanager.yml", rules.alertmanager),
    ],
)
def test_the_files_are_what_the_table_says(path: str, made: object) -> None:
    assert callable(made)
    assert (ROOT / path).read_text() == made()


def test_the_table_in_the_docs_is_what_the_code_says() -> None:
    assert rules.table() in (ROOT / "docs" / "incidents.md").read_text()


def test_windows_are_a_parameter_of_every_rule() -> None:
    of_short, of_long = (re.findall(r"\[(\d+)s\]", rules.rules(window_s=seconds)) for seconds in (10, 300))
    assert set(of_short) == {"10", "120"}
    assert [int(seconds) * 30 for seconds in of_short] == list(map(int, of_long))


@pytest.mark.parametrize("text", ["", "10", "0s", "5 m", "-1s", "1d", "99999999s"])
def test_a_window_that_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no duration"):
        rules.seconds_of(text)


def test_prometheus_and_alertmanager_accept_the_files_and_the_rules_keep_their_promises() -> None:
    promtool, amtool = program("promtool"), program("amtool")
    check(promtool, "check", "config", "docker/prometheus/prometheus.yml")
    check(amtool, "check-config", "docker/alertmanager/alertmanager.yml")
    check(promtool, "test", "rules", "rules_test.yml", cwd=ROOT / "docker" / "prometheus")


@pytest.mark.parametrize("address", ["https://pager.example/hook?key=abc&severity=page", r"https://p.example/a|b\&c&d"])
def test_the_address_of_what_wakes_people_reaches_alertmanager_as_it_was_given(tmp_path: Path, address: str) -> None:
    told = re.search(r"- >-\n((?: {8}.*\n)*? {8}exec /bin/alertmanager.*\n)", (ROOT / "docker-compose.yml").read_text())
    assert told is not None
    command = told[1].replace("$$", "$").replace("/tmp/", f"{tmp_path}/").replace("exec /bin/alertmanager", "true")
    source = ROOT / "docker" / "alertmanager" / "alertmanager.yml"
    command = " ".join(command.replace("/etc/alertmanager/alertmanager.yml", str(source)).split())
    names = {"ALERT_TOKEN": "token", "PAGER_URL": address, "PATH": os.environ["PATH"]}
    subprocess.run(["/bin/sh", "-c", command], check=True, env=names, timeout=10)
    told_address = source.read_text().replace("http://pager.invalid/", address)
    assert (tmp_path / "alertmanager.yml").read_text() == told_address
    without = subprocess.run(
        ["/bin/sh", "-c", command], env={**names, "PAGER_URL": ""}, capture_output=True, timeout=10
    )
    assert without.returncode != 0


def test_a_dashboard_for_each_service_names_only_metrics_that_there_are() -> None:
    for service in ("supermegaretail", "photostock"):
        document = json.loads((ROOT / "docker" / "grafana" / "dashboards" / f"{service}.json").read_text())
        expressions = list(panels(document))
        assert len(expressions) >= 10
        assert {name for expression in expressions for name in unknown(expression)} == set()
        assert all(f'service="{service}"' in expression for expression in expressions)


def test_no_alert_of_another_name_is_found() -> None:
    assert find_alert("../settings") is None
    assert read_runbook("../settings") is None
