"""What a service's engine has of replays: the log that every answer goes to, and who makes answers again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from common.replay.again import Replayer, Replays
from common.replay.log import ReplayLog
from common.replay.store import STORE_FILE, ReplayStore
from common.service.app import Service
from common.workers import WorkerPool


def replays_of(
    service: Service,
    name: str,
    component: str,
    folder: Path,
    *,
    also_tidy: Callable[[], None] = lambda: None,
    gone: Callable[[Sequence[str]], Sequence[str]] = lambda _subjects: (),
) -> ReplayHolder:
    """Of a service; `component` is whose version `version=…` means; the others are as for `ReplayLog`."""
    settings = service.settings
    store = ReplayStore(
        folder / STORE_FILE, most_bytes=settings.replay_log_mb * 2**20, most_days=settings.replay_log_days
    )
    log = ReplayLog(store, service.registry, also_tidy=also_tidy, gone=gone)
    return ReplayHolder(name, component, log, WorkerPool("replay", threads=1, queue=4))


@dataclass(slots=True)
class ReplayHolder:
    """Made with the engine, which the replays themselves work with: they are put in when it is there."""

    service: str
    component: str
    log: ReplayLog
    pool: WorkerPool
    replays: Replays | None = None

    @property
    def replayer(self) -> Replayer:
        if self.replays is None:
            raise RuntimeError("the service is not put together yet")
        return Replayer(self.service, self.component, self.log, self.replays, self.pool)

    def close(self) -> None:
        """Blocks until what waits is written, for two seconds at most."""
        self.log.close()
        self.pool.close()
