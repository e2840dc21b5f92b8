"""How the tiers of a chain stand: an operator's switches first, then what the tiers' own answers have earned them.

A chain is made anew for each request; one `Standing` is made with the application and handed to every chain. It is
learnt by each replica on its own, like a breaker, and starts afresh with the process; switches are shared and durable.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from common.chain.demotion import DemotionPolicy, Record, State
from common.chain.switches import Switchboard
from common.outcome import Reason


class Standing:
    """Says before each request whether a tier may be asked, and learns from what came of it.

    Args:
        switches: what operators decided; without it nothing is switched.
        clock: monotonic, in seconds.
    """

    def __init__(self, switches: Switchboard | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._switches = switches or Switchboard()
        self._records: dict[str, Record] = {}

    def refusal(self, tier: str, policy: DemotionPolicy | None) -> Reason | None:
        """Why the tier must not be asked now, if so. To be called once per request: turns on probation are counted."""
        position, record = self._switches.position(tier), self._record(tier, policy)
        if position == "off":
            return Reason.SWITCHED_OFF
        if position == "on":
            if record is not None:
                record.confirm()
            return None
        return Reason.DEMOTED if record is not None and not record.admits() else None

    def learn(self, tier: str, policy: DemotionPolicy | None, *, accepted: int, refused: Mapping[str, int]) -> None:
        """What came of a request for which the tier was asked: items accepted, and refusals by reason."""
        if (record := self._record(tier, policy)) is not None:
            record.learn(accepted=accepted, refused=refused)

    def record(self, tier: str) -> Record | None:
        """How a tier has done; None for one that is never demoted, or was not asked yet."""
        return self._records.get(tier)

    def state(self, tier: str) -> State:
        """As its own answers have earned it, whatever operators switched."""
        return "in_service" if (record := self._records.get(tier)) is None else record.state

    @property
    def trouble(self) -> str | None:
        """Which tiers are not in service, for `/ready`; a switched-off one is as an operator wants it."""
        unwell = [
            f"{tier} is {_WORDS[state]}"
            for tier, record in tuple(self._records.items())  # of any thread: meanwhile there may be another tier
            if (state := record.state) in _WORDS
        ]
        return ", ".join(unwell) or None

    def _record(self, tier: str, policy: DemotionPolicy | None) -> Record | None:
        if policy is not None and tier not in self._records:
            self._records[tier] = Record(tier, policy, clock=self.clock)
        return self._records.get(tier)


_WORDS = {"demoted": "demoted", "probation": "on probation"}
