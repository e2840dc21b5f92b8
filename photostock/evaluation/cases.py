"""Queries worth looking at: where the whole search does worst, and where its stages help or harm most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from common.deadline import Deadline
from photostock.engine import Engine
from photostock.evaluation.asking import Asked
from photostock.evaluation.measures import DEEPEST
from photostock.evaluation.questions import Question
from photostock.evaluation.report import DENSE, WHOLE, Case, Shown
from photostock.gains import gain_10
from photostock.photo import Photo

OF_EACH = 4  # cases of a kind
THUMB_WIDTH_PX = 160
DRAWING_AT_MOST_MS = 10_000.0
LOST, HARMED, HELPED = "not found at all", "worse than dense alone", "better than dense alone"


async def cases(engine: Engine, questions: Sequence[Question], asked: Mapping[str, Asked]) -> tuple[Case, ...]:
    """Some of each kind, with pictures as the service draws them."""
    whole, dense = asked[WHOLE], asked[DENSE]
    gain = gain_10(whole.ranks) - gain_10(dense.ranks)
    lost = np.flatnonzero((whole.ranks == DEEPEST) & (dense.ranks == DEEPEST))
    order = np.argsort(gain, kind="stable")
    chosen = [(LOST, place) for place in lost[:: max(1, len(lost) // OF_EACH)][:OF_EACH].tolist()]
    chosen += [(HARMED, place) for place in order[:OF_EACH].tolist() if gain[place] < 0]
    chosen += [(HELPED, place) for place in order[::-1][:OF_EACH].tolist() if gain[place] > 0]
    return tuple([await _case(engine, kind, questions[place], dense, whole, place) for kind, place in chosen])


async def _case(engine: Engine, kind: str, question: Question, dense: Asked, whole: Asked, place: int) -> Case:
    found = [photo for photo_id in whole.best[place] if (photo := engine.library.find(photo_id)) is not None]
    return Case(
        kind,
        question.query,
        await _shown(engine, question.photo),
        tuple([await _shown(engine, photo) for photo in found]),
        rank_dense=_rank(dense, place),
        rank_whole=_rank(whole, place),
    )


async def _shown(engine: Engine, photo: Photo) -> Shown:
    deadline = Deadline.after_ms(DRAWING_AT_MOST_MS)
    jpeg = await engine.pictures.jpeg(photo, width_px=THUMB_WIDTH_PX, deadline=deadline)
    return Shown(photo.id, photo.title or photo.description, jpeg)


def _rank(asked: Asked, place: int) -> int | None:
    rank = int(asked.ranks[place])
    return None if rank == DEEPEST else rank + 1
