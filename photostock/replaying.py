"""Searches made again as they were: what was found is read from the tape, all that came after is done again.

The reranker of then puts the photos of then in order; editors' decisions, pages and forms follow. Without a hint or a
ban other photos may be found: the photos as they are now are searched, for those of then are not all kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, cast

import numpy as np
from pydantic import ValidationError

from common.chain.fallback import Refused, Served, Step
from common.deadline import Deadline
from common.replay.again import Changes, Gone, Made, NoChange
from common.replay.script import Script
from common.replay.store import Record
from common.service.gateway import Call
from common.state.overrides import Override
from common.versions.registry import Registry, RegistryError
from photostock.answering import Answer, Answered, answer_of, bulk_of, in_form_of
from photostock.contract import Search, SearchFields, SearchQuery, ZeroResults
from photostock.engine import Engine
from photostock.filter.diversity import spread
from photostock.finding import Found, Wanted
from photostock.hints.rewriting import SPELLING, Change, Rewritten, hints_behind
from photostock.kept import KeptSearches
from photostock.library import Library
from photostock.overriding import PhotoOverrides
from photostock.photo import Photo
from photostock.reordering import documents, reordered
from photostock.reranker.model import Reranker
from photostock.reranker.partial import rank
from photostock.reranker_contract import LONGEST_QUERY, Ranking
from photostock.shown import ShownPhotos

MOST_MODELS = 2
BULK = "/v1/searches"


class LibraryOfThen:
    """The photos on a tape, by the rows that they had; what of `Library` comes after the search."""

    def __init__(self, tape: Mapping[str, Any], photos: Mapping[int, Photo]) -> None:
        self._photos = photos
        self._pinned = tape["pinned"]

    def photo(self, row: int) -> Photo:
        return self._photos[row]

    def row_of(self, photo_id: str) -> int | None:
        row = self._pinned.get(photo_id)
        return None if row is None else int(row)


class PhotoReplays:
    """Makes searches again; the work is done on the replays' own thread, never on the event loop."""

    def __init__(self, engine: Engine, registry: Registry) -> None:
        self._engine, self._registry, self._pool = engine, registry, engine.replays.pool
        self._model = lru_cache(MOST_MODELS)(self._read_model)

    async def again(self, record: Record, changes: Changes, deadline: Deadline) -> Made:
        """The answer of then, or what it would have been; `Gone` where what it was made of is not there any more."""
        changes.only(versions=("reranker",), kinds=("override", "hint"), tiers=("reranker",))
        changes = await self._pool.run(changes.resolved, self._registry, deadline=deadline)
        tapes = await self._pool.run(self._tapes, record.told["tapes"], deadline=deadline)
        if changes.without:
            then = await self._pool.run(self._overrides_of_then, record, tapes, deadline=deadline)
            bans = {one.id: one for one in then if one.value.get("effect") == "ban"}
            shaping = {one for tape in tapes for one in tape["overrides"]}
            everywhere = {name for name, ban in bans.items() if not ban.value.get("query")}
            hints = {change[0] for tape in tapes for change in tape["changes"]} - {SPELLING}
            changes.of_this(override=shaping | everywhere, hint=hints)
            if "hint" in changes.without or not bans.keys().isdisjoint(changes.without["override"]):
                return await self._searched_again(record, tapes, then, changes, deadline)
        return await self._pool.run(self._made, record, tapes, changes, deadline, deadline=deadline)

    async def now(self, record: Record, caller: str, deadline: Deadline) -> Made:
        """The same request as this caller would be answered now; neither remembered nor counted."""
        tapes = await self._pool.run(self._tapes, record.told["tapes"], deadline=deadline)
        searches = [_fields(tape, record.endpoint) for tape in tapes]
        assigned = self._engine.rollout.assign(searches[0].version, caller, searches[0].query)
        version = self._engine.versions.resolve("reranker", searches[0].version)
        version = assigned.version if assigned.arm else version
        call = Call(record.request_id, deadline, caller)
        return await self._found_now(searches, record, version, call)

    async def _searched_again(
        self,
        record: Record,
        tapes: Sequence[dict[str, Any]],
        then: Sequence[Override],
        changes: Changes,
        deadline: Deadline,
    ) -> Made:
        """By what hints and editors said then, but for what is left out."""
        if changes.tiers:
            raise NoChange("no tier can be left out together with a hint or a ban: the photos of today are searched")
        engine, left_out = self._engine, set(changes.without.get("override", ()))
        read = [Change(*one) for tape in tapes for one in tape["changes"]]
        queries = [tape["query"] for tape in tapes]
        hints = hints_behind(read, queries, left_out=changes.without.get("hint", ()))
        kept = [one for one in then if one.id not in left_out]
        overrides = await self._pool.run(_for_ever, kept, deadline=deadline)
        searcher = replace(engine.searcher, hints=lambda: hints, overrides=lambda: overrides, kept=KeptSearches())
        searches = [_fields(tape, record.endpoint) for tape in tapes]
        version = changes.versions.get("reranker") or record.told["versions"].get("reranker") or "champion"
        call = Call(record.request_id, deadline, record.caller)
        return await self._found_now(searches, record, version, call, engine=replace(engine, searcher=searcher))

    async def _found_now(
        self,
        searches: Sequence[SearchFields],
        record: Record,
        version: str,
        call: Call,
        *,
        engine: Engine | None = None,
    ) -> Made:
        engine = engine or self._engine
        searcher = replace(engine.searcher, metrics=None)
        made = await searcher.search(searches, version=version, deadline=call.deadline)
        answered = [await in_form_of(engine, made, place, call, counted=False) for place in range(len(searches))]
        return _in_form(record, answered, [ShownPhotos(engine.library.photo)] * len(answered))

    def _made(
        self,
        record: Record,
        tapes: Sequence[dict[str, Any]],
        changes: Changes,
        deadline: Deadline,
    ) -> Made:
        told, answered, shown = record.told, list[Answered](), list[ShownPhotos]()
        without = changes.without.get("override", ())
        script = Script.of(told, tapes, left_out=changes.tiers)
        for place, tape in enumerate(tapes):
            photos = {int(row): Photo(**_photo(facts)) for row, facts in tape["facts"].items()}
            library = cast(Library, LibraryOfThen(tape, photos))
            overrides = self._overrides([one for one in tape["overrides"] if one not in without])
            wanted, first = _wanted(tape, overrides, record.endpoint), _found(tape)
            version = changes.versions.get("reranker") or tape["versions"].get(
                "reranker"
            )  # none where it did not serve
            served = self._served(script, tape, wanted, first, library, version, told["scored"][place], deadline)
            served = replace(served, value=_spread_late(tape, wanted, served.value or first))
            answer = _answer(told, place, tape, wanted, served, library, overrides, version)
            answered.append(Answered(answer, record.request_id, wanted, first, served, overrides))
            shown.append(ShownPhotos(library.photo))
        return _in_form(record, answered, shown)

    def _served(
        self,
        script: Script,
        tape: dict[str, Any],
        wanted: Wanted,
        first: Found,
        library: Library,
        version: str | None,
        scored: int,
        deadline: Deadline,
    ) -> Served[Found]:
        """What the chain made of the tape: what served then serves, and the reranker does its work again."""
        story, value, tier = list[Step](), first, ""
        for name in script.stories[script.places[id(tape)]]:
            fate = script.fate(tape, name)
            if fate is not None:
                refused = isinstance(fate, Refused)
                story.append(Step(name, "refused" if refused else "not_needed", fate.reason, 0.0))
                continue
            story.append(Step(name, "served", None, 0.0))
            tier = name
            if name == "reranker":
                value = self._reranked(wanted, first, library, version, scored, deadline)
        return Served(value, tier, any(step.came_to == "refused" for step in story), story)

    def _reranked(
        self, wanted: Wanted, first: Found, library: Library, version: str | None, scored: int, deadline: Deadline
    ) -> Found:
        ranking = Ranking.model_construct(
            query=wanted.text[:LONGEST_QUERY], documents=documents(library, first)[:scored]
        )
        [scores] = rank(self._model(version or "champion"), [ranking], deadline)
        if scores is None or len(scores) < scored:
            raise TimeoutError
        return reordered(first, np.array([one.score for one in scores]))

    def _read_model(self, version: str) -> Reranker:
        try:
            return Reranker.load(self._registry.load("reranker", version))
        except (RegistryError, ValueError) as error:
            raise Gone(f"reranker {version} can't be loaded any more: {error}") from error

    def _tapes(self, digests: Sequence[str]) -> list[dict[str, Any]]:
        store, library = self._engine.replays.log.store, self._engine.library
        if library.trouble is not None:  # nobody knows which photos were erased
            raise OSError(library.trouble)
        tapes = []
        for digest in digests:
            try:
                tape = store.shared(digest)
                facts = {row: store.shared(photo) for row, photo in tape["photos"].items()}
            except KeyError as error:
                raise Gone("something that it was made of was erased, or is not kept any more") from error
            if any(library.find(one["id"]) is None for one in facts.values()):
                raise Gone("a photo that it was made of was erased")
            tapes.append({**tape, "facts": facts})
        return tapes

    def _overrides(self, ids: Sequence[str]) -> PhotoOverrides:
        """These, as they were; `Gone` where one is not on record any more."""
        found = self._engine.overrides.live.store.named(ids) if ids else []
        if len(found) < len(ids):
            raise Gone("an override that shaped it is not on record any more")
        return _for_ever(found)

    def _overrides_of_then(self, record: Record, tapes: Sequence[dict[str, Any]]) -> list[Override]:
        """All in force, also those that nothing of this answer was about, and bans that hid a photo from it."""
        store = self._engine.overrides.live.store
        shaping = store.named([one for tape in tapes for one in tape["overrides"]])
        return list({one.id: one for one in [*store.in_force_at(datetime.fromisoformat(record.at)), *shaping]}.values())


