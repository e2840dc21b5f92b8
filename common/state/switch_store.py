"""Switches in the state database: durable, and seen by all replicas.

They are overrides of a scope of their own, so that one table tells what people decided over the models' heads.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Engine

from common.chain.switches import Clock, Switch, utc_now
from common.state.overrides import Override, OverrideStore


class SwitchStore:
    """The switches of one service in the state database; at most one per target."""

    def __init__(self, engine: Engine, service: str, *, clock: Clock = utc_now) -> None:
        self._overrides = OverrideStore(engine, f"{service}.switches")
        self._clock = clock

    def put(self, switch: Switch) -> None:
        """Durable when it returns, in place of what was there; raises `ValueError` for an end that makes no sense."""
        self._overrides.add(
            switch.target,
            {"state": switch.state},
            owner=switch.owner,
            reason=switch.reason,
            ends_at=switch.ends_at,
            now=self._clock(),
            alone=True,
        )

    def remove(self, target: str, *, why: str) -> Switch | None:
        """What was in force and is not any more; it stays on record."""
        removed, now = None, self._clock()
        while (entry := self._overrides.active(now=now).get(target)) is not None:  # two replicas may have put one each
            self._overrides.withdraw(entry.id, now=now, why=why)
            removed = removed or _switch(entry)
        return removed

    def active(self) -> dict[str, Switch]:
        """By target."""
        return {target: _switch(entry) for target, entry in self._overrides.active(now=self._clock()).items()}


def _switch(entry: Override) -> Switch:
    return Switch(
        target=entry.target,
        state=entry.value["state"],
        owner=entry.owner,
        reason=entry.reason,
        ends_at=datetime.fromisoformat(entry.ends_at),
    )
