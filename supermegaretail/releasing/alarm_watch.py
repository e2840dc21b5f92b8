"""Updates stop at the first malfunction: what an alarm about past forecasts does to releases.

One rule. An alarm about the version that is being rolled out takes it back; one about the champion leaves it serving,
for what came before may be worse. Both freeze the component with the alarm's sentence as the reason, so that no other
release begins until a person has looked. An alarm counts once: who thaws while it still stands has seen it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import Column, Engine, MetaData, String, Table, delete, select

from common.releases.desk import ReleaseDesk
from common.releases.store import Conflict, ReleaseRecord, State
from common.state.database import create_tables, upsert
from common.versions.registry import Registry
from supermegaretail.monitoring.alarms import Alarm

COMPONENT = "core"
WHO = "an alarm"
TIERS = ("core", "correction")  # whose versions begin with the core's
KEPT = timedelta(days=400)
metadata = MetaData()
seen = Table(
    "release_alarms_seen",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("tier", String(40), primary_key=True),
    Column("version", String(140), primary_key=True),
    Column("since", String(40), primary_key=True),
    Column("at", String(40), nullable=False),
)
log = structlog.get_logger(__name__)


class AlarmWatch:
    """`refresh` is for a worker thread; any number of processes may watch the same alarms.

    Args:
        standing: the alarms that stand and since when, ISO 8601.
    """

    def __init__(
        self, desk: ReleaseDesk, registry: Registry, engine: Engine, standing: Callable[[], Mapping[Alarm, str]]
    ) -> None:
        create_tables(engine, metadata)
        self.trouble: str | None = None  # why an alarm may not have stopped releases
        self._desk = desk
        self._registry = registry
        self._engine = engine
        self._standing = standing
        self._seen: set[tuple[Alarm, str]] = set()  # of those that stand

    def refresh(self) -> None:
        """Acts on alarms that began. What fails is done again the next time."""
        standing = set(self._standing().items())
        self._seen &= standing
        try:
            for alarm, since in sorted(standing - self._seen, key=str):
                if alarm.tier in TIERS and (self._was_seen(alarm, since) or self._acted(alarm, since)):
                    self._seen.add((alarm, since))
        except Exception as error:  # noqa: BLE001  any of a driver's errors; the next look does it again
            if self.trouble is None:
                log.warning("release.alarms_not_followed", error=f"{type(error).__name__}: {error}")
            self.trouble = f"alarms can't stop releases: {type(error).__name__}"
        else:
            self.trouble = None

    def _acted(self, alarm: Alarm, since: str) -> bool:
        """False for an alarm about a version that nobody is sent to."""
        version = alarm.version.partition("+")[0]
        rollout = self._desk.under_way().get(COMPONENT)
        why = f"alarm {alarm.name}: {alarm.text}"
        if rollout is not None and rollout.to_version == version:
            self._take_back(rollout, why)
        elif version != self._registry.champion(COMPONENT):
            return False
        self._desk.freeze(COMPONENT, why, who=WHO)
        self._remember(alarm, since)  # last: after a crash before it the same is done once more
        return True

    def _take_back(self, rollout: ReleaseRecord, why: str) -> None:
        """A promotion that is just being finished is taken back when it is done."""
        try:
            self._desk.roll_back(rollout.id, who=WHO, why=why)
        except Conflict:
            self._desk.reconcile()
            now = self._desk.store.find(rollout.id)
            if now is not None and now.state in (State.CANARY, State.PROMOTED):
                self._desk.roll_back(rollout.id, who=WHO, why=why)

    def _was_seen(self, alarm: Alarm, since: str) -> bool:
        key = {"name": alarm.name, "tier": alarm.tier, "version": alarm.version, "since": since}
        query = select(seen.c.at).where(*(seen.c[name] == value for name, value in key.items()))
        with self._engine.connect() as connection:
            return connection.execute(query).first() is not None

    def _remember(self, alarm: Alarm, since: str) -> None:
        now = datetime.now(UTC)
        values = {"name": alarm.name, "tier": alarm.tier, "version": alarm.version, "since": since}
        added = upsert(self._engine, seen).values(**values, at=now.isoformat(timespec="seconds"))
        with self._engine.begin() as connection:
            connection.execute(added.on_conflict_do_nothing())
            connection.execute(delete(seen).where(seen.c.at < (now - KEPT).isoformat(timespec="seconds")))
