"""One way to search, asked all the questions: ranks, processor time, and who answered."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from common.deadline import Deadline
from common.errors import NobodyAnswered
from common.progress import progress
from common.service.gateway import Call
from photostock.answering import answers
from photostock.engine import Engine
from photostock.evaluation.bench import BUDGET_MS
from photostock.evaluation.measures import DEEPEST, Ranks
from photostock.evaluation.questions import Question
from photostock.evaluation.variants import Variant

AT_ONCE = 2  # questions under way
BEST = 5  # photos that are remembered, to be shown


@dataclass(frozen=True, slots=True)
class Asked:
    """The answers to all questions, in their order."""

    ranks: Ranks  # [questions] of the photo that was meant: 0 is the first place, DEEPEST is not found
    best: tuple[tuple[str, ...], ...]  # [questions] ids of the first photos
    cpu_ms: float  # per question
    served_by: dict[str, float]
    failed: int


async def ask(
    engine: Engine, variant: Variant, questions: Sequence[Question], *, what: str, best_of: int = BEST
) -> Asked:
    """Asks through the function that answers `/v1/search`; `best_of` photos of each answer are remembered."""
    part = variant.of(engine)
    ranks = np.full(len(questions), DEEPEST, dtype=np.int64)
    best: list[tuple[str, ...]] = [()] * len(questions)
    tiers: Counter[str] = Counter()
    waiting = iter(range(len(questions)))

    async def work() -> None:
        for place in waiting:
            ids, tier = await _one(part, variant, questions[place])
            tiers[tier] += 1
            best[place] = tuple(ids[:best_of])
            if questions[place].photo.id in ids:
                ranks[place] = ids.index(questions[place].photo.id)
            report.advance()

    with progress(what, len(questions)) as report:
        started_s = time.process_time()  # of all threads; not the wall's, which other processes slow down
        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
        cpu_ms = (time.process_time() - started_s) * 1000 / max(1, len(questions))
    failed = tiers.pop("", 0)
    shares = {tier: count / len(questions) for tier, count in tiers.most_common()}
    return Asked(ranks, tuple(best), cpu_ms, shares, failed)


async def _one(engine: Engine, variant: Variant, question: Question) -> tuple[list[str], str]:
    """Ids and tier of one answer; nothing and "" where nobody answered."""
    fields = variant.fields(query=question.query, per_page=DEEPEST, **dict(question.conditions))
    call = Call(request_id="evaluation", deadline=Deadline.after_ms(BUDGET_MS), caller="evaluation")
    try:
        [answer] = await answers(engine, [fields], call)
    except NobodyAnswered:
        return [], ""
    return [result.id for result in answer.results], answer.served_by
