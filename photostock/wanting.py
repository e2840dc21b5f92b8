"""From what searches ask to what is looked for: the words as hints and spelling read them, and the rows allowed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from common.deadline import Deadline
from photostock.contract import SearchFields
from photostock.filter.excluded import entries_of, without_minus
from photostock.filter.filter import Conditions
from photostock.finding import Wanted
from photostock.hints import Hints
from photostock.hints.rewriting import rewrite
from photostock.hints.spelling import Speller
from photostock.library import Library
from photostock.overriding import Decision, PhotoOverrides
from photostock.ranking import Mask

# Photos times different dear conditions that are decided on the event loop, at 50 to 250 ns each. Other conditions
# take about 1 ns per photo and are always decided there.
DEAR_ON_THE_LOOP = 20_000


def all_wanted(
    searches: Sequence[SearchFields],
    hints: Hints,
    speller: Speller | None,
    library: Library,
    overrides: PhotoOverrides,
    deadline: Deadline | None = None,
) -> list[Wanted]:
    """One for each search, in order; the same conditions are decided once. `TimeoutError` at the deadline."""

    @cache
    def allowed(conditions: Conditions) -> Mask:
        _in_time(deadline)
        return library.allowed(conditions, banned=overrides.banned)

    @cache
    def without(entries: tuple[str, ...]) -> Mask:
        _in_time(deadline)
        return ~library.lexical.mask_containing(entries)

    masks = [allowed(conditions_of(fields)) for fields in searches]  # all of them first: words know every row of these
    wanted = []
    for fields, mask in zip(searches, masks, strict=True):
        text, _ = without_minus(fields.query)
        rewritten = rewrite(text, hints, speller if fields.spelling == "auto" else None)
        entries = excluded_entries(fields)
        mask = mask & without(entries)[: len(mask)] if entries else mask
        decisions = overrides.about(fields.query, rewritten.corrected, rewritten.text)
        mask = _without_banned(mask, decisions, library)
        reach = overrides.reach(decisions) if fields.order_by == "relevance" and fields.min_score is None else 0
        wanted.append(Wanted(fields, rewritten.text, rewritten, mask, decisions=decisions, reach=reach))
    return wanted


def decided_quickly(searches: Sequence[SearchFields], library: Library) -> bool:
    """May the event loop decide which photos these searches allow? Colours like #rrggbb and excluded words are dear."""
    colours = {fields.color for fields in searches if fields.color is not None and fields.color.startswith("#")}
    excluded = {entry for fields in searches for entry in excluded_entries(fields)}
    return (len(colours) + len(excluded)) * len(library) <= DEAR_ON_THE_LOOP


def conditions_of(fields: SearchFields) -> Conditions:
    """What a search asks of a photo beside its words."""
    return Conditions(orientation=fields.orientation, color=fields.color, licence=fields.licence, as_of=fields.as_of)


def excluded_by(fields: SearchFields, library: Library) -> Mask | None:
    """By row: has the photo a word that the search excludes? None if it excludes none."""
    entries = excluded_entries(fields)
    return library.lexical.mask_containing(entries) if entries else None


def excluded_entries(fields: SearchFields) -> tuple[str, ...]:
    """Of its query and of its `exclude`."""
    return (*without_minus(fields.query)[1], *entries_of(fields.exclude))


def _without_banned(mask: Mask, decisions: Sequence[Decision], library: Library) -> Mask:
    found = (library.row_of(one.photo_id) for one in decisions if one.effect == "ban")
    rows = [row for row in found if row is not None and row < len(mask)]
    if rows:
        mask = mask.copy()  # searches with the same conditions share it
        mask[rows] = False
    return mask


def _in_time(deadline: Deadline | None) -> None:
    if deadline is not None and deadline.expired:
        raise TimeoutError
