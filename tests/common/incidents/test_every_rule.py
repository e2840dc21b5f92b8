"""Every rule on made-up series, by promtool: when it fires, and when it does not.

Counters are born at their first event, start anew with their process, and a share of two events says nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from common.incidents import rules
from common.incidents.alerts import ALERTS

LOOKS, EVERY_S = 40, 15  # at the last one it is judged
Series = Mapping[str, str]  # a selector without the service → values at each look
API = 'role="api",route="/v1/forecasts"'
MODEL = 'upstream="shop-model"'


@dataclass(frozen=True, slots=True)
class Cases:
    """Series of one service for each time that it fires, and for each time that it keeps silent."""

    fires: tuple[Series, ...]
    silent: tuple[Series, ...]


def asked(bad: str, values: str, good: str = "0+90x40") -> Series:
    return {f'http_requests_total{{{API},status="200"}}': good, f"http_requests_total{{{API},{bad}}}": values}


def called(reason: str, values: str, upstream: str = MODEL) -> Series:
    return {
        f'client_calls_total{{{MODEL},reason="ok"}}': "0+50x40",
        f'client_calls_total{{{upstream},reason="{reason}"}}': values,
    }


def refused(reason: str, values: str) -> Series:
    return {
        'fallback_served_total{tier="core"}': "0+100x40",
        f'fallback_refused_total{{tier="core",reason="{reason}"}}': values,
    }


def constant(values: str, sales: str = "1x40") -> Series:
    return {
        'fallback_served_total{tier="core"}': "0+50x40",
        'fallback_served_total{tier="constant"}': values,
        'part_unwell{role="api",part="sales"}': sales,
    }


def shadow(reason: str, answered: str | None = None) -> Series:
    pairs = {} if answered is None else {"shadow_pairs_total": answered}
    return {'up{role="api"}': "1x40", f'shadow_missing_total{{reason="{reason}"}}': "0+10x40", **pairs}


def late(values: str) -> Series:
    return {f'http_requests_total{{{API},status="200"}}': "0+90x40", f"http_requests_late_total{{{API}}}": values}


BORN, RESET, FEW = "_x20 0+30x20", "5000x20 0x20", "0x36 3x4"
CASES: Mapping[str, Cases] = {
    "ApiDown": Cases(
        ({'up{role="api"}': "1x10 0x30"},),
        ({'up{role="api",instance="a"}': "0x40", 'up{role="api",instance="b"}': "1x40"}, {'up{role="model"}': "0x40"}),
    ),
    "ApiReplicaDown": Cases(
        ({'up{role="api",instance="a"}': "0x40", 'up{role="api",instance="b"}': "1x40"},),
        (
            {'up{role="api",instance="a"}': "0x40", 'up{role="api",instance="b"}': "0x40"},
            {'up{role="api",instance="a"}': "1x40", 'up{role="api",instance="b"}': "1x38 0x2"},
        ),
    ),
    "RequestsFail": Cases(
        (
            asked('status="500"', BORN),
            asked('status="503"', "5000x20 0+30x20"),  # the process began anew, and goes on failing
            asked('status="500"', "0x7 1x8 2x8 3x8 4x9", good="0x40"),
        ),
        (
            asked('status="500"', "0+4x40"),
            asked('status="500"', RESET),
            asked('status="500"', FEW, good="0x40"),
            asked('status="500",handler="x"', "0x40"),
            {'http_requests_total{role="api",route="/v1/admin/switches",status="500"}': "0+90x40"},
        ),
    ),
    "AnswersLate": Cases((late(BORN),), (late("0+4x40"), late(RESET), late(FEW))),
    "Overloaded": Cases(
        (asked('status="429"', BORN),), (asked('status="429"', "0+4x40"), asked('status="429"', RESET))
    ),
    "AnswersDegraded": Cases(
        (refused("timeout", BORN), refused("breaker_open", "0+30x40"), constant(BORN)),
        (
            refused("timeout", "0+10x40"),
            refused("switched_off", "0+90x40"),
            refused("no_time", "0+90x40"),
            refused("unknown_item", "0+90x40"),
            refused("timeout", RESET),
            constant(BORN, sales="0x40"),
            constant("0+10x40"),
        ),
    ),
    "StateUnavailable": Cases(
        (
            {'part_unwell{role="api",part="database"}': "0x20 1x20"},
            {'part_unwell{role="api",part="catalogue"}': "1x40"},
        ),
        (
            {'part_unwell{role="api",part="drift"}': "1x40"},
            {'part_unwell{role="api",part="database"}': "0x38 1x2"},
            {'part_unwell{role="api",part="database"}': "1x30 0x10"},
        ),
    ),
    "ModelDown": Cases(
        ({'up{role="model"}': "1x10 0x30"},), ({'up{role="model"}': "1x40"}, {'up{role="api"}': "0x40"})
    ),
    "ModelUnreachable": Cases(
        (called("unreachable", BORN), called("http_status", "5000x20 0+30x20"), called("disconnected", "0+30x40")),
        (
            called("breaker_open", "0+900x40"),
            called("unreachable", RESET),
            called("unreachable", "0+5x40"),
            called("unreachable", "0+90x40", upstream='upstream="shop-shadow"'),
            called("timeout", BORN),
        ),
    ),
    "ModelSlow": Cases(
        (called("timeout", BORN), called("bulkhead_full", "0+30x40")),
        (called("timeout", "0+5x40"), called("no_time", "0+90x40"), called("schema", BORN), called("timeout", RESET)),
    ),
    "ModelAnswersWrong": Cases(
        (
            called("schema", BORN),
            called("version", BORN),
            refused("out_of_range", BORN),
            {"fallback_tier_state": "2x40"},
        ),
        (
            called("schema", "0+5x40"),
            called("unreachable", BORN),
            refused("out_of_range", "0+5x40"),
            {"fallback_tier_state": "1x40"},
        ),
    ),
    "ArtifactRefused": Cases(
        ({'part_unwell{role="model",part="core"}': "1x40"}, {'part_unwell{role="api",part="encoder"}': "1x40"}),
        ({'part_unwell{role="api",part="model"}': "1x40"}, {'part_unwell{role="model",part="core"}': "1x4 0x36"}),
    ),
    "InputsDrifted": Cases(({'drift_detected{group="core"}': "1x40"},), ({'drift_detected{group="core"}': "0x40"},)),
    "ForecastsOff": Cases(
        ({'forecast_alarm{name="bias",tier="core"}': "1x40"},), ({'forecast_alarm{name="bias",tier="core"}': "0x40"},)
    ),
    "DiskFull": Cases(({"disk_free_ratio": "0.01x40"},), ({"disk_free_ratio": "0.06x40"},)),
    "PartUnwell": Cases(
        ({'part_unwell{role="api",part="sales"}': "1x40"},),
        ({'part_unwell{role="api",part="database"}': "1x40"}, {'part_unwell{role="model",part="core"}': "1x40"}),
    ),
    "LoopBlocked": Cases(
        ({'event_loop_late_seconds_total{role="api"}': "0+6x40"},),
        (
            {'event_loop_late_seconds_total{role="api"}': "0+1x40"},
            {'event_loop_late_seconds_total{role="api"}': RESET},
        ),
    ),
    "ProcessRestarts": Cases(
        ({'process_start_time_seconds{role="model"}': "1x10 2x10 3x10 4x10"},),
        ({'process_start_time_seconds{role="model"}': "1x10 2x10 3x20"},),
    ),
    "ShadowFailing": Cases(
        (shadow("timeout"), shadow("timeout", "0+5x40")), (shadow("timeout", "0+20x40"), shadow("closing"))
    ),
    "LogLinesLost": Cases(
        ({"log_lines_dropped_total": "0x30 7x10"},),
        ({"log_lines_dropped_total": "7x40"}, {"log_lines_dropped_total": RESET}),
    ),
    "ClockJumped": Cases(
        ({"clock_jumps_total": "0x10 1x30"},), ({"clock_jumps_total": "1x40"}, {"clock_jumps_total": "1x20 0x20"})
    ),
    "ReleaseTakenBack": Cases(
        ({'release_rollbacks_total{component="core"}': "0x10 1x30"},),
        (
            {'release_rollbacks_total{component="core"}': "1x40"},
            {'release_rollbacks_total{component="core"}': "1x20 0x20"},
        ),
    ),
    "OverrideEnding": Cases(
        ({"override_next_end_timestamp_seconds": "4000x40"},),
        (
            {"override_next_end_timestamp_seconds": "0x40"},
            {"override_next_end_timestamp_seconds": "100000x40"},
            {"override_next_end_timestamp_seconds": "300x40"},
        ),
    ),
    "CallersMistaken": Cases(
        (asked('status="422"', "_x20 0+200x20"), asked('status="404"', "0+99x40")),
        (
            asked('status="422"', "0+60x40"),
            asked('status="429"', "0+200x40"),
            asked('status="499"', "0+200x40"),
            asked('status="422"', "0x30 9x10", good="0x40"),
        ),
    ),
}


def of_service(service: str, selector: str) -> str:
    name, _, labels = selector.partition("{")
    return f'{name}{{service="{service}",{labels}' if labels else f'{name}{{service="{service}"}}'


def groups() -> Iterator[Mapping[str, object]]:
    """What promtool is to try: each case is a service of its own, and some of them have the alert at the last look."""
    for alert, cases in CASES.items():
        services = {f"fires-{number}": series for number, series in enumerate(cases.fires)}
        services |= {f"silent-{number}": series for number, series in enumerate(cases.silent)}
        firing = f'ALERTS{{alertname="{alert}",alertstate="firing"}}'
        yield {
            "name": alert,
            "interval": f"{EVERY_S}s",
            "input_series": [
                {"series": of_service(service, selector), "values": values}
                for service, series in services.items()
                for selector, values in series.items()
            ],
            "promql_expr_test": [
                {
                    "expr": f"count by (service) ({firing}) > bool 0",
                    "eval_time": f"{(LOOKS - 1) * EVERY_S}s",
                    "exp_samples": [
                        {"labels": f'{{service="{service}"}}', "value": 1} for service in services if "fires" in service
                    ],
                }
            ],
        }


def test_no_rule_is_left_out() -> None:
    assert set(CASES) == {alert.name for alert in ALERTS}
    assert all(cases.fires and cases.silent for cases in CASES.values())


def test_every_rule_fires_when_it_should_and_only_then(tmp_path: Path) -> None:
    if (promtool := shutil.which("promtool")) is None:
        if os.environ.get("CI"):
            pytest.fail("promtool is not installed; .ci/run installs it")
        pytest.skip("NOT TESTED: promtool is not installed (Debian: prometheus)")
    (tmp_path / "rules.yml").write_text(rules.rules())
    told = {"rule_files": ["rules.yml"], "evaluation_interval": f"{EVERY_S}s", "tests": list(groups())}
    (tmp_path / "test.yml").write_text(json.dumps(told))  # JSON is YAML
    done = subprocess.run(
        [promtool, "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
