"""The end of an endpoint, in order: its traffic, its artifacts, its data. Refused while anybody still needs it.

Each step can be done twice, and what was reached is written down after each: a run that was cut off goes on where it
was when it is started again.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import structlog

from common.lifecycle.ending_store import STAGES, EndingStore, Standing
from common.lifecycle.endings import Ending
from common.lifecycle.usage_store import UsageStore, Used
from common.versions.components import referred

log = structlog.get_logger(__name__)


class StillNeeded(Exception):
    """It can't go yet; the message says why, `callers` who would be hurt."""

    def __init__(self, reason: str, callers: Collection[Used] = ()) -> None:
        super().__init__(reason)
        self.callers = callers


@dataclass(frozen=True, slots=True, kw_only=True)
class Decommissioner:
    """Takes endpoints of one service away."""

    store: EndingStore
    usage: UsageStore
    var_dir: Path
    quiet_days: int = 30

    def decommission(
        self, ending: Ending, *, who: str, why: str, now: datetime, despite: Collection[str] = ()
    ) -> list[str]:
        """Does what is left to do and returns it, a sentence per step.

        Args:
            despite: callers who may be hurt, because somebody talked to them.

        Raises:
            StillNeeded: it was promised for longer, was called within `quiet_days`, or nobody can know that.
        """
        if ending.version:
            raise StillNeeded(f"{ending.name} is a version of {ending.endpoint}: registry gc removes versions")
        stage = self.store.standings(now=now).get(ending.name, Standing()).stage
        if stage == STAGES[0]:
            self._require_quiet(ending, despite, now)
        done = []
        for place in range(STAGES.index(stage), len(STAGES) - 1):
            what = self._step(ending, STAGES[place + 1])
            self.store.advance(ending.name, STAGES[place + 1], what=what, who=who, why=why, now=now)
            log.warning("ending.step", ending=ending.name, stage=STAGES[place + 1], done=what, who=who, why=why)
            done.append(what)
        return done

    def _require_quiet(self, ending: Ending, despite: Collection[str], now: datetime) -> None:
        if now < ending.sunset:
            raise StillNeeded(f"callers were told that it stays until {ending.sunset.astimezone(UTC).date()}")
        first = self.usage.counted_since()
        if first is None or date.fromisoformat(first) > (now - timedelta(days=self.quiet_days)).date():
            since = "never" if first is None else f"since {first} only"
            raise StillNeeded(
                f"callers were counted {since}: nobody knows who called in the last {self.quiet_days} days"
            )
        used = self.usage.used(days=self.quiet_days, now=now, endpoint=ending.endpoint)
        hurt = [one for one in used if one.caller not in despite]
        if hurt:
            names = ", ".join(sorted({one.caller for one in hurt}))
            raise StillNeeded(f"{ending.endpoint} was called within {self.quiet_days} days by {names}", hurt)

    def _step(self, ending: Ending, stage: str) -> str:
        """Brings it to `stage`; to do it again changes nothing."""
        if stage == STAGES[1]:
            return f"{ending.endpoint} answers 410 from now on, on every replica"
        if stage == STAGES[2]:
            removed = [path for pattern in ending.artifacts for path in sorted(self.var_dir.glob(pattern))]
            for path in removed:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
            return f"{len(removed)} artifacts removed"
        rows = sum(referred(reference)(self.store.engine) for reference in ending.data)
        rows += self.usage.forget(ending.endpoint)
        return f"{rows} rows of data removed"
