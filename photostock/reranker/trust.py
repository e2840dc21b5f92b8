"""Whether the API believes an answer of the reranker process: is it one to the question, and by the model it names?"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from common.calls.client import Endpoint
from common.deadline import Deadline
from common.outcome import Outcome, Reason
from photostock.reranker.released import Floats, Released, agreement
from photostock.reranker_contract import (
    LEAST_SCORED,
    Ranking,
    RankingRequest,
    Rankings,
    Score,
    for_one_call,
    under_ids_of,
)

MAX_SCORE = 1_000.0  # a weighted cosine and a weighted logit: more is nonsense, and would overflow what follows
# Of fused scores with cosines, of a version that says nothing of itself. A reranker trained on captions had .46 at the
# least in 150 searches, 10 candidates each, so with its scores negated -.46 at the most.
LEAST_AGREEMENT = -0.3
AGREEMENT_SLACK = 0.4  # below the least that was seen while the version was tuned, but never above 0
LOGIT_SLACK = 0.5  # of the width of the logits that were seen, on either side
WATCHED_FROM = 0.2  # of mean agreement: logits that hardly agree with cosines tell nothing by disagreeing
RECENT_QUERIES, RECENT_S = 20, 60.0  # that count, and for how long
LEAST_RECENT = 8
VERSIONS = 4  # that are watched at the same time


class Trust:
    """Judges answers, one after the other; it belongs to one event loop, for it remembers what it saw.

    Args:
        released: what the version of an answer says of itself, None if that is unknown.
    """

    def __init__(
        self, released: Callable[[str], Released | None], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._released = released
        self._clock = clock
        self._recent: OrderedDict[str, _Recent] = OrderedDict()  # by version, the last asked last

    async def ask(self, endpoint: Endpoint[Rankings], request: RankingRequest, deadline: Deadline) -> Outcome[Rankings]:
        """The answer, if it can be believed."""
        sent = for_one_call(request)
        outcome = await endpoint(sent, deadline=deadline, check=lambda answer: self.problem(sent, answer))
        return outcome if outcome.is_default else replace(outcome, value=under_ids_of(request, outcome.value))

    def problem(self, request: RankingRequest, answer: Rankings) -> Reason | None:
        """Why this answer must not be believed."""
        if request.version not in ("champion", answer.version):
            return Reason.VERSION
        asked = [[document.id for document in ranking.documents] for ranking in request.rankings]
        given = [None if ranking is None else [score.id for score in ranking] for ranking in answer.rankings]
        if len(asked) != len(given) or not all(_begins_with(ours, ids) for ours, ids in zip(asked, given, strict=True)):
            return Reason.MEANING
        scored = [(ours, theirs) for ours, theirs in zip(request.rankings, answer.rankings, strict=True) if theirs]
        if not all(abs(score.score) <= MAX_SCORE for _, theirs in scored for score in theirs):
            return Reason.OUT_OF_RANGE
        return self._absurd([_Block(ours, theirs) for ours, theirs in scored], answer.version)

    def _absurd(self, blocks: list[_Block], version: str) -> Reason | None:
        """Compares with what the version was like when it was released."""
        released, long = self._released(version), [block for block in blocks if len(block.fused) >= LEAST_SCORED]
        if long and np.mean([agreement(block.cosines, block.fused) for block in long]) < _least_agreement(released):
            return Reason.MEANING
        if released is None or released.logit_weight == 0:
            return None
        if not all(block.within(released) for block in blocks):
            return Reason.OUT_OF_RANGE
        if not long or released.logit_agreement < WATCHED_FROM:
            return None
        return Reason.MEANING if self._watched(version).disagrees(long, released) else None

    def _watched(self, version: str) -> _Recent:
        recent = self._recent.setdefault(version, _Recent(self._clock))
        self._recent.move_to_end(version)
        if len(self._recent) > VERSIONS:
            self._recent.popitem(last=False)
        return recent


class _Block:
    """One search's candidates, as far as they were scored."""

    def __init__(self, asked: Ranking, given: list[Score]) -> None:
        self.query = asked.query
        self.cosines: Floats = np.array([document.retrieval_score for document in asked.documents[: len(given)]])
        self.fused: Floats = np.array([score.score for score in given])

    def logits(self, released: Released) -> Floats:
        return released.logits(self.cosines, self.fused)

    def within(self, released: Released) -> bool:
        """Whether each logit is about as large as those that were seen."""
        slack = LOGIT_SLACK * (released.highest_logit - released.lowest_logit)
        logits = self.logits(released)
        return bool(logits.min() >= released.lowest_logit - slack and logits.max() <= released.highest_logit + slack)


class _Recent:
    """How far logits agreed with cosines in the last searches; one that is repeated counts once.

    Logits with the wrong sign under right cosines look plausible one by one. They don't over several searches: right
    ones agree with the cosines more often than not. Some right ones don't, and where nobody asks for anything else they
    are refused for as long as what was wrong counts: a minute.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._queries: deque[tuple[str, float, float]] = deque(maxlen=RECENT_QUERIES)  # agreement, and when it was seen

    def disagrees(self, blocks: list[_Block], released: Released) -> bool:
        """Takes in an answer, and tells whether both it and the last searches are the wrong way round."""
        own = []
        for block in blocks:
            own.append(agreement(block.cosines, block.logits(released)))
            self._note(block.query, own[-1])
        recent = [value for _, value, _ in self._queries]
        return len(recent) >= LEAST_RECENT and float(np.mean(recent)) < 0 and float(np.mean(own)) < 0

    def _note(self, query: str, value: float) -> None:
        now_s = self._clock()
        while self._queries and now_s - self._queries[0][2] > RECENT_S:
            self._queries.popleft()
        for place, (known, _, _) in enumerate(self._queries):
            if known == query:
                del self._queries[place]
                break
        self._queries.append((query, value, now_s))


def _least_agreement(released: Released | None) -> float:
    return LEAST_AGREEMENT if released is None else min(0.0, released.least_agreement - AGREEMENT_SLACK)


def _begins_with(asked: list[str], given: list[str] | None) -> bool:
    return given is None or (len(given) >= min(LEAST_SCORED, len(asked)) and asked[: len(given)] == given)
