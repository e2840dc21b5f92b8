"""What is watched while a challenger answers a share of the requests, and the verdict on it at any moment.

Every thing that is watched is one claim, "on average no worse than the champion by more than is tolerated", and one
`BettingTest` against it. A claim is refuted by evidence alone, so a verdict may be asked for after every request. The
chance that a challenger which is as good as the champion is ever taken back is at most `CanaryPolicy.false_alarms`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from common.releases.betting import BettingTest
from common.releases.recent import RecentQuantile, RecentShare

Decision = Literal["wait", "advance", "roll_back"]
REQUEST_CLAIMS = ("failures", "degraded answers", "slow answers")
MAX_SLICES = 64  # that are watched apart; what comes after them counts in the whole only
KNOWN_AFTER = 50  # answers of the champion, after which it is known how fast it usually is
LEAST_NULL = 0.002  # no claim is "never": one accident in a million requests refutes nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryPolicy:
    """How much worse is tolerated, how sure a verdict must be, and how far a rollout goes step by step.

    Args:
        steps: shares of the traffic, rising to 1.
        requests_per_step: that the challenger must have answered before it gets the next share.
        step_s: how long a step lasts at least.
        false_alarms: the chance that an equally good challenger is taken back.
        more_failures, more_degraded: difference of shares of answers, 0.01 is one in a hundred.
        slow_share: how many of the challenger's answers may be slower than nine tenths of the champion's.
        slower_ms: what never counts as slower.
        shift: mean relative difference to the champion's answers to the same requests, in either direction.
        worse_outcomes: mean difference of a loss from 0 to 1 once the truth is known.
    """

    steps: tuple[float, ...] = (0.01, 0.05, 0.25, 1.0)
    requests_per_step: int = 300
    step_s: float = 60.0
    false_alarms: float = 0.02
    more_failures: float = 0.005
    more_degraded: float = 0.02
    slow_share: float = 0.25
    slower_ms: float = 10.0
    shift: float = 0.05
    worse_outcomes: float = 0.02

    def __post_init__(self) -> None:
        if not self.steps or self.steps[-1] != 1 or sorted(set(self.steps)) != list(self.steps) or self.steps[0] <= 0:
            raise ValueError(f"steps rise from above 0 to 1, unlike {self.steps}")


@dataclass(frozen=True, slots=True)
class Answered:
    """One request as its caller saw it."""

    failed: bool  # not one usable answer of the model: an error, too late, nonsense
    degraded: bool
    latency_ms: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """A claim that was refuted: what is worse, by how much, after how many observations."""

    claim: str
    excess: float
    observations: int

    def __str__(self) -> str:
        return f"{self.claim}: {self.excess:+.3f} beyond what is tolerated, after {self.observations:,} observations"


@dataclass(frozen=True, slots=True)
class Verdict:
    decision: Decision
    evidence: tuple[Evidence, ...] = ()


@dataclass(slots=True)
class _Champion:
    """What the champion is like just now, to compare with."""

    failures: RecentShare = field(default_factory=RecentShare)
    degraded: RecentShare = field(default_factory=RecentShare)
    latency_ms: RecentQuantile = field(default_factory=lambda: RecentQuantile(0.9))


class CanaryJudge:
    """Collects what both versions answer during a rollout. One thread at a time; its memory is bounded."""

    def __init__(self, policy: CanaryPolicy) -> None:
        self._policy = policy
        self._champion = _Champion()
        self._tests: dict[str, BettingTest] = {}
        self._slices: set[str] = set()
        self._refuted: dict[str, None] = {}  # claims, in the order in which they were
        self.requests = 0  # of the challenger, during this step

    def champion_answered(self, answered: Answered) -> None:
        self._champion.failures.add(answered.failed)
        self._champion.degraded.add(answered.degraded)
        self._champion.latency_ms.add(answered.latency_ms)

    def challenger_answered(self, answered: Answered) -> None:
        """One request of the challenger's share, compared with what the champion is like in the same minutes."""
        policy, champion = self._policy, self._champion
        self.requests += 1
        self._claim("failures", answered.failed, champion.failures.share + policy.more_failures)
        if not answered.failed:
            self._claim("degraded answers", answered.degraded, champion.degraded.share + policy.more_degraded)
        usual_ms = champion.latency_ms.value
        if usual_ms is not None and champion.failures.count >= KNOWN_AFTER:
            self._claim("slow answers", answered.latency_ms > usual_ms + policy.slower_ms, policy.slow_share)

    def compared(self, shifts: Mapping[str, float]) -> None:
        """Both versions' answers to one request: the relative difference by slice, "" for the whole.

        A difference of half of the champion's answer or more counts as half.
        """
        for name, shift in shifts.items():
            if not self._watched(name):
                continue
            where = f" in {name}" if name else ""
            for direction, signed in (("higher", shift), ("lower", -shift)):
                x = min(max(signed, -0.5), 0.5) + 0.5
                self._claim(f"{direction} answers{where}", x, 0.5 + self._policy.shift)

    def turned_out(self, champion_loss: float, challenger_loss: float, slice_name: str = "") -> None:
        """How wrong both were about one thing, from 0 to 1 each, once the truth was known."""
        if self._watched(slice_name):
            where = f" in {slice_name}" if slice_name else ""
            x = (min(max(challenger_loss - champion_loss, -1.0), 1.0) + 1) / 2
            self._claim(f"worse outcomes{where}", x, (1 + self._policy.worse_outcomes) / 2)

    def next_step(self) -> None:
        """The challenger gets a larger share. What was seen so far goes on counting."""
        self.requests = 0

    def verdict(self) -> Verdict:
        """What should happen now."""
        if self._refuted:
            tests = {claim: self._tests[claim] for claim in self._refuted}
            evidence = tuple(Evidence(claim, test.mean_excess, test.count) for claim, test in tests.items())
            return Verdict("roll_back", evidence)
        return Verdict("advance" if self.requests >= self._policy.requests_per_step else "wait")

    def as_json(self) -> list[dict[str, float | int | str]]:
        """Every claim with its evidence, the most doubtful first."""
        ordered = sorted(self._tests.items(), key=lambda entry: -entry[1].log_fortune)
        return [
            {
                "claim": f"no more {claim}",
                "observations": test.count,
                "mean_excess": round(test.mean_excess, 6),
                "log_fortune": round(test.log_fortune, 3),
            }
            for claim, test in ordered
        ]

    def _alpha(self, claim: str) -> float:
        """Half of the false alarms for the claims about requests, half for those about slices, however many come."""
        claims = len(REQUEST_CLAIMS) if claim in REQUEST_CLAIMS else 3 * (MAX_SLICES + 1)
        return self._policy.false_alarms / 2 / claims

    def _claim(self, name: str, x: float, at_most: float) -> None:
        test = self._tests.setdefault(name, BettingTest())
        test.observe(float(x), at_most=min(max(at_most, LEAST_NULL), 1 - LEAST_NULL))
        if test.sure(self._alpha(name)):
            self._refuted[name] = None

    def _watched(self, name: str) -> bool:
        if name and name not in self._slices and len(self._slices) < MAX_SLICES:
            self._slices.add(name)
        return not name or name in self._slices
