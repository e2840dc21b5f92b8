"""What is asked: queries whose photo is known, the same with a typo, and the parts that are told apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from photostock.photo import Photo
from photostock.words import STOP_WORDS, words_of

RARE_PHOTOS = 5  # a word in so few photos, or fewer, is rare
LEAST_QUESTIONS = 20  # of a slice; fewer say nothing
LEAST_LETTERS = 3  # of a word that gets a typo
LETTERS = "abcdefghijklmnopqrstuvwxyz"

Flags: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Question:
    """One search; `conditions` are fields of the search beside its text."""

    query: str
    photo: Photo  # the one that was meant
    conditions: tuple[tuple[str, str], ...] = ()


def sample(photos: Sequence[Photo], left_out: frozenset[str], *, most: int, seed: int) -> list[Question]:
    """Queries of photos that may be shown and did not train anything: at most so many, drawn by chance."""
    asked = (photo for photo in photos if photo.safe and photo.id not in left_out)
    questions = [Question(query, photo) for photo in asked for query in photo.queries]
    chosen = np.random.default_rng(seed).permutation(len(questions))[:most]
    return [questions[index] for index in sorted(chosen.tolist())]


def with_typos(questions: Sequence[Question], *, seed: int) -> dict[int, Question]:
    """By place the same with one letter of one word left out, doubled, replaced or swapped with the next.

    Questions without a word of `LEAST_LETTERS` letters or more are left out.
    """
    dice = np.random.default_rng(seed)
    mistyped = ((place, question, _mistyped(question.query, dice)) for place, question in enumerate(questions))
    return {place: replace(question, query=query) for place, question, query in mistyped if query is not None}


def filtered(questions: Sequence[Question], fields: Sequence[str]) -> list[Question]:
    """The same for those who also ask for what their photo has in these fields."""
    return [
        replace(question, conditions=tuple((name, getattr(question.photo, name)) for name in fields))
        for question in questions
        if all(getattr(question.photo, name) for name in fields)
    ]


def slices(questions: Sequence[Question], photos: Sequence[Photo]) -> dict[str, Flags]:
    """By name which questions belong to a part; parts that hold too few, or all, are left out."""
    if not questions:
        return {}
    found = Counter(word for photo in photos for word in set(words_of(photo.text)))
    words = [[word for word in words_of(question.query) if word not in STOP_WORDS] for question in questions]
    lengths = np.array([len(one) for one in words])
    rarest = np.array([min((found[word] for word in one), default=0) for one in words])
    short, long = np.quantile(lengths, [1 / 3, 2 / 3])
    parts = {
        f"short: up to {short:.0f} words": lengths <= short,
        f"long: more than {long:.0f} words": lengths > long,
        "only common words": rarest > RARE_PHOTOS,
        f"a word of {RARE_PHOTOS} photos or fewer": (rarest > 0) & (rarest <= RARE_PHOTOS),
        "a word that no photo has": rarest == 0,
    }
    return {name: flags for name, flags in parts.items() if LEAST_QUESTIONS <= flags.sum() < len(questions)}


def _mistyped(query: str, dice: np.random.Generator) -> str | None:
    words = query.split()
    fit = [place for place, word in enumerate(words) if len(word) >= LEAST_LETTERS and word.isalpha()]
    if not fit:
        return None
    place = int(dice.choice(fit))
    words[place] = _misspelt(words[place], dice)
    return " ".join(words)


def _misspelt(word: str, dice: np.random.Generator) -> str:
    at = int(dice.integers(len(word) - 1))
    kinds = (
        word[:at] + word[at + 1 :],
        word[:at] + word[at] + word[at:],
        word[:at] + str(dice.choice([*LETTERS])) + word[at + 1 :],
        word[:at] + word[at + 1] + word[at] + word[at + 2 :],
    )
    return str(dice.choice([kind for kind in kinds if kind != word]))  # a swap of equal letters is no typo
