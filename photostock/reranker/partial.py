"""As many scores as there is time for: every ranking's best candidates first, the further ones while time is left."""

from __future__ import annotations

from collections.abc import Sequence

from common.deadline import Deadline
from photostock.reranker.model import CHUNK, Reranker
from photostock.reranker_contract import LEAST_SCORED, Ranking, Score

WAY_BACK_SHARE, LEAST_WAY_BACK_MS = 0.1, 15.0  # of the time: an answer that arrives late was worked out for nothing


def rank(model: Reranker, rankings: Sequence[Ranking], deadline: Deadline) -> list[list[Score] | None]:
    """For each ranking the scores of its first documents, `LEAST_SCORED` or more; None if the time is too short."""
    deadline = deadline.keeping_ms(max(WAY_BACK_SHARE * deadline.remaining_ms, LEAST_WAY_BACK_MS))
    partials = [_Partial(model, ranking) for ranking in rankings]
    for one in partials:
        one.begin(deadline)
    for one in partials:
        one.go_on(deadline)
    return [one.scores or None for one in partials]


class _Partial:
    """One ranking, of which the first `len(scores)` documents are scored."""

    def __init__(self, model: Reranker, ranking: Ranking) -> None:
        self._model = model
        self._ranking = ranking
        self.scores: list[Score] = []

    def begin(self, deadline: Deadline) -> None:
        """Scores as many documents as are worth an answer, or none."""
        least = min(LEAST_SCORED, len(self._ranking.documents))
        if not self._model.pace.suffices(least, deadline):
            self._model.pace.forgive()
            return
        while len(self.scores) < least and not deadline.expired:
            self._score_chunk()
        if len(self.scores) < least:
            self.scores = []

    def go_on(self, deadline: Deadline) -> None:
        """Scores what is left, as far as the time suffices."""
        while self.scores and (left := len(self._ranking.documents) - len(self.scores)):
            if not self._model.pace.suffices(min(CHUNK, left), deadline):
                return
            self._score_chunk()

    def _score_chunk(self) -> None:
        documents = self._ranking.documents[len(self.scores) : len(self.scores) + CHUNK]
        texts, cosines = [d.text for d in documents], [d.retrieval_score for d in documents]
        fused = self._model.score(self._ranking.query, texts, cosines)
        self.scores += [Score(id=d.id, score=score) for d, score in zip(documents, fused.tolist(), strict=True)]
