"""One fault after another at one service: which alerts come, how soon, and whether they go."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from common.incidents.alerts import ALERTS, LONG, LONG_WINDOWS, find_alert
from common.incidents.faults import ALERT_OF, BESIDE
from loadtests.alerts.house import WatchedHouse
from loadtests.alerts.watching import LOOK_SECONDS
from loadtests.inside.caller import NotAnswered
from loadtests.murphy.trial import Trial
from loadtests.processes import ProcessError
from loadtests.stalls import StallWatch

WINDOW_S = 10
WITHIN_S = 30.0
STAYS_S = 5.0  # how long it is looked on once the alert is there: for what else comes
QUIET_AGAIN_S = 60.0
LONG_S = WINDOW_S * LONG_WINDOWS + QUIET_AGAIN_S
MOST_TRIES = 3
STALLED_S = 0.5  # of a trial that the machine stood still: what came then is nobody's doing
LASTING = frozenset(alert.name for alert in ALERTS if f"[{LONG}]" in alert.expr and alert.name != "RequestsFail")


@dataclass(slots=True)
class Raised:
    """What one fault raised at one service; `after_s` until its alert was there, None if it never was."""

    fault: str
    service: str
    alert: str
    after_s: float | None = None
    followed: set[str] = field(default_factory=set)
    unexpected: set[str] = field(default_factory=set)
    stays: set[str] = field(default_factory=set)  # of those that are to go, after the fault's end
    quiet_after_s: float | None = None
    trouble: str | None = None  # why it could not be brought on, watched or healed
    stalled_s: float = 0.0
    tries: int = 1

    @property
    def broken(self) -> list[str]:
        """A sentence for each part of the promise that was not kept."""
        told = [f"{name} has nothing to do with it" for name in sorted(self.unexpected)]
        if self.trouble is not None:
            told.append(self.trouble)
        elif self.after_s is None:
            told.append(f"{self.alert} was not raised within {WITHIN_S:.0f} s")
        if self.stays:
            told.append(f"{', '.join(sorted(self.stays))} still there {QUIET_AGAIN_S:.0f} s after its end")
        return [f"{self.fault} at {self.service}: {sentence}" for sentence in told]


@dataclass(slots=True)
class Lane:
    """The faults of one service, one after another, in a house of its own."""

    service: str
    house: WatchedHouse
    stalls: StallWatch
    tell: Callable[[Raised], None]

    async def play(self, trials: Sequence[Trial]) -> list[Raised]:
        """Each of them; again, a few times, what broke while the machine itself stood still."""
        played = []
        for trial in trials:
            for tries in range(1, MOST_TRIES + 1):
                raised = await self._played(trial)
                raised.tries = tries
                if not raised.broken or raised.stalled_s < STALLED_S:
                    break
            played.append(raised)
            self.tell(raised)
        return played

    async def quiet(self, within_s: float, *, but: frozenset[str] = frozenset()) -> set[str]:
        """Waits until nothing of this service is shown but these; what still is after so long."""
        until = time.monotonic() + within_s
        # Prometheus can only be asked again: it tells nobody of a change.
        while (shown := await self.shown() - but) and time.monotonic() < until:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_SECONDS)
        return shown

    async def shown(self) -> set[str]:
        """The alerts of this service that are shown now."""
        return {name for service, name in await self.house.watching.shown() if service == self.service}

    async def _played(self, trial: Trial) -> Raised:
        """The fault, until its alert is there and a little longer; then healed, until what it raised is gone.

        Alerts over the long window may outlast it, and are waited for only where the next fault raises the same.
        """
        raised = Raised(trial.name, self.service, ALERT_OF[trial.name])
        await self.quiet(LONG_S, but=LASTING - {raised.alert})
        before, began = frozenset(await self.shown()), time.monotonic()
        seen = asyncio.Event()
        watching = asyncio.create_task(self._watch(raised, before, began, seen))
        try:
            async with trial.applied(self.house):
                with suppress(TimeoutError):
                    await asyncio.wait_for(seen.wait(), max(0.0, began + WITHIN_S - time.monotonic()))
                if raised.after_s is not None:
                    await asyncio.sleep(STAYS_S)
                if watching.done():  # it never ends by itself
                    watching.result()
                watching.cancel()
        except (OSError, ProcessError, NotAnswered) as error:
            raised.trouble = f"could not be brought on, watched or healed: {error}"
        finally:
            watching.cancel()
        healed = time.monotonic()
        raised.stays = await self.quiet(QUIET_AGAIN_S, but=LASTING | before)
        raised.quiet_after_s = None if raised.stays else time.monotonic() - healed
        raised.stalled_s = self.stalls.seconds_between(began, time.monotonic())
        return raised

    async def _watch(self, raised: Raised, before: frozenset[str], began: float, seen: asyncio.Event) -> None:
        known = find_alert(raised.alert)
        assert known is not None
        expected = {raised.alert, *known.leads_to, *BESIDE.get(raised.fault, ())}
        try:
            while True:
                own = {name for _, name in self.house.true_of_us()}
                new = await self.shown() - before
                raised.followed |= new & expected - {raised.alert}
                raised.unexpected |= new - expected - own
                if raised.alert in new and raised.after_s is None:
                    raised.after_s = time.monotonic() - began
                    seen.set()
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            seen.set()  # nobody waits for what can't be seen any more
