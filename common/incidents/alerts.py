"""The alerts: few, one for each thing that a person would do, and which of them explains which.

A symptom pages, for users feel it; a cause informs. `faults.py` tells which fault raises which alert, `rules.py` writes
all of it for Prometheus and Alertmanager, and `docs/runbooks/NAME.md` tells what to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from common.outcome import Reason
from common.panel.serving import OPERATORS

Severity = Literal["page", "inform"]
WINDOW, LONG = "WINDOW", "LONG"  # stand for durations in an expression; the long one is twelve windows
LONG_WINDOWS = 12
AT_LEAST = 3  # events in a window, below which a share says nothing

MODEL_CALLS = 'upstream=~".+-(model|reranker)"'
ASKED = f'{MODEL_CALLS},reason!~"{Reason.BREAKER_OPEN}|{Reason.NO_TIME}|{Reason.PAYLOAD}"'
CALLERS = f'role="api",route!~"({"|".join(OPERATORS)}).*"'
FAILED = 'status=~"5.."'
SHADOW_FAILS = 'reason!~"closing|no_budget|no_loop_time|primary_failed"'  # those are dropped on purpose
OPERATORS_WISH = {Reason.SWITCHED_OFF, Reason.NO_TIME}  # nothing is broken: a person, or the caller, wants it so
OF_STATE = "database|switches|callers|catalogue"  # parts that can't do without the state database
TOLD_ELSEWHERE = f"{OF_STATE}|encoder|model|reranker|tiers|drift|process|incidents"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert.

    Args:
        expr: PromQL in which WINDOW and LONG stand for durations; keeps the label `service`.
        holds: for how long it must be true, in windows.
        explains: its consequences, which are not shown beside it.
        leads_to: its consequences that are shown, for somebody must be woken.
    """

    name: str
    severity: Severity
    summary: str
    expr: str
    holds: float = 0.2
    explains: tuple[str, ...] = ()
    leads_to: tuple[str, ...] = ()


def _total(metric: str, selector: str = "") -> str:
    return f"sum by (service) (rate({metric}{{{selector}}}[WINDOW]))"


def _share(metric: str, selector: str, whole: str, *, above: float, at_least: int = AT_LEAST) -> str:
    """More than this share of `whole`, and enough of them to tell."""
    some = f"sum by (service) (increase({metric}{{{selector}}}[WINDOW]))"
    return f"{_total(metric, selector)} / {whole} > {above:g}\nand {some} > {at_least}"


def _calls_failing(*reasons: Reason) -> str:
    return _share(
        "client_calls_total",
        f'{MODEL_CALLS},reason=~"{"|".join(reasons)}"',
        _total("client_calls_total", ASKED),
        above=0.2,
    )


def _requests(status: str, *, above: float, at_least: int = AT_LEAST) -> str:
    whole = _total("http_requests_total", CALLERS)
    return _share("http_requests_total", f"{CALLERS},{status}", whole, above=above, at_least=at_least)


def _over_long(expr: str) -> str:
    """For a service that is asked now and then: the same over the long window, as long as it goes on."""
    return f"({expr.replace(WINDOW, LONG)})"


def _items_refused(*reasons: Reason) -> str:
    selector = f'reason=~"{"|".join(sorted(reasons))}"'
    return _share("fallback_refused_total", selector, _total("fallback_served_total"), above=0.2)


