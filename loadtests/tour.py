"""The tour: both services under steady load, while their models are killed, frozen and made to talk nonsense.

Everything that it shows was measured in this run, at the client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from loadtests.faults import find_fault
from loadtests.figures import Figures, Sample, full_quality_after, summarise
from loadtests.load import Lane, Load
from loadtests.processes import Fleet, Program
from loadtests.promises import Expected, PhaseResult, Thresholds, broken_promises
from loadtests.proxy import ChaosProxy
from loadtests.screen import Screen
from loadtests.services import MODEL_HOST, Service
from loadtests.traffic import Caller, Subjects, forecasts, searches

NONSENSE = ("nan", "too_few_items", "other_shape", "negative")
REFRESH_SECONDS = 0.25

Shown = TypeVar("Shown")


@dataclass(frozen=True, slots=True)
class TourPlan:
    """How long and how hard; the defaults make a tour of about a minute on two cores."""

    phase_seconds: float = 6.0
    forecasts_per_second: float = 20.0
    searches_per_second: float = 4.0  # each costs the reranker some 50 to 100 ms of a core
    start_within_seconds: float = 90.0
    seed: int = 1
    api_key: str | None = None
    thresholds: Thresholds = field(default_factory=Thresholds)


class Tour:
    """One run over both services; `results` and `accidents` fill up as it goes."""

    def __init__(
        self, retail: Service, photos: Service, *, plan: TourPlan, subjects: Subjects, fleet: Fleet, screen: Screen
    ) -> None:
        self.results: list[PhaseResult] = []
        self.accidents: list[str] = []
        self._services, self._plan, self._fleet, self._screen = (retail, photos), plan, fleet, screen
        self._apis = [service.api for service in self._services]
        self._models = [service.model for service in self._services]
        self._moved_models = [service.moved_model for service in self._services]
        self._load = Load(_lanes(retail, photos, plan, subjects))
        self._proxies = [
            ChaosProxy(host=MODEL_HOST, port=service.model.port, upstream=service.moved_model.url)
            for service in self._services
        ]
        self._phase: PhaseResult | None = None

    @property
    def broken_promises(self) -> list[str]:
        """A sentence for everything that did not go as promised."""
        return [*self.accidents, *broken_promises(self.results, self._plan.thresholds)]

    async def run(self) -> None:
        """From four processes that start, through everything that can happen, to four healthy ones."""
        with self._screen.working("starting two services and their models"):
            await self._start(*self._apis, *self._models)
        with self._screen.live():
            async with self._load.running():
                await self._phases()
            await self._close_phase()

    async def _phases(self) -> None:
        await self._play("normal", "full", "both models answer; this is full quality.")

        await self._kill(self._models)
        await self._play("killed", "dead", "both model processes are dead (SIGKILL); nobody listens.")
        await self._recover("restarted", "the model processes start again.", lambda: self._start(*self._models))

        self._to_models(self._fleet.freeze)
        await self._play("frozen", "degraded", "both models are frozen (SIGSTOP): they accept, and never answer.")
        await self._recover("continued", "the models go on where they were (SIGCONT).", self._thaw)

        await self._start(*self._moved_models)
        await self._put_proxies_between()
        await self._play("nonsense", "degraded", "both models answer nonsense.", during=self._talk_nonsense)
        await self._recover("put right", "the models are back in their places.", self._take_proxies_away)

        await self._play("normal again", "full", "both models answer, as in the beginning.")

    async def _play(
        self, name: str, expected: Expected, sentence: str, *, during: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        await self._begin(PhaseResult(name, expected, {}), sentence)
        await self._showing(during() if during else asyncio.sleep(self._plan.phase_seconds))

    async def _recover(self, name: str, sentence: str, heal: Callable[[], Awaitable[None]]) -> None:
        """Heal, then wait (not for ever) until the answers themselves are at full quality again."""
        phase = PhaseResult(name, "recovery", {})
        await self._begin(phase, sentence)
        healed_from = asyncio.get_running_loop().time()
        await self._showing(heal())
        seconds = await self._showing(self._full_quality(name, since=healed_from))
        self._phase = replace(phase, full_quality_after_seconds=seconds)

    async def _begin(self, phase: PhaseResult, sentence: str) -> None:
        self._load.phase = phase.name
        await self._close_phase()
        self._phase = phase
        self._screen.begin(phase.name, sentence)

    async def _close_phase(self) -> None:
        if self._phase is not None:
            await self._load.settled(self._phase.name)
            result = replace(self._phase, figures=self._figures(self._phase.name))
            self.results.append(result)
            self._screen.end(result)
        self.accidents += self._fleet.bury()

    async def _showing(self, work: Awaitable[Shown]) -> Shown:
        """Do this with the table moving."""
        showing = asyncio.create_task(self._keep_showing())
        try:
            return await work
        finally:
            showing.cancel()

    async def _keep_showing(self) -> None:
        while True:
            self._screen.show(self._figures(self._load.phase))
            await asyncio.sleep(REFRESH_SECONDS)

    async def _full_quality(self, phase: str, *, since: float) -> float | None:
        clock, thresholds = asyncio.get_running_loop().time, self._plan.thresholds
        until = clock() + thresholds.full_quality_within_seconds
        while clock() < until:
            seconds = [
                full_quality_after(
                    self._samples(phase, service.name), since=since, streak=thresholds.full_quality_streak
                )
                for service in self._services
            ]
            known = [value for value in seconds if value is not None]
            if len(known) == len(seconds):
                return max(known)
            await asyncio.sleep(0.05)
        return None

    def _figures(self, phase: str) -> dict[str, Figures]:
        budget_ms, limit_ms = self._plan.thresholds.budget_ms, self._plan.thresholds.limit_ms
        return {
            service.name: summarise(self._samples(phase, service.name), budget_ms=budget_ms, limit_ms=limit_ms)
            for service in self._services
        }

    def _samples(self, phase: str, service: str) -> list[Sample]:
        return [sample for sample in self._load.samples if (sample.phase, sample.service) == (phase, service)]

    async def _start(self, *programs: Program) -> None:
        for program in programs:
            self._fleet.start(program)
        within_seconds = self._plan.start_within_seconds
        await asyncio.gather(*(self._fleet.ready(program, within_seconds=within_seconds) for program in programs))

    async def _kill(self, programs: Sequence[Program]) -> None:
        await asyncio.to_thread(self._fleet.kill, *(program.name for program in programs))

    def _to_models(self, what: Callable[[str], None]) -> None:
        for model in self._models:
            what(model.name)

    async def _thaw(self) -> None:
        self._to_models(self._fleet.thaw)

    async def _put_proxies_between(self) -> None:
        """The APIs go on asking where their models were, and there the proxies are now."""
        await self._kill(self._models)
        for proxy in self._proxies:
            await proxy.set_fault(NONSENSE[0])
            await proxy.start()

    async def _talk_nonsense(self) -> None:
        for fault in NONSENSE:
            for proxy in self._proxies:
                await proxy.set_fault(fault)
            self._screen.explain(f"both models answer nonsense ({fault}). {find_fault(fault).sentence}")
            await asyncio.sleep(self._plan.phase_seconds / len(NONSENSE))

    async def _take_proxies_away(self) -> None:
        for proxy in self._proxies:
            await proxy.stop()
        await self._kill(self._moved_models)
        await self._start(*self._models)


def _lanes(retail: Service, photos: Service, plan: TourPlan, subjects: Subjects) -> list[Lane]:
    callers = [Caller(f"tour-{name}", round(plan.thresholds.budget_ms), plan.api_key) for name in ("f", "s")]
    asks = (
        forecasts(subjects.items, caller=callers[0], seed=plan.seed),
        searches(subjects.queries, caller=callers[1], seed=plan.seed),
    )
    return [
        Lane(retail.name, retail.api.url, plan.forecasts_per_second, asks[0], seed=plan.seed),
        Lane(photos.name, photos.api.url, plan.searches_per_second, asks[1], seed=plan.seed + 1),
    ]
