"""A rollout of the core as requests see it: which version one meets, what came of it, and how both compare.

Both models are compared by what they say about the same items: relatively, by category, before and after the sales are
known; and by whether they answer, and how fast, in the same time. A loss is |forecast - sold| ÷ (forecast + sold): 0 is
right, 1 is as wrong as can be.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from typing import TypeAlias

from common.deadline import Deadline
from common.releases.canary import Answered
from common.releases.observing import FAULTS, is_at_fault
from common.releases.pairs import Pairs
from common.releases.remembered import Remembered
from common.releases.rollout import Assigned, Rollouts
from supermegaretail.asking import Asked, Heard, ModelProcess, Question
from supermegaretail.contract import Item
from supermegaretail.forecast import Forecasts
from supermegaretail.history import SalesHistory
from supermegaretail.model_contract import Prediction
from supermegaretail.monitoring.scoring import DayKey, demand_on
from supermegaretail.overriding import Scope

CORE = "core"
TIERS = frozenset({"core", "correction"})  # that a core and its correction answer for
MAX_ITEMS = 50  # of a request that are compared; of a larger one nothing but what it says, for the time is another
DAYS_REMEMBERED = 3  # of a forecast; those further ahead depend on the same mistakes
MAX_TRUTHS = 5_000  # that are looked up at a time

Foretold: TypeAlias = tuple[float, float, str]  # champion, challenger, category


class CoreRollout:
    """For the event loop, but for `sold`."""

    def __init__(
        self, rollouts: Rollouts, pairs: Pairs, model: ModelProcess, history: Callable[[], SalesHistory]
    ) -> None:
        self.rollouts = rollouts
        self._pairs = pairs
        self._model = model  # over connections of its own
        self._history = history
        self._foretold: Remembered[DayKey, Foretold] = Remembered()

    def assign(self, asked: str, caller: str, items: Sequence[Item]) -> Assigned:
        """One version for the whole request, by its first item."""
        return self.rollouts.assign(CORE, asked, caller=caller, item=Scope(items[0].store, items[0].sku).target)

    def watch(self, assigned: Assigned) -> Callable[[Question, Forecasts], None]:
        """To be called with what was answered."""
        return partial(self._answered, assigned)

    def sold(self, keys: Sequence[DayKey]) -> None:
        """These sales are in the history now: which version was nearer?"""
        release_id, history = self.rollouts.under_way(CORE), self._history()
        if release_id is None:
            return
        told = [(key, said) for key in keys[:MAX_TRUTHS] if (said := self._foretold.take(release_id, key)) is not None]
        for (_, (champion, challenger, category)), truth in zip(
            told, demand_on(history, [key for key, _ in told]).tolist(), strict=True
        ):
            if math.isfinite(truth):
                self.rollouts.turned_out(CORE, loss(champion, truth), loss(challenger, truth), category)

    def _answered(self, assigned: Assigned, question: Question, made: Forecasts) -> None:
        if assigned.arm != "challenger":
            return
        self.rollouts.answered(CORE)
        failed = is_at_fault(made.served, TIERS)
        asked = made.asked
        if assigned.instead_of is not None and asked is not None and (asked.heard or (asked.rows and failed)):
            challenger = Answered(failed, asked.within_ms if asked.took_ms is None else asked.took_ms)
            as_champion = replace(question, version=assigned.instead_of)
            self._pairs.offer(partial(self._ask_champion, as_champion, asked, challenger))

    async def _ask_champion(
        self, question: Question, asked: Asked, challenger: Answered, deadline: Deadline
    ) -> Callable[[], None] | None:
        rows = asked.rows[:MAX_ITEMS]
        started_s = time.monotonic()
        outcomes = await self._model.predict(question, asked.inputs, rows, deadline.at_most_ms(asked.within_ms))
        took_ms = (time.monotonic() - started_s) * 1000
        heard = [(row, outcome.value) for row, outcome in zip(rows, outcomes, strict=True) if outcome.reason is None]
        reasons = {outcome.reason for outcome in outcomes if outcome.reason is not None}
        if not heard and not reasons & FAULTS:
            return None  # it was not even asked: nothing is known of it
        champion = Answered(bool(FAULTS & (reasons | asked.faults(heard))), took_ms)
        if asked.took_ms is not None:  # once more in the background, for what a caller waits for takes longer there
            started_s, again = time.monotonic(), replace(question, version=asked.version)
            await self._model.predict(again, asked.inputs, rows, deadline.at_most_ms(asked.within_ms))
            challenger = replace(challenger, latency_ms=(time.monotonic() - started_s) * 1000)
        theirs = dict(asked.heard)
        pairs = [(asked.keys[row], said, theirs[row]) for row, said in heard if row in theirs]
        whole = len(rows) == len(asked.rows)
        return partial(self._compare, question.as_of, pairs, (champion, challenger) if whole else None)

    def _compare(
        self,
        as_of: date,
        pairs: Sequence[tuple[tuple[str, str], Heard, Heard]],
        answered: tuple[Answered, Answered] | None,
    ) -> None:
        if answered is not None:
            self.rollouts.both_answered(CORE, *answered)
        panel = self._history().panel
        release_id = self.rollouts.under_way(CORE)
        sums: dict[str, list[float]] = {}
        for key, ours, theirs in pairs:
            champion, challenger = _demand(ours.prediction), _demand(theirs.prediction)
            if release_id is None or champion is None or challenger is None or key not in panel.places:
                continue
            category = panel.categories[panel.places[key]][1]
            for name in {"", category}:
                both = sums.setdefault(name, [0.0, 0.0])
                both[0] += sum(champion)
                both[1] += sum(challenger)
            for ahead, foretold in enumerate(zip(champion[:DAYS_REMEMBERED], challenger, strict=False), start=1):
                self._foretold.put(release_id, (*key, as_of + timedelta(days=ahead)), (*foretold, category))
        shifts = {name: (challenger - champion) / champion for name, (champion, challenger) in sums.items() if champion}
        self.rollouts.compared(CORE, shifts)


def loss(foretold: float, truth: float) -> float:
    """From 0 to 1, both being 0 or more units."""
    return abs(foretold - truth) / (foretold + truth) if foretold + truth > 0 else 0.0


def _demand(prediction: Prediction) -> list[float] | None:
    """Per day, as a caller would be told it: corrected where it can be; None where it is no demand."""
    days = prediction.correction or prediction.core
    return days if days and all(day >= 0 for day in days) else None