SYMPTOMS = (
    Alert(
        name="ApiDown",
        severity="page",
        summary="{{ $labels.service }}: the API does not answer",
        expr='max by (service) (up{role="api"}) == 0',
        explains=(
            "AnswersDegraded",
            "AnswersLate",
            "ApiReplicaDown",
            "LoopBlocked",
            "ModelSlow",
            "ModelUnreachable",
            "Overloaded",
            "PartUnwell",
            "RequestsFail",
            "StateUnavailable",
        ),
    ),
    Alert(
        name="RequestsFail",
        severity="page",
        summary="{{ $labels.service }}: {{ $value | humanizePercentage }} of the requests fail",
        expr=(
            _requests(FAILED, above=0.05)
            + f"\nor {_over_long(_requests(FAILED, above=0.5))}"
            + f"\n  and sum by (service) (increase(http_requests_total{{{CALLERS},{FAILED}}}[{WINDOW}])) > 0"
        ),
    ),
    Alert(
        name="AnswersLate",
        severity="page",
        summary="{{ $labels.service }}: {{ $value | humanizePercentage }} of the answers miss their deadline",
        expr=_share("http_requests_late_total", CALLERS, _total("http_requests_total", CALLERS), above=0.05),
    ),
    Alert(
        name="Overloaded",
        severity="page",
        summary="{{ $labels.service }}: {{ $value | humanizePercentage }} of the requests are turned away with 429",
        expr=_requests('status="429"', above=0.05),
        explains=("AnswersDegraded", "AnswersLate", "LoopBlocked", "ModelSlow", "ModelUnreachable", "ShadowFailing"),
    ),
    Alert(
        name="AnswersDegraded",
        severity="page",
        summary="{{ $labels.service }}: better tiers refuse {{ $value | humanizePercentage }} of what is asked for",
        expr=(
            _items_refused(*(reason for reason in Reason if reason not in OPERATORS_WISH))
            + "\nor "
            + _share("fallback_served_total", 'tier="constant"', _total("fallback_served_total"), above=0.2)
            + '\nand max by (service) (part_unwell{role="api",part="sales"}) == 1'
        ),
    ),
    Alert(
        name="StateUnavailable",
        severity="page",
        summary="{{ $labels.service }}: the state database can't be read or written, nothing new is kept",
        expr=f'max by (service) (part_unwell{{role="api",part=~"{OF_STATE}"}}) == 1',
        explains=("PartUnwell",),
        leads_to=("AnswersDegraded", "AnswersLate", "RequestsFail"),
    ),
)
CAUSES = (
    Alert(
        name="ApiReplicaDown",
        severity="inform",
        summary="{{ $labels.service }}: one of its APIs does not answer, {{ $labels.instance }}",
        expr='up{role="api"} == 0\nand on (service) max by (service) (up{role="api"}) == 1',
    ),
    Alert(
        name="ModelDown",
        severity="inform",
        summary="{{ $labels.service }}: the model process does not answer Prometheus",
        expr='up{role="model"} == 0',
        explains=("ArtifactRefused", "ModelSlow", "ModelUnreachable"),
        leads_to=("AnswersDegraded",),
    ),
    Alert(
        name="ModelUnreachable",
        severity="inform",
        summary="{{ $labels.service }}: {{ $value | humanizePercentage }} of the calls of the model break",
        expr=_calls_failing(Reason.UNREACHABLE, Reason.DISCONNECTED, Reason.HTTP_STATUS),
        leads_to=("AnswersDegraded",),
    ),
    Alert(
        name="ModelSlow",
        severity="inform",
        summary="{{ $labels.service }}: the model answers {{ $value | humanizePercentage }} of the calls too late",
        expr=_calls_failing(Reason.TIMEOUT, Reason.BULKHEAD_FULL),
        leads_to=("AnswersDegraded",),
    ),
    Alert(
        name="ModelAnswersWrong",
        severity="inform",
        summary="{{ $labels.service }}: what the model answers can't be used",
        expr=(
            _calls_failing(
                Reason.ENCODING,
                Reason.TOO_LARGE,
                Reason.SCHEMA,
                Reason.MEANING,
                Reason.VERSION,
                Reason.UNTESTED_VERSION,
            )
            + "\nor "
            + _items_refused(Reason.OUT_OF_RANGE, Reason.MEANING, Reason.BUG).replace("\nand", "\n  and")
            + "\nor max by (service) (fallback_tier_state) == 2"
        ),
        leads_to=("AnswersDegraded",),
    ),
    Alert(
        name="ArtifactRefused",
        severity="inform",
        summary="{{ $labels.service }}: {{ $labels.part }} can't be loaded, or is still being prepared",
        expr='part_unwell{role="model"} == 1\nor part_unwell{role="api",part="encoder"} == 1',
        explains=("ModelAnswersWrong", "ModelUnreachable"),
        leads_to=("AnswersDegraded",),
    ),
    Alert(
        name="InputsDrifted",
        severity="inform",
        summary="{{ $labels.service }}: the inputs of {{ $labels.group }} are far from what it learnt from",
        expr="max by (service, group) (drift_detected) == 1",
        leads_to=("AnswersDegraded", "ModelAnswersWrong"),
    ),
    Alert(
        name="ForecastsOff",
        severity="inform",
        summary="{{ $labels.service }}: past forecasts were wrong, alarm {{ $labels.name }}",
        expr="max by (service, name) (forecast_alarm) == 1",
    ),
    Alert(
        name="DiskFull",
        severity="inform",
        summary="{{ $labels.service }}: {{ $value | humanizePercentage }} of the disk is free",
        expr="min by (service) (disk_free_ratio) < 0.05",
        explains=("LogLinesLost",),
        leads_to=("PartUnwell", "StateUnavailable", "RequestsFail"),
    ),
    Alert(
        name="PartUnwell",
        severity="inform",
        summary="{{ $labels.service }}: its part {{ $labels.part }} is unwell",
        expr=f'part_unwell{{role="api",part!~"{TOLD_ELSEWHERE}"}} == 1',
    ),
    Alert(
        name="LoopBlocked",
        severity="inform",
        summary="{{ $labels.service }}: its event loop is kept from its work",
        expr='sum by (service) (rate(event_loop_late_seconds_total{role="api"}[WINDOW])) > 0.2',
        explains=("ModelSlow", "ModelUnreachable"),
        leads_to=("AnswersDegraded", "AnswersLate", "ApiDown"),
    ),
    Alert(
        name="ProcessRestarts",
        severity="inform",
        summary="{{ $labels.service }}: a process ({{ $labels.role }}) starts again and again",
        expr="changes(process_start_time_seconds[LONG]) > 2",
        leads_to=("AnswersDegraded", "ApiDown", "ModelDown", "ModelUnreachable", "RequestsFail"),
    ),
    Alert(
        name="ShadowFailing",
        severity="inform",
        summary="{{ $labels.service }}: {{ $value | humanizePercentage }} of the shadow's copies are not answered",
        expr=_share(
            "shadow_missing_total",
            SHADOW_FAILS,
            f"({_total('shadow_missing_total', SHADOW_FAILS)} + ({_total('shadow_pairs_total')} "
            "or sum by (service) (up * 0)))",
            above=0.5,
        ),
    ),
    Alert(
        name="LogLinesLost",
        severity="inform",
        summary="{{ $labels.service }}: log lines are lost, or will be: nobody takes them ({{ $labels.role }})",
        expr=(
            "sum by (service, role) (increase(log_lines_dropped_total[WINDOW])) > 0"
            "\nor max by (service, role) (log_sink_blocked_seconds) > 5"
        ),
        holds=0,
    ),
    Alert(
        name="ClockJumped",
        severity="inform",
        summary="{{ $labels.service }}: the clock of its machine was moved",
        expr="sum by (service) (increase(clock_jumps_total[LONG])) > 0",
        holds=0,
        explains=("OverrideEnding",),
    ),
    Alert(
        name="ReleaseTakenBack",
        severity="inform",
        summary="{{ $labels.service }}: a release of {{ $labels.component }} was taken back",
        expr="sum by (service, component) (increase(release_rollbacks_total[LONG])) > 0",
        holds=0,
    ),
    Alert(
        name="OverrideEnding",
        severity="inform",
        summary="{{ $labels.service }}: an override that stood for long ends within a day",
        expr=(
            "min by (service) (override_next_end_timestamp_seconds > 0) - time() < 86400\n"
            "and min by (service) (override_next_end_timestamp_seconds > 0) > time()"
        ),
    ),
    Alert(
        name="CallersMistaken",
        severity="inform",
        summary="{{ $labels.service }}: {{ $value | humanizePercentage }} of the requests are refused as mistakes",
        expr=_requests('status=~"4..",status!~"429|499"', above=0.5, at_least=10),
    ),
)
ALERTS = (*SYMPTOMS, *CAUSES)


def find_alert(name: str) -> Alert | None:
    """The alert of this name."""
    return next((alert for alert in ALERTS if alert.name == name), None)
