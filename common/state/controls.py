"""The control desk of one service: everything that an operator can switch, how it is switched, and how it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from threading import Lock
from typing import Any

import structlog
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine

from common.chain.standing import Standing
from common.chain.switches import Clock, ForcedBreaker, Switch, Switchboard, apply_switch, upstream_target, utc_now
from common.metrics import SwitchMetrics
from common.state.snapshot import Snapshot
from common.state.switch_store import SwitchStore
from common.state.writes import seen_here

TIER_STATES, BREAKER_STATES = ("on", "off", "auto"), ("open", "closed", "observe")
log = structlog.get_logger(__name__)


class UnknownTarget(Exception):
    """There is nothing of this name to switch."""


class WrongState(ValueError):
    """The target can't be switched so."""


@dataclass(frozen=True, slots=True)
class Target:
    """Something that can be switched; `required` says why it can't be switched off, if so."""

    name: str
    states: tuple[str, ...]
    required: str | None = None


class Controls:
    """The switches of one service, with the tiers and breakers that obey them.

    Args:
        tiers: by name, in the order in which they are shown.
        required: why a tier must not be switched off: the last one of the chain, and whatever else may not be left out.
        breakers: of the upstreams, by their names.
    """

    def __init__(
        self,
        state: Engine,
        service: str,
        *,
        tiers: Sequence[str],
        required: Mapping[str, str],
        breakers: Mapping[str, ForcedBreaker],
        registry: CollectorRegistry,
        now: Clock = utc_now,
    ) -> None:
        self._store = SwitchStore(state, service, clock=now)
        self._now = now
        self._breakers = breakers
        self._snapshot: Snapshot[dict[str, Switch]] = Snapshot("switches", self._store.active, first={})
        self._refreshing = Lock()  # else a breaker could be told what was read before a switch was set
        self.switches = Switchboard(lambda: self._snapshot.value, clock=now)
        self.standing = Standing(self.switches)
        targets = [Target(tier, TIER_STATES, required.get(tier)) for tier in tiers]
        targets += [Target(upstream_target(name), BREAKER_STATES) for name in breakers]
        self.targets = {target.name: target for target in targets}
        self._show(SwitchMetrics(registry), tiers)

    @property
    def trouble(self) -> str | None:
        """Why a switch that was set elsewhere may not be seen here."""
        return self._snapshot.trouble

    def refresh(self) -> None:
        """Reads the switches and makes the breakers obey; for worker threads and for the start."""
        with self._refreshing:
            self._snapshot.refresh()
            for name, breaker in self._breakers.items():
                apply_switch(self.switches, name, breaker)

    def put(self, switch: Switch) -> None:
        """Durable and in force here when it returns; raises `UnknownTarget`, `WrongState` or `ValueError` (its end).

        `Problem` 503 where it is only stored.
        """
        target = self._target(switch.target)
        if switch.state not in target.states:
            raise WrongState(f"{target.name} can be {', '.join(target.states[:-1])} or {target.states[-1]}")
        if switch.state == "off" and target.required is not None:
            raise WrongState(f"{target.name} can't be switched off: {target.required}")
        self._store.put(switch)
        log.warning("switch.set", target=switch.target, **switch.as_json())
        seen_here(self, "the switch is stored", "switches")

    def remove(self, target: str, *, why: str = "") -> bool:
        """Back to automatic; False if it was so already, and `Problem` 503 where that is only stored."""
        removed = self._store.remove(self._target(target).name, why=why)
        if removed is None:
            self.refresh()
            return False
        log.warning("switch.removed", target=target, why=why, **removed.as_json())
        seen_here(self, "the switch is removed", "switches")
        return True

    def as_json(self) -> list[dict[str, Any]]:
        """Everything that can be switched, with its switch and how it stands by itself."""
        return [self.shown(name) for name in self.targets]

    def shown(self, name: str) -> dict[str, Any]:
        target, switch = self._target(name), self.switches.find(name)
        return {
            "target": name,
            "states": [state for state in target.states if state != "off" or target.required is None],
            "required": target.required,
            "switch": None if switch is None else switch.as_json(),
            "automatic": self._automatic(name),
        }

    def _automatic(self, name: str) -> dict[str, Any]:
        upstream = name.removeprefix(upstream_target(""))
        if upstream != name:
            return {"state": self._breakers[upstream].state}
        if (record := self.standing.record(name)) is None:
            return {"state": "in_service"}
        return {
            "state": record.state,
            "since": self._moment(record.since_s).isoformat(timespec="seconds"),
            "refused": record.evidence,
            "awaits_confirmation": record.awaits_confirmation,
        }

    def _moment(self, reading_s: float) -> datetime:
        return self._now() - timedelta(seconds=self.standing.clock() - reading_s)

    def _target(self, name: str) -> Target:
        if name not in self.targets:
            raise UnknownTarget(f"there is no {name[:128]!r} to switch; there are {', '.join(self.targets)}")
        return self.targets[name]

    def _show(self, metrics: SwitchMetrics, tiers: Sequence[str]) -> None:
        for tier in tiers:
            metrics.watch_tier(tier, partial(self.standing.state, tier))
        for target in self.targets:
            metrics.watch_switch(target, partial(self.switches.position, target))
