"""The walk through the menu: a fault on under load, off until full quality, and what was acknowledged is read back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from loadtests.figures import Sample, summarise
from loadtests.load import Load
from loadtests.murphy.alerts import Series, events_since, log_size, moved, read_metrics
from loadtests.murphy.asks import BY_MODEL, RATES, budget_ms
from loadtests.murphy.house import House
from loadtests.murphy.ledger import Checker
from loadtests.murphy.menu import NOTHING
from loadtests.murphy.recovery import back_after, degraded_share
from loadtests.murphy.results import Result, broken_promises, detected_after, not_played, rows_of
from loadtests.murphy.trial import Trial
from loadtests.processes import ProcessError
from loadtests.screen import Screen

REFRESH_SECONDS = 0.5
WARM_UP_SECONDS = 30.0  # at most, until the first answers of full quality
MORE_PATIENCE_SECONDS = 15.0  # beyond the promise, to tell how long it took
TRIAL_SECONDS = 300.0  # to bring a fault on and to heal it

Shown = TypeVar("Shown")


@dataclass(slots=True)
class Walk:
    """One run; `results` fills up as it goes. `usual`: by service, the share of degraded answers without any fault."""

    house: House
    load: Load
    checker: Checker
    screen: Screen
    seconds: float
    results: list[Result]
    usual: dict[str, float] = field(default_factory=dict)

    async def run(self, trials: Sequence[Trial]) -> None:
        """Every trial after the other, with the load never pausing."""
        async with self.load.running():
            await self._warm_up()
            for number, trial in enumerate(trials, 1):
                self.screen.begin(f"{number} of {len(trials)}, {trial.name}", trial.sentence)
                try:
                    async with asyncio.timeout(TRIAL_SECONDS + self.seconds):
                        result = await self._showing(self._play(trial))
                except (ProcessError, OSError, TimeoutError) as error:
                    result = not_played(trial, _why(error))
                self.results.append(result)
                self.screen.say(in_a_line(result), style="red" if result.broken else "green")
                for sentence in result.broken:
                    self.screen.say(f"    broken: {sentence}", style="red")

    async def _warm_up(self) -> None:
        self.load.phase = "warm up"
        self.screen.begin("warm up", "all is well.")
        await self._showing(self._full_quality("warm up", since=_now(), within_seconds=WARM_UP_SECONDS))
        await self.load.settled("warm up")
        self.load.samples.clear()

    async def _play(self, trial: Trial) -> Result:
        before, logs = await self._metrics(), self._logs(trial)
        starts = {name: log_size(path) for name, path in logs.items()}
        onset, during, ending, after = (f"{trial.name} {part}" for part in ("onset", "during", "ending", "after"))
        self.load.phase, began_at = onset, _now()
        async with trial.applied(self.house):
            self.load.phase, on_at = during, _now()
            await asyncio.sleep(self.seconds)
            at_worst = await self._metrics()
            self.load.phase, off_at = ending, _now()
        self.load.phase, healed_at = after, _now()
        usual = dict(self.usual)
        if trial is NOTHING:
            await self.load.settled(during)
            self.usual = {name: degraded_share(self._by_model(during, name)) for name in self.house.services}
        patience = trial.back_within_seconds + MORE_PATIENCE_SECONDS
        back = await self._full_quality(after, since=healed_at, within_seconds=patience)
        self.load.phase = "between"
        for phase in (onset, during, ending, after):
            await self.load.settled(phase)
        samples = [sample for sample in self.load.samples if sample.phase in (onset, during, ending, after)]
        lost = [*await self.checker.check(), *self.house.fleet.bury()]
        anew = {name: self.house.is_away(name, began_at, healed_at) for name in self.house.services}
        alerts = {name: moved(None if anew[name] else before[name], at_worst[name]) for name in self.house.services}
        rows = rows_of(samples, trial, self.house.is_away)
        logged = {name: set(events_since(path, starts[name])) for name, path in logs.items()}
        wholly_on = [one for one in samples if one.phase == during and one.arrived_at <= off_at]
        self.load.samples.clear()
        return Result(
            name=trial.name,
            level=trial.level,
            sentence=trial.sentence,
            seconds=healed_at - began_at,
            rows=rows,
            detected_after={name: detected_after(samples, name, since=on_at) for name in self.house.services},
            back_after=back,
            alerts=alerts,
            lost=tuple(lost),
            broken=broken_promises(
                trial, rows, wholly_on, back_after=back, alerts=alerts, lost=lost, logged=logged, usual=usual
            ),
            may_be_late=trial.may_be_late,
        )

    def _logs(self, trial: Trial) -> dict[str, Path]:
        """By service, those that are looked at; processes of others have none that we know."""
        services = self.house.services.items() if self.house.owned and trial.logs else ()
        return {name: self.house.fleet.log_of(service.api.name) for name, service in services}

    async def _full_quality(self, phase: str, *, since: float, within_seconds: float) -> dict[str, float | None]:
        """By service, seconds until its models serve again; None where they did not within this time."""
        while True:
            until = _now()
            await self.load.settled(phase)
            seconds = {
                name: back_after(
                    self._by_model(phase, name),
                    since=since,
                    until=until,
                    usual=self.usual.get(name, 0.0),
                    stalled=self.load.stalled_s,
                )
                for name in self.house.services
            }
            if None not in seconds.values() or until > since + within_seconds:
                return seconds
            await asyncio.sleep(0.1)

    def _by_model(self, phase: str, service: str) -> list[Sample]:
        return [
            sample
            for sample in self.load.samples
            if (sample.phase, sample.service) == (phase, service) and sample.kind in BY_MODEL
        ]

    async def _metrics(self) -> dict[str, Series | None]:
        names, services = zip(*self.house.services.items(), strict=True)
        told = await asyncio.gather(*(read_metrics(one.api.url, self.checker.headers) for one in services))
        return dict(zip(names, told, strict=True))

    async def _showing(self, work: Awaitable[Shown]) -> Shown:
        showing = asyncio.create_task(self._keep_showing())
        try:
            return await work
        finally:
            showing.cancel()

    async def _keep_showing(self) -> None:
        while True:
            by_kind: dict[str, list[Sample]] = {kind: [] for kind in RATES}
            for sample in self.load.samples:
                by_kind[sample.kind].append(sample)
            self.screen.show(
                {
                    kind: summarise(samples, budget_ms=budget_ms(kind), limit_ms=2 * budget_ms(kind))
                    for kind, samples in by_kind.items()
                }
            )
            await asyncio.sleep(REFRESH_SECONDS)


def in_a_line(result: Result) -> str:
    """One fault in one line."""
    back = [seconds for seconds in result.back_after.values() if seconds is not None]
    whole = f"{max(back):.1f} s" if back and len(back) == len(result.back_after) else "not"
    return (
        f"{'BROKE' if result.broken else 'ok   '} {result.name:<20} {result.requests:>5,} requests, "
        f"{result.well_formed:,} well-formed, {result.in_budget:,} in budget, back after {whole}"
    )


def _why(error: Exception) -> str:
    """In one line: the last words of a process are in its log."""
    told = str(error).splitlines()
    return f"could not be brought on or healed: {told[0] if told else 'it took too long'}"


def _now() -> float:
    return asyncio.get_running_loop().time()
