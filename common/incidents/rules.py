"""The table of alerts as the files that Prometheus and Alertmanager read; windows are a parameter, for tests."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from common.incidents.alerts import ALERTS, LONG, LONG_WINDOWS, WINDOW, Alert
from common.incidents.faults import FAULTS
from common.incidents.yaml_text import Plain, yaml_of

DEFAULT_WINDOW_S = 300
REPEAT_S = 600  # at most: what is not told again has ended, says `store.py`
LOOKS_PER_WINDOW = 20  # scrapes, and evaluations of the rules; a rate needs four at the very least
MADE = "# Made by `python -m common alerts {what}`; change common/incidents/alerts.py instead.\n"
RUNBOOKS = "http://127.0.0.1:8001/admin/runbooks"
WEBHOOK = "/v1/admin/incidents/alerts"
TOKEN_FILE = "/tmp/token"  # noqa: S105, S108  the name of a file in a container, not a secret
PAGER = "http://pager.invalid/"  # reaches nobody: `--pager`, or docker-compose.yml, puts an address in its place
Targets = Mapping[tuple[str, str], Sequence[str]]  # addresses of replicas, by service and role
TARGETS: Targets = {  # as docker-compose.yml names them
    ("supermegaretail", "api"): ["supermegaretail-api:8001"],
    ("supermegaretail", "model"): ["supermegaretail-model:8002"],
    ("photostock", "api"): ["photostock-api:8003"],
    ("photostock", "model"): ["photostock-reranker:8004"],
}


def seconds_of(text: str) -> int:
    """Of "10s", "5m", "1h"; raises `ValueError`."""
    found = re.fullmatch(r"([0-9]{1,6})([smh])", text)
    if found is None or not (seconds := int(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]):
        raise ValueError(f"{text!r} is no duration such as 10s, 5m or 1h")
    return seconds


def rules(*, window_s: int = DEFAULT_WINDOW_S, runbooks: str = RUNBOOKS) -> str:
    """Prometheus' rules; `runbooks` is the address under which runbooks are served."""
    group: Plain = {"name": "murphy", "rules": [_rule(alert, window_s, runbooks) for alert in ALERTS]}
    return MADE.format(what="rules") + yaml_of({"groups": [group]})


def prometheus(
    *,
    window_s: int = DEFAULT_WINDOW_S,
    targets: Targets = TARGETS,
    alertmanager: str = "alertmanager:9093",
    rules_file: str = "rules.yml",
) -> str:
    """Prometheus' settings: whom to ask, how often, whom to tell."""
    every = f"{max(1, window_s // LOOKS_PER_WINDOW)}s"
    jobs: list[Plain] = [
        {
            "job_name": f"{service}-{role}",
            "static_configs": [{"targets": list(addresses), "labels": {"service": service, "role": role}}],
        }
        for (service, role), addresses in targets.items()
    ]
    told: Plain = {
        "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
        "rule_files": [rules_file],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
        "scrape_configs": jobs,
    }
    return MADE.format(what="prometheus") + yaml_of(told)


def alertmanager(
    *,
    window_s: int = DEFAULT_WINDOW_S,
    targets: Targets = TARGETS,
    token_file: str = TOKEN_FILE,
    pager: str = PAGER,
) -> str:
    """Alertmanager's settings: both APIs are told, so that one of them may be down; causes hide their consequences.

    What pages goes to `pager`, too, the webhook of whatever wakes people: the APIs may be what is down.
    """
    hooks: list[Plain] = [
        {
            "url": f"http://{address}{WEBHOOK}",
            "send_resolved": True,
            "http_config": {"authorization": {"credentials_file": token_file}},
        }
        for (_, role), addresses in targets.items()
        if role == "api"
        for address in addresses
    ]
    told: Plain = {
        "route": {
            "receiver": "incidents",
            "group_by": ["service"],
            "group_wait": f"{max(1, window_s // 30)}s",
            "group_interval": f"{max(1, window_s // 10)}s",
            "repeat_interval": f"{min(2 * window_s, REPEAT_S)}s",
            "routes": [
                {
                    "receiver": "people",
                    "matchers": ['severity="page"'],
                    "repeat_interval": f"{12 * window_s}s",
                    "continue": True,
                },
                {"receiver": "incidents"},
            ],
        },
        "receivers": [
            {"name": "incidents", "webhook_configs": hooks},
            {"name": "people", "webhook_configs": [{"url": pager, "send_resolved": True}]},
        ],
        "inhibit_rules": [_inhibition(alert) for alert in ALERTS if alert.explains],
    }
    return MADE.format(what="alertmanager") + yaml_of(told)


def table() -> str:
    """Faults, their alert, its runbook: Markdown for docs/incidents.md."""
    head = "| alert | severity | faults | what may come with it |\n|---|---|---|---|\n"
    return head + "".join(
        f"| [{alert.name}](runbooks/{alert.name}.md) | {alert.severity} | {_coded(FAULTS[alert.name])} "
        f"| {', '.join(alert.leads_to)} |\n"
        for alert in ALERTS
    )


def _rule(alert: Alert, window_s: int, runbooks: str) -> Plain:
    expr = alert.expr.replace(f"[{WINDOW}]", f"[{window_s}s]").replace(f"[{LONG}]", f"[{window_s * LONG_WINDOWS}s]")
    return {
        "alert": alert.name,
        "expr": expr,
        "for": f"{int(alert.holds * window_s)}s",
        "labels": {"severity": alert.severity},
        "annotations": {
            "summary": alert.summary,
            "runbook": f"docs/runbooks/{alert.name}.md",
            "runbook_url": f"{runbooks}/{alert.name}",
        },
    }


def _inhibition(alert: Alert) -> Plain:
    return {
        "source_matchers": [f'alertname="{alert.name}"'],
        "target_matchers": [f'alertname=~"{"|".join(alert.explains)}"'],
        "equal": ["service"],
    }


def _coded(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
