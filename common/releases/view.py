"""Releases and their reports as a person reads them: words and figures for the templates, nothing is decided here."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from common.releases.store import ReleaseRecord, State
from common.report.numbers import percent, points

WORDS = {
    State.PROPOSED: "waits for a decision",
    State.APPROVED: "approved, not started yet",
    State.REJECTED: "rejected",
    State.PROMOTING: "becomes champion at this moment",
    State.PROMOTED: "promoted to champion",
    State.ROLLING_BACK: "is being taken back",
    State.ROLLED_BACK: "taken back",
}
OUTCOMES = {
    "pass": "Good enough by the rules",
    "fail": "Not good enough by the rules",
    "inconclusive": "The rules leave it open",
}
RESULTS = {"pass": "passed", "fail": "failed", "inconclusive": "inconclusive"}  # of a gate
DONE = {
    "approve": "Approved. It gets no traffic until somebody starts it.",
    "reject": "Rejected.",
    "start": "Started: it answers its first share of the traffic.",
    "advance": "It has the next share of the traffic.",
    "pause": "Paused: its share stays as it is.",
    "resume": "It goes on.",
    "promote": "It is champion.",
    "roll_back": "Taken back: it gets no more traffic.",
    "thawed": "Releases of it may begin again.",
}


@dataclass(frozen=True, slots=True)
class Button:
    """What can be done now; `main` is the usual next step."""

    name: str
    label: str
    main: bool = False


APPROVE, REJECT = Button("approve", "Approve", True), Button("reject", "Reject")
START, ROLL_BACK = Button("start", "Start the rollout", True), Button("roll_back", "Roll back")
ADVANCE, PROMOTE = Button("advance", "Next share", True), Button("promote", "Promote now")
PAUSE, RESUME = Button("pause", "Pause"), Button("resume", "Resume")


def actions_of(release: ReleaseRecord, *, needs_approval: bool) -> list[Button]:
    """The buttons of a release as it stands."""
    if release.state == State.PROPOSED:
        return [APPROVE, REJECT] if needs_approval else [START, APPROVE, REJECT]
    if release.state == State.CANARY:
        return [ADVANCE, RESUME if release.paused else PAUSE, PROMOTE, ROLL_BACK]
    return {State.APPROVED: [START, REJECT], State.PROMOTED: [ROLL_BACK]}.get(release.state, [])


def row_of(release: ReleaseRecord, live: Mapping[str, Any]) -> dict[str, Any]:
    """A release in words, with the evidence of its rollout while there is one."""
    told = WORDS.get(release.state) or f"answers {release.share:.0%} of the traffic"
    rollout = live.get(release.component)
    running = rollout is not None and rollout.get("release_id") == release.id
    return {
        "id": release.id,
        "component": release.component,
        "from_version": release.from_version,
        "to_version": release.to_version,
        "created_at": release.created_at,
        "state": str(release.state),
        "told": f"{told}, paused" if release.paused else told,
        "is_open": release.state in (State.PROPOSED, State.APPROVED, State.CANARY),
        "live": _live(rollout) if running and rollout is not None else None,
    }


def review_of(
    report: Mapping[str, Any], draw: Callable[[Mapping[str, Any]], Mapping[str, Any]]
) -> dict[str, Any] | None:
    """What `common.releases.review.report_of` wrote, ready to be shown; None for a report of another kind."""
    if "measures" not in report:
        return None
    changed = {name: report[name] for name in ("improved", "regressed", "unchanged")}
    return {
        **{
            name: report[name] for name in ("outcome", "sentence", "reasons", "rules", "facts", "champion", "candidate")
        },
        **changed,
        "outcome_told": OUTCOMES.get(report["outcome"], report["outcome"]),
        "words": report["words"],
        "bar": _bar(changed["improved"], changed["regressed"], sum(changed.values())),
        "measures": [_figures(measure) for measure in report["measures"]],
        "slices": [
            {**_figures(one), "bar": _bar(one["improved"], one["regressed"], one["samples"])}
            for one in report["slices"]
        ],
        "worst": [draw(case) for case in report["worst"]],
        "best": [draw(case) for case in report["best"]],
    }


def summary_of(report: Mapping[str, Any]) -> dict[str, Any] | None:
    """The outcome of a report without samples; None for one that `review_of` shows, or where there is none."""
    if "outcome" not in report or "measures" in report:
        return None
    outcome = str(report["outcome"])
    return {
        "outcome": outcome,
        "outcome_told": OUTCOMES.get(outcome, outcome),
        "sentence": str(report.get("sentence", "")),
        "reasons": [str(reason) for reason in report.get("reasons", ())],
    }


def findings_of(report: Mapping[str, Any]) -> list[dict[str, str]]:
    """What the gates of an automatic release found, if this is the report of one."""
    return [
        {"gate": one["gate"], "result": RESULTS[one["verdict"]], "told": one["told"]} for one in report.get("gates", ())
    ]


def _figures(one: Mapping[str, Any]) -> dict[str, Any]:
    """A line of figures; `verdict` is for a figure that is better when it is lower, unless it says otherwise."""
    low, high = _number(one["low"]), _number(one["high"])
    sign = {"lower": 1, "higher": -1}.get(one.get("better", "lower"), 0)
    worse, better = (low > 0, high < 0) if sign > 0 else (high < 0, low > 0)
    verdict = "" if sign == 0 else "worse" if worse else "better" if better else "unclear"
    return {
        **{name: one[name] for name in ("name", "samples")},
        "improved": one.get("improved"),
        "regressed": one.get("regressed"),
        "champion": percent(_number(one["champion"])),
        "candidate": percent(_number(one["candidate"])),
        "difference": points(_number(one["difference"])),
        "interval": f"{points(low)} to {points(high)}",
        "verdict": verdict,
    }


def _bar(improved: int, regressed: int, samples: int) -> dict[str, float]:
    """Widths in percent."""
    whole = max(samples, 1)
    return {"improved": round(100 * improved / whole, 1), "regressed": round(100 * regressed / whole, 1)}


def _live(rollout: Mapping[str, Any]) -> dict[str, Any]:
    claims = [
        {
            "claim": str(claim.get("claim", "")),
            "observations": int(claim.get("observations", 0)),
            "excess": f"{_number(claim.get('mean_excess')):+.3f}",
            "odds": _odds(_number(claim.get("log_fortune"))),
        }
        for claim in rollout.get("claims", ())
    ]
    return {
        "share": f"{rollout.get('share', 0):.0%}",
        "requests": rollout.get("requests_in_this_step"),
        "comparisons": rollout.get("comparisons_in_this_step"),
        "missing": rollout.get("missing"),
        "waits_for": rollout.get("waits_for"),
        "claims": claims,
    }


def _odds(log_fortune: float) -> str:
    """How strongly the evidence speaks against a claim, as the odds of a bet that was won."""
    if not math.isfinite(log_fortune) or log_fortune <= 0:
        return "none"
    return f"{math.exp(min(log_fortune, 20.0)):,.1f} to 1"


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
