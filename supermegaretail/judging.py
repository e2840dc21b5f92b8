"""What of a model's words is served: whatever is not negative, many times the most that was ever sold, or a guess."""

from __future__ import annotations

from collections.abc import Sequence

from common.chain.tiers import Refused
from common.outcome import Reason
from supermegaretail.asking import Heard, Question
from supermegaretail.demand import Demand, demands_of
from supermegaretail.drift import Group
from supermegaretail.features import STABLE
from supermegaretail.prepared import Prepared

LEVEL = STABLE.index("level")


def judged(
    prepared: Prepared, question: Question, heard: Sequence[tuple[int, Heard]], *, model: Group
) -> list[Demand | Refused]:
    """What a model says, each by the row of its item in what is prepared."""
    rows = [row for row, _ in heard]
    return demands_of(
        [said.prediction for _, said in heard],
        model,
        question.quantiles,
        horizon_days=question.horizon_days,
        most=prepared.maxima[rows],
        level=prepared.inputs.stable[rows, LEVEL],
        by_the_piece=prepared.inputs.by_the_piece[rows],
    )


def faults(prepared: Prepared, question: Question, heard: Sequence[tuple[int, Heard]]) -> set[str]:
    """Why some of what a model says is not served: by the rules of both stages, but whatever its version."""
    found: set[str] = set()
    cores, corrections = (judged(prepared, question, heard, model=model) for model in ("core", "correction"))
    for (row, said), core, correction in zip(heard, cores, corrections, strict=True):
        if isinstance(core, Refused):
            found.add(core.reason)
        elif prepared.not_to_correct[row] is None:
            if said.correction_version is None:
                found.add(said.correction_reason or Reason.NOT_LOADED)
            elif isinstance(correction, Refused):
                found.add(correction.reason)
    return found
