"""A test that may be looked at after every observation, and stops the moment it is sure.

Somebody bets against the claim "on average this is at most m". Each bet is fair or worse if the claim is true, so a
fortune of 1/alpha comes with a probability of at most alpha, however often one looks (Ville's inequality). Bets grow
with what was seen so far: Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting",
J. R. Stat. Soc. B 86 (2024), the strategy "aGRAPA".
"""

from __future__ import annotations

import math
from dataclasses import dataclass

BOLDEST = 0.9  # of the largest bet that can't lose everything
PRIOR_VARIANCE = 0.25  # the most that numbers from 0 to 1 can have, so that the first bets are careful
PRIOR_WEIGHT = 1.0  # observations that this is worth


@dataclass(slots=True)
class BettingTest:
    """Against "the mean of x, from 0 to 1, is at most m"; m may move, as long as it is fixed before x is seen."""

    log_fortune: float = 0.0
    highest: float = 0.0
    count: int = 0
    _excess: float = 0.0  # sum of x − m
    _squares: float = 0.0  # sum of (x − m)²

    def observe(self, x: float, *, at_most: float) -> None:
        """Takes one observation; `ValueError` unless 0 ≤ x ≤ 1 and 0 < at_most < 1."""
        if not (0 <= x <= 1 and 0 < at_most < 1):
            raise ValueError(f"x is {x} and at_most {at_most}; both lie between 0 and 1")
        self.log_fortune += math.log1p(self._bet(at_most) * (x - at_most))
        self.highest = max(self.highest, self.log_fortune)
        self.count += 1
        self._excess += x - at_most
        self._squares += (x - at_most) ** 2

    def sure(self, alpha: float) -> bool:
        """Whether the claim was ever refuted; if it is true, that happens with a probability of at most alpha."""
        return self.highest >= -math.log(alpha)

    @property
    def mean_excess(self) -> float:
        """By how much x was above m on average."""
        return self._excess / self.count if self.count else 0.0

    def _bet(self, at_most: float) -> float:
        """The stake that would have paid best so far, from 0 to what can't lose everything."""
        weight = self.count + PRIOR_WEIGHT
        excess = self._excess / weight
        mean_square = (self._squares + PRIOR_WEIGHT * PRIOR_VARIANCE) / weight
        return min(max(excess / mean_square, 0.0), BOLDEST / at_most)
