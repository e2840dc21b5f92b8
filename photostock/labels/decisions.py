"""What operators decided about photos and searches, as votes about pairs of a query and a photo."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from common.overrides.agreements import Agreements
from common.state.overrides import REPLACED, Override, OverrideStore
from photostock.hints.rules import Hint, Hints, contains
from photostock.overriding import Decision, same_query
from photostock.photo import Photo

SCOPE = "photostock"
MISTAKE = "mistake"  # how a reason begins, for which one was withdrawn that must not be taught any more
MOST_VOTES = 20_000

PhotosOf = Mapping[str, Collection[str]]  # photos by query


@dataclass(frozen=True, slots=True)
class Vote:
    """One decision's opinion about one pair. `taught`: a model may learn it; else only whether it was right counts."""

    source: str  # the id of an override or a hint
    kind: str
    owner: str
    query: str  # as it was written
    photo_id: str
    relevant: bool
    taught: bool = True


def votes_of(state: Engine, hints: Hints, photos: Mapping[str, Photo], shown: PhotosOf, *, now: datetime) -> list[Vote]:
    """Of overrides in force and past, the newest first, and of hints in force; about photos that are there.

    A decision about all queries is left out: it is about a photo, and says nothing of what answers a query.
    """
    store = OverrideStore(state, SCOPE)
    retired = {name for name, one in Agreements(state, SCOPE).all().items() if one["agrees"]}
    found: list[Vote] = []
    for one in sorted([*store.in_force(now=now), *store.past(now=now)], key=lambda one: one.created_at, reverse=True):
        decision = Decision.of(one)
        if decision is not None and decision.query and decision.photo_id in photos and len(found) < MOST_VOTES:
            said = decision.effect != "ban"
            query, taught = str(one.value["query"]), _taught(one, retired)
            found.append(Vote(one.id, decision.effect, one.owner, query, decision.photo_id, said, taught))
    about = {query: set(some) for query, some in shown.items()}
    for vote in found:
        about.setdefault(same_query(vote.query), set()).add(vote.photo_id)
    told = (vote for hint in hints.hints for vote in _of_hint(hint, photos, about))
    return [*found, *(vote for vote, _ in zip(told, range(MOST_VOTES - len(found)), strict=False))]


def _taught(override: Override, retired: Collection[str]) -> bool:
    """Not what was withdrawn, unless because a model had learnt it: each training begins anew and would forget it."""
    if override.withdrawn_at is None:
        return True
    why = override.withdrawn_why
    return override.id in retired and not why.startswith(REPLACED) and not why.casefold().startswith(MISTAKE)


def _of_hint(hint: Hint, photos: Mapping[str, Photo], about: PhotosOf) -> Iterator[Vote]:
    """Who searches for nothing but `when` is served by photos with the words of `then`.

    Of a longer search a hint tells one word's meaning and not its answer; and of a pair that nobody decided about and
    nobody saw it says nothing, for any of thousands of photos may have the words.
    """
    if hint.kind == "never_correct":
        return
    ways = [(hint.when, hint.then), (hint.then, hint.when)][: 2 if hint.both_ways else 1]
    for when, then in ways:
        for photo_id in sorted(about.get(same_query(when), ())):
            if photo_id in photos and contains(photos[photo_id].text, then):
                yield Vote(hint.id, hint.kind, hint.owner, when, photo_id, relevant=True)


def points(votes: Sequence[Vote]) -> dict[tuple[str, str], int]:
    """The pairs that somebody speaks of, numbered."""
    found = sorted({(same_query(vote.query), vote.photo_id) for vote in votes})
    return dict(zip(found, range(len(found)), strict=True))
