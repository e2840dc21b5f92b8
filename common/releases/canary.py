"""What is watched while a challenger answers a share of the requests, and the verdict on it at any moment.

Every thing that is watched is one claim, "on average no worse than the champion by more than is tolerated", and one
`BettingTest` against it. A claim is refuted by evidence alone, so a verdict may be asked for after every comparison.

All evidence is paired: the champion is asked what the challenger was asked. Who meets the challenger follows from
caller and item, so the two shares of the traffic are different people asking about different things: a popular item
that always fails lies in one of them, and would be held against that version. A pair says nothing then: both fail.
Hence the chance that a challenger which is no worse *on any request* than is tolerated is ever taken back is at most
`CanaryPolicy.false_alarms`, for each judge: every process of the service has its own. One that is better here and worse
there is judged by the requests that met it, which a few popular items may rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from common.releases.betting import BettingTest

Decision = Literal["wait", "advance", "roll_back"]
REQUEST_CLAIMS = ("failures", "slow answers")
MAX_SLICES = 64  # that are watched apart; what comes after them counts in the whole only


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryPolicy:
    """How much worse is tolerated, how sure a verdict must be, and how far a rollout goes step by step.

    Args:
        steps: shares of the traffic, rising to 1.
        requests_per_step: that the challenger must have answered before it gets the next share.
        comparisons_per_step: of these, how many the champion must have been asked, too: no evidence is no merit.
        step_s: how long a step lasts at least.
        false_alarms: the chance that an equally good challenger is taken back, by one judge.
        more_failures: difference of shares of answers, 0.01 is one in a hundred.
        slow_share: of how many requests more the challenger may be the slower one than the champion is.
        slower_ms: what never counts as slower.
        shift: mean relative difference to the champion's answers to the same requests, in either direction.
        worse_outcomes: mean difference of a loss from 0 to 1 once the truth is known.
    """

    steps: tuple[float, ...] = (0.01, 0.05, 0.25, 1.0)
    requests_per_step: int = 300
    comparisons_per_step: int = 400
    step_s: float = 60.0
    false_alarms: float = 0.02
    more_failures: float = 0.005
    slow_share: float = 0.25
    slower_ms: float = 10.0
    shift: float = 0.05
    worse_outcomes: float = 0.02

    def __post_init__(self) -> None:
        if not self.steps or self.steps[-1] != 1 or sorted(set(self.steps)) != list(self.steps) or self.steps[0] <= 0:
            raise ValueError(f"steps rise from above 0 to 1, unlike {self.steps}")


@dataclass(frozen=True, slots=True)
class Answered:
    """What one version made of a request."""

    failed: bool  # an item without a usable answer of the model: an error, too late, nonsense
    latency_ms: float  # of the model alone


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
    missing: str = ""  # for the next step


class CanaryJudge:
    """Collects what both versions answer during a rollout. One thread at a time; its memory is bounded."""

    def __init__(self, policy: CanaryPolicy) -> None:
        self._policy = policy
        self._tests: dict[str, BettingTest] = {}
        self._slices: set[str] = set()
        self._refuted: dict[str, None] = {}  # claims, in the order in which they were
        self.requests = 0  # of the challenger, during this step
        self.comparisons = 0  # likewise

    def challenger_answered(self) -> None:
        """A request met the challenger. That alone speaks neither for it nor against it."""
        self.requests += 1

    def both_answered(self, champion: Answered, challenger: Answered) -> None:
        """What both versions made of one request of the challenger's."""
        policy = self._policy
        self.comparisons += 1
        self._worse("failures", challenger.failed - champion.failed, policy.more_failures)
        later_ms = challenger.latency_ms - champion.latency_ms
        slower = (later_ms > policy.slower_ms) - (later_ms < -policy.slower_ms)
        self._worse("slow answers", slower, policy.slow_share)

    def compared(self, shifts: Mapping[str, float]) -> None:
        """What both versions answered one request: the relative difference by slice, "" for the whole.

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
            self._worse(f"worse outcomes{where}", challenger_loss - champion_loss, self._policy.worse_outcomes)

    def next_step(self) -> None:
        """The challenger gets a larger share. What was seen so far goes on counting."""
        self.requests = self.comparisons = 0

    def verdict(self) -> Verdict:
        """What should happen now."""
        if self._refuted:
            tests = {claim: self._tests[claim] for claim in self._refuted}
            evidence = tuple(Evidence(claim, test.mean_excess, test.count) for claim, test in tests.items())
            return Verdict("roll_back", evidence)
        wanted = (
            ("requests", self.requests, self._policy.requests_per_step),
            (
                "comparisons with the champion",
                self.comparisons,
                self._policy.comparisons_per_step,
            ),
        )
        missing = " and ".join(f"{least - seen} more {what}" for what, seen, least in wanted if seen < least)
        return Verdict("wait", missing=missing) if missing else Verdict("advance")

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

    def _worse(self, name: str, difference: float, tolerated: float) -> None:
        """By how much the challenger was worse in one case, from -1 to 1."""
        self._claim(name, (min(max(difference, -1.0), 1.0) + 1) / 2, (1 + tolerated) / 2)

    def _claim(self, name: str, x: float, at_most: float) -> None:
        test = self._tests.setdefault(name, BettingTest())
        test.observe(x, at_most=at_most)
        if test.sure(self._alpha(name)):
            self._refuted[name] = None

    def _watched(self, name: str) -> bool:
        if name and name not in self._slices and len(self._slices) < MAX_SLICES:
            self._slices.add(name)
        return not name or name in self._slices
