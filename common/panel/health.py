"""The blocks that every service has on its home page: who serves, what is unwell, what is forced, which versions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from common.panel.blocks import Block, Level, Shown
from common.panel.serving import Serving
from common.releases.rollout import Rollouts
from common.service.admin_pages import AdminPages
from common.service.app import Service
from common.state.controls import Controls

TOP_REASONS = 4
ATTENTION, BAD = 0.01, 0.2  # shares of degraded items


def add_health(admin: AdminPages, service: Service, *, recent: Serving, controls: Controls, rollouts: Rollouts) -> None:
    """Adds the blocks; what only one service has is added after them."""
    for block in (
        Block("Serving", "/admin/switches", partial(serving, recent)),
        Block("Budgets", None, partial(budgets, recent)),
        Block("Parts", None, partial(parts, service)),
        Block("Switches", "/admin/switches", partial(switches, controls)),
        Block("Releases", "/admin/releases", partial(releases, rollouts)),
        Block("Versions", None, lambda: versions(service.components)),
    ):
        admin.add_block(block)


def serving(recent: Serving) -> Shown:
    """Share per tier, and the reasons of those that did not serve."""
    now = recent.recent()
    total = sum(now.by_tier.values())
    if not total:
        return Shown("quiet", f"Nobody asked within {_minutes(now.minutes)}.")
    share = now.degraded / total
    level: Level = "good" if share < ATTENTION else "attention" if share < BAD else "bad"
    lines = [(tier, _percent(count / total)) for tier, count in now.by_tier.most_common(5)]
    lines += [(f"{tier}: {reason}", f"{count:,}") for (tier, reason), count in now.refusals.most_common(TOP_REASONS)]
    return Shown(level, f"{_percent(share)} of {total:,} items degraded in {_minutes(now.minutes)}", lines)


def budgets(recent: Serving) -> Shown:
    """How many of the requests were answered in time, refused, and failed."""
    now = recent.recent()
    if not now.requests:
        return Shown("quiet", f"No request within {_minutes(now.minutes)}.")
    late = max(0, now.requests - now.in_time)
    level: Level = "bad" if now.failed or late > 0.005 * now.requests else "attention" if now.shed or late else "good"
    lines = [("failed (5xx)", f"{now.failed:,}"), ("told to come back (429)", f"{now.shed:,}"), ("late", f"{late:,}")]
    in_time = min(now.in_time, now.requests) / now.requests
    return Shown(level, f"{_percent(in_time)} of {now.requests:,} requests in time in {_minutes(now.minutes)}", lines)


def parts(service: Service) -> Shown:
    """What `/ready` says."""
    unwell = [(part, reason) for part in service.parts if (reason := part.reason()) is not None]
    if not unwell:
        return Shown("good", f"All {len(service.parts)} parts are well.")
    level: Level = "bad" if any(part.required for part, _ in unwell) else "attention"
    return Shown(level, f"{len(unwell)} of {len(service.parts)} parts are unwell", [(p.name, r) for p, r in unwell])


def switches(controls: Controls) -> Shown:
    """What people forced, and what stands otherwise than in service by itself."""
    shown = controls.as_json()
    forced = [(one["target"], _forced(one["switch"])) for one in shown if one["switch"] is not None]
    fallen = [
        (one["target"], str(one["automatic"]["state"]).replace("_", " "))
        for one in shown
        if one["automatic"]["state"] not in ("in_service", "closed")
    ]
    if not forced and not fallen:
        return Shown("good", "Every tier and breaker is automatic and in service.")
    sentence = f"{len(forced)} forced by hand, {len(fallen)} not in service by themselves"
    return Shown("bad" if fallen else "attention", sentence, [*fallen, *forced])


def versions(components: Callable[[], dict[str, str]]) -> Shown:
    """Of everything that shapes an answer."""
    used = components()
    return Shown("quiet", f"{len(used)} parts have versions", sorted(used.items()))


def releases(rollouts: Rollouts) -> Shown:
    """What is rolled out now, and what waits for a person."""
    live, waiting = rollouts.as_json(), rollouts.waiting
    if rollouts.trouble is not None:
        return Shown("attention", f"Rollouts can't be followed: {rollouts.trouble}")
    if not live and not waiting:
        return Shown("quiet", "Nothing is being rolled out, and nothing waits for a person.")
    lines = [(name, _rollout(one)) for name, one in live.items()]
    lines += [(one.component, f"{one.to_version} is {one.state}") for one in waiting]
    return Shown("attention", f"{len(live)} under way, {len(waiting)} waiting for a person", lines)


def drift(groups: Callable[[], list[dict[str, Any]]]) -> Shown:
    """How far the models' inputs are from those that they learnt from."""
    told = groups()
    drifted = [one for one in told if one["verdict"] == "drifted"]
    lines = [
        (one["group"], one["verdict"] if one["note"] is None else f"{one['verdict']}: {one['note']}") for one in told
    ]
    if drifted:
        return Shown("bad", f"{len(drifted)} of {len(told)} groups of inputs have drifted", lines)
    return Shown("quiet" if any(one["note"] for one in told) else "good", "No drift is known.", lines)


def _forced(switch: dict[str, Any]) -> str:
    return f"{switch['state']} until {switch['ends_at'][:16].replace('T', ' ')} UTC, by {switch['owner']}"


def _rollout(one: dict[str, Any]) -> str:
    return f"{one['version']}, {_percent(one['share'])} of the traffic{', paused' if one['paused'] else ''}"


def _percent(share: float) -> str:
    return f"{share:.0%}" if share in (0, 1) else f"{share:.2%}"


def _minutes(minutes: float) -> str:
    return "the last minute" if minutes < 1.5 else f"the last {minutes:.0f} minutes"