def _for_ever(found: Sequence[Override]) -> PhotoOverrides:
    """As if they had no end: they were in force."""
    return PhotoOverrides.of([replace(one, ends_at=datetime.max.replace(tzinfo=UTC).isoformat()) for one in found])


def _fields(tape: Mapping[str, Any], endpoint: str) -> SearchFields:
    kind = Search if endpoint == BULK else SearchQuery
    try:
        return kind.model_validate_json(json.dumps(tape["fields"]))
    except ValidationError as error:
        raise Gone("its search is none that this release takes") from error


def _photo(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {**facts, "tags": tuple(facts["tags"])}


def _wanted(tape: Mapping[str, Any], overrides: PhotoOverrides, endpoint: str) -> Wanted:
    changes = tuple(Change(*change) for change in tape["changes"])
    fields = _fields(tape, endpoint)
    rows = [*tape["rows"], *tape["pinned"].values()]
    allowed = np.zeros(max(rows, default=-1) + 1, dtype=np.bool_)
    allowed[rows] = True
    rewritten = Rewritten(tape["query"], tape["text"], changes, tape["corrected"])
    decisions = overrides.about(fields.query, tape["corrected"], tape["text"])
    return Wanted(fields, tape["text"], rewritten, allowed, decisions=decisions)


def _found(tape: Mapping[str, Any]) -> Found:
    stages = {stage: {int(row): score for row, score in said} for stage, said in tape["stages"].items()}
    rows, scores = np.array(tape["rows"], dtype=np.int64), np.array(tape["scores"], dtype=np.float64)
    return Found(rows, scores, stages, retrieval=None if tape["retrieval"] is None else np.array(tape["retrieval"]))


def _spread_late(tape: Mapping[str, Any], wanted: Wanted, found: Found) -> Found:
    """On older tapes diversity came after the reranker."""
    if "spread" in tape or wanted.fields.order_by != "relevance" or wanted.fields.diversity == "off":
        return found
    codes = dict(zip(tape["rows"], tape["photographers"], strict=True))
    return replace(found, retrieval=None).spread(spread(np.array([codes[row] for row in found.rows.tolist()])))


def _answer(
    told: Mapping[str, Any],
    place: int,
    tape: Mapping[str, Any],
    wanted: Wanted,
    served: Served[Found],
    library: Library,
    overrides: PhotoOverrides,
    version: str | None,
) -> Answer:
    versions = {name: number for name, number in tape["versions"].items() if name != "reranker"}
    if served.served_by == "reranker" and version is not None:
        versions["reranker"] = version
    answer, _, _ = answer_of(library, wanted, served, versions, overrides, stages_ms=told["stages_ms"][place])
    zero = tape["zero_results"]
    nothing = None if zero is None else ZeroResults.model_validate_json(json.dumps(zero))
    answer.rest = answer.rest.model_copy(update={"total": tape["total"], "zero_results": nothing})
    return answer


def _in_form(record: Record, answered: Sequence[Answered], shown: Sequence[ShownPhotos]) -> Made:
    versions = dict(answered[0].answer.rest.versions)
    if record.endpoint != BULK:
        return Made(answered[0].json(shown[0]).encode(), versions)
    degraded = any(one.degraded for one in answered)
    texts = [one.json(photos) for one, photos in zip(answered, shown, strict=True)]
    return Made(bulk_of(texts, degraded=degraded, request_id=record.request_id).encode(), versions)
