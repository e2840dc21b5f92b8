"""What a reviewer of a reranker is told: how far down the photo that was meant is found, and both lists of pictures."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from common.releases.bootstrap import Floats
from common.releases.compare import Pairs
from common.releases.review import Better, Reviewed, Tolerance, Words, change_told, most_changed
from photostock.evaluation.asking import Asked
from photostock.evaluation.measures import DEEPEST
from photostock.evaluation.questions import LEAST_QUESTIONS, Flags, Question, slices
from photostock.gains import gain_10
from photostock.photo import Photo

TOLERANCE = Tolerance(whole=0.01, part=0.03, sample=0.05)
WORDS = Words(
    samples="searches",
    loss="miss",
    loss_told="1 − nDCG@10 of the one photo that was meant: 0 % on the first place, 37 % on the second, 100 % "
    "where it is not among the first ten",
    sample_told="if its miss grew or fell by more than 5 points, such as from the first place to the second",
)
MOST_PHOTOGRAPHERS = 8
SHOWN = 8  # photos of each list


@dataclass(frozen=True, slots=True)
class Both:
    """The same questions, asked of both versions."""

    questions: Sequence[Question]
    champion: Asked
    candidate: Asked

    def pairs(self, values: tuple[Floats, Floats]) -> Pairs:
        """Values of champion and candidate [questions]; the queries of one photo belong together."""
        group = np.array([zlib.crc32(one.photo.id.encode()) for one in self.questions], np.int64)
        return Pairs(*values, np.ones(len(self.questions)), group)

    @property
    def missed(self) -> Pairs:
        return self.pairs((1 - gain_10(self.champion.ranks), 1 - gain_10(self.candidate.ranks)))

    def among_first(self, places: int) -> Pairs:
        """1 where the photo that was meant is among the first so many."""
        champion, candidate = ((one.ranks < places).astype(np.float64) for one in (self.champion, self.candidate))
        return self.pairs((champion, candidate))


def reviewed(
    both: Both,
    photos: Sequence[Photo],
    *,
    champion: str,
    candidate: str,
    doubts: Sequence[str] = (),
    facts: Sequence[str] = (),
) -> Reviewed:
    """Both versions' answers with all that the report tells about them."""
    missed = both.missed
    measures: dict[str, tuple[Pairs, Better]] = {
        "found on the first place": (both.among_first(1), "higher"),
        "found among the first ten": (both.among_first(10), "higher"),
    }
    parts = {**slices(both.questions, photos), **_photographers(both.questions)}
    known = {photo.id: photo for photo in photos}
    growth = missed.change()
    return Reviewed(
        kind="searches",
        champion=champion,
        candidate=candidate,
        words=WORDS,
        tolerance=TOLERANCE,
        whole=missed,
        slices={name: missed.where(chosen) for name, chosen in parts.items()},
        measures=measures,
        worst=[_case(both, place, known) for place in most_changed(missed, growth)],
        best=[_case(both, place, known) for place in most_changed(missed, -growth)],
        facts=facts,
        doubts=doubts,
    )


def samples(both: Both) -> Iterator[dict[str, Any]]:
    """Every search of both versions in a line: the places of the photo that was meant, and the verdict."""
    change = both.missed.change()
    for place, question in enumerate(both.questions):
        yield {
            "query": question.query,
            "photo_id": question.photo.id,
            "champion_rank": rank_of(both.champion, place),
            "candidate_rank": rank_of(both.candidate, place),
            "verdict": change_told(float(change[place]), TOLERANCE),
        }


def rank_of(asked: Asked, place: int) -> int | None:
    """From 1; None where the photo was not among the first 50."""
    rank = int(asked.ranks[place])
    return None if rank == DEEPEST else rank + 1


def _photographers(questions: Sequence[Question]) -> dict[str, Flags]:
    """Those with most questions, where there are enough to say something."""
    counts = Counter(one.photo.photographer for one in questions if one.photo.photographer)
    mine = np.array([one.photo.photographer for one in questions])
    return {
        f"photographer {name}": mine == name
        for name, count in counts.most_common(MOST_PHOTOGRAPHERS)
        if LEAST_QUESTIONS <= count < len(questions)
    }


def _case(both: Both, place: int, known: Mapping[str, Photo]) -> dict[str, Any]:
    question = both.questions[place]
    lists = {name: list(asked.best[place][:SHOWN]) for name, asked in _named(both).items()}
    ids = dict.fromkeys([question.photo.id, *lists["champion"], *lists["candidate"]])
    return {
        "query": question.query,
        "meant": question.photo.id,
        **lists,
        **{f"{name}_rank": rank_of(asked, place) for name, asked in _named(both).items()},
        "titles": {photo_id: _title(known.get(photo_id)) for photo_id in ids},
    }


def _named(both: Both) -> dict[str, Asked]:
    return {"champion": both.champion, "candidate": both.candidate}


def _title(photo: Photo | None) -> str:
    return "" if photo is None else (photo.title or photo.description)[:160]
