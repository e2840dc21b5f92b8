"""Automatic demotion of one tier, and its way back.

in service → demoted (it is not asked) → on probation (one request in k) → in service, or demoted again for longer.

A breaker asks whether an upstream answers at all; this asks whether the answers are any good. The idea is the same, the
evidence is not: a breaker sees calls, this sees what was accepted, so neither can do the other's work.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import structlog

from common.outcome import Reason

State = Literal["in_service", "probation", "demoted"]
log = structlog.get_logger(__name__)

# Reasons that speak against the tier itself. Those of the call (timeout, unreachable) are the breaker's business, and
# those of the item (unknown_item, stale_history) are nobody's fault; so is drift of one item, a blameless refusal.
AGAINST_THE_TIER = frozenset({Reason.BUG, Reason.MEANING, Reason.OUT_OF_RANGE, Reason.UNCERTAIN, Reason.DRIFT})


@dataclass(frozen=True, slots=True, kw_only=True)
class DemotionPolicy:
    """When a tier is demoted, for how long, and how it comes back. Settings only; what happened lives in `Record`."""

    window_requests: int = 50  # the last requests that are looked at
    min_bad: int = 10
    bad_share: float = 0.5
    bad_items_share: float = 0.5  # from which a request is bad
    pause_s: float = 30  # doubled by each probation that fails
    longest_pause_s: float = 600
    probation_one_in: int = 10
    good_in_a_row: int = 5
    reinstates: Literal["automatically", "when_confirmed"] = "automatically"
    against: frozenset[str] = AGAINST_THE_TIER


class Record:
    """How one tier has done and stands, for one event loop (it is not locked)."""

    def __init__(self, name: str, policy: DemotionPolicy, *, clock: Callable[[], float]) -> None:
        self.policy = policy
        self._name = name
        self._clock = clock
        self._window: deque[Mapping[str, int]] = deque(maxlen=policy.window_requests)  # bad reasons of each request
        self._demoted_for: Counter[str] = Counter()
        self._demotions = 0  # since it was last in service
        self._until_s: float | None = None  # end of the pause; None while in service
        self._since_s = clock()
        self._turns = 0  # of this probation
        self._good = 0

    @property
    def state(self) -> State:
        if self._until_s is None:
            return "in_service"
        return "demoted" if self._clock() < self._until_s else "probation"

    @property
    def since_s(self) -> float:
        """When it came to stand as it does, a reading of the clock."""
        return self._until_s if self._until_s is not None and self.state == "probation" else self._since_s

    @property
    def evidence(self) -> dict[str, int]:
        """Items by the reasons that speak, or spoke when it was demoted, against the tier."""
        if self._until_s is not None:
            return dict(self._demoted_for)
        return dict(sum((Counter(reasons) for reasons in self._window), Counter()))

    @property
    def awaits_confirmation(self) -> bool:
        return self.state == "probation" and self._good >= self.policy.good_in_a_row

    def admits(self) -> bool:
        """Whether this request may ask the tier. On probation every k-th may, from the first on: no dice are thrown."""
        if self.state != "probation":
            return self.state == "in_service"
        if self._turns == 0:
            log.info("tier.on_probation", tier=self._name, one_in=self.policy.probation_one_in)
        self._turns += 1
        return (self._turns - 1) % self.policy.probation_one_in == 0

    def learn(self, *, accepted: int, refused: Mapping[str, int]) -> None:
        """Takes in what came of one request: items that were accepted, and refusals by reason."""
        bad_reasons = {reason: items for reason, items in refused.items() if reason in self.policy.against}
        bad_items = sum(bad_reasons.values())
        if not accepted + bad_items or self.state == "demoted":  # says nothing about the tier, or comes too late
            return
        bad = bad_items > 0 and bad_items >= self.policy.bad_items_share * (accepted + bad_items)
        if self.state == "probation":
            self._learn_on_probation(bad_reasons, bad=bad)
        else:
            self._learn_in_service(bad_reasons if bad else {})

    def confirm(self) -> None:
        """An operator agrees that the tier is well again; without effect unless it waits for that."""
        if self.awaits_confirmation:
            self._reinstate()

    def _learn_in_service(self, bad_reasons: Mapping[str, int]) -> None:
        self._window.append(bad_reasons)
        bad = sum(map(bool, self._window))
        if bad >= max(1, self.policy.min_bad) and bad >= self.policy.bad_share * len(self._window):
            self._demote(Counter(self.evidence))

    def _learn_on_probation(self, bad_reasons: Mapping[str, int], *, bad: bool) -> None:
        if bad:
            self._demote(Counter(bad_reasons))
            return
        self._good += 1
        if self.awaits_confirmation and self.policy.reinstates == "automatically":
            self._reinstate()

    def _demote(self, evidence: Counter[str]) -> None:
        pause_s = min(self.policy.pause_s * 2 ** min(self._demotions, 32), self.policy.longest_pause_s)
        self._demoted_for = evidence
        self._demotions += 1
        self._since_s = self._clock()
        self._until_s = self._since_s + pause_s
        self._turns = self._good = 0
        log.warning("tier.demoted", tier=self._name, pause_s=pause_s, reasons=dict(evidence))

    def _reinstate(self) -> None:
        self._window.clear()
        self._demotions = 0
        self._until_s = None
        self._since_s = self._clock()
        log.warning("tier.reinstated", tier=self._name)
