"""As many scores as there is time for: every ranking's best candidates first, the further ones while time is left."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from common.deadline import Deadline
from photostock.reranker.model import CHUNK, Reranker
from photostock.reranker.turns import Place, Turn, Turns
from photostock.reranker_contract import LEAST_SCORED, Ranking, Score

WAY_BACK_SHARE, LEAST_WAY_BACK_MS = 0.1, 15.0  # of the time: an answer that arrives late was worked out for nothing


def rank(
    model: Reranker,
    rankings: Sequence[Ranking],
    deadline: Deadline,
    turns: Turns | None = None,
    left: threading.Event | None = None,
) -> list[list[Score] | None]:
    """For each ranking the scores of its first documents, `LEAST_SCORED` or more; None if the time is too short.

    Args:
        turns: shared with the other requests that are computed by the same core.
        left: set when nobody waits for the scores any more.
    """
    deadline = deadline.keeping_ms(max(WAY_BACK_SHARE * deadline.remaining_ms, LEAST_WAY_BACK_MS))
    left = left or threading.Event()
    with Turn(turns or Turns()) as turn:
        partials = [_Partial(model, ranking, deadline, turn, left) for ranking in rankings]
        for number, one in enumerate(partials):
            one.begin(number)
        for one in partials:
            one.go_on()
    return [one.scores or None for one in partials]


class _Partial:
    """One ranking, of which the first `len(scores)` documents are scored."""

    def __init__(
        self, model: Reranker, ranking: Ranking, deadline: Deadline, turn: Turn, left: threading.Event
    ) -> None:
        self._model, self._pace = model, model.pace
        self._ranking = ranking
        self._deadline, self._turn, self._left = deadline, turn, left
        self.scores: list[Score] = []

    def begin(self, before: int) -> None:
        """Scores as many documents as are worth an answer, or none.

        Args:
            before: rankings of the same request that were begun earlier.
        """
        least = min(LEAST_SCORED, len(self._ranking.documents))
        if not self._pace.suffices(least, self._deadline):
            self._pace.forgive()
            return
        place = self._turn.turns.place(rest=False, answered=before, ends_at_s=self._deadline.at_s, pairs=least)
        if not self._pace.suffices(least + self._turn.turns.ahead_of(place), self._deadline):
            return
        needed = least
        while len(self.scores) < least and self._score_chunk(place, needed):
            needed = 0  # what has been begun is brought to an end
            place = place._replace(pairs=least - len(self.scores))
        if len(self.scores) < least:
            self.scores = []

    def go_on(self) -> None:
        """Scores what is left, as far as the time suffices."""
        while self.scores and (left := len(self._ranking.documents) - len(self.scores)):
            pairs = min(CHUNK, left)
            place = self._turn.turns.place(rest=True, answered=0, ends_at_s=self._deadline.at_s, pairs=pairs)
            if not self._score_chunk(place, pairs):
                return

    def _score_chunk(self, place: Place, needed: int) -> bool:
        """False if its turn does not come while there is time for so many pairs."""

        def worth_it() -> bool:
            late = self._deadline.expired or not self._pace.suffices(needed, self._deadline)
            return not late and not self._left.is_set()

        if not self._turn.comes(place, worth_it=worth_it):
            return False
        documents = self._ranking.documents[len(self.scores) : len(self.scores) + CHUNK]
        texts, cosines = [d.text for d in documents], [d.retrieval_score for d in documents]
        fused = self._model.score(self._ranking.query, texts, cosines)
        self.scores += [Score(id=d.id, score=score) for d, score in zip(documents, fused.tolist(), strict=True)]
        return True
