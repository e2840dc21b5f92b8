"""What is kept of a search so that it can be made again: a tape of what was found, not the catalogue of then.

Of each search: its fields, what hints and spelling made of its words, what the first stage found (rows with scores, and
the photos that were shown or reranked, each once for all records that show it), what came of each tier, and the ids of
the overrides that shaped it.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import fields as fields_of
from datetime import UTC, datetime
from functools import partial
from typing import Any

from fastapi import Response

from common.replay.log import Noted, Telling
from common.replay.script import told_of
from common.service.gateway import Call
from photostock.answering import Answered
from photostock.engine import Engine
from photostock.library import Library
from photostock.photo import Photo
from photostock.ranking import RERANK_DEPTH

KEPT = tuple(one.name for one in fields_of(Photo) if one.name not in ("scene", "queries"))
ERASED = ""  # in place of a digest: it is not written down again


def note(engine: Engine, call: Call, made: Sequence[Answered], response: Response, *, endpoint: str) -> None:
    """Keeps an answer for replays; takes microseconds."""
    library, scores = engine.library, _scored(made)
    pins = [_pinned(library, one) for one in made]

    def tell(telling: Telling) -> dict[str, Any]:
        versions = {name: number for one in made for name, number in one.answer.rest.versions.items()}
        return {
            "tapes": [
                telling.put_once(_sameness(one, pinned), partial(_tape, library, one, pinned, telling))
                for one, pinned in zip(made, pins, strict=True)
            ],
            "versions": versions,
            "scored": scores,
            "stages_ms": [one.answer.rest.stages_ms for one in made],
            **told_of([one.served for one in made]),
        }

    engine.replays.log.put(Noted(call.request_id, datetime.now(UTC), call.caller, endpoint, bytes(response.body), tell))


def _scored(made: Sequence[Answered]) -> list[int]:
    """How many photos of each search the reranker scored."""
    return [
        0
        if one.served.value is None or one.served.served_by != "reranker"
        else len(one.served.value.stages["reranker"])
        for one in made
    ]


def _pinned(library: Library, one: Answered) -> dict[str, int]:
    """The rows of photos that editors pinned, where the search allows them."""
    rows = {it.photo_id: library.row_of(it.photo_id) for it in one.wanted.decisions if it.effect == "pin"}
    allowed = one.wanted.allowed
    return {name: row for name, row in rows.items() if row is not None and row < len(allowed) and allowed[row]}


def _sameness(one: Answered, pinned: dict[str, int]) -> Hashable:
    """The same where the tapes are: of a search that is kept, one is made for all who asked for it lately."""
    made_of = (one.wanted, one.first, one.answer, one.overrides)  # told later, and held until then: no id comes again
    return *map(id, made_of), one.served.served_by, *pinned.items()


def _tape(library: Library, one: Answered, pinned: dict[str, int], telling: Telling) -> dict[str, Any]:
    fields, first, rest = one.wanted.fields, one.first, one.answer.rest
    rows = first.rows.tolist()
    shown = {place.row for place in one.answer.places} | set(pinned.values())
    if one.served.served_by == "reranker":
        shown |= set(rows[:RERANK_DEPTH])
    everywhere = {**one.overrides.banned, **one.overrides.promoted}
    if everywhere or one.wanted.decisions or fields.order_by != "relevance":
        shown |= set(rows)
    photos = {row: library.photo(row) for row in shown}
    ids = [it.id for it in one.wanted.decisions]
    ids += [everywhere[photo.id].id for photo in photos.values() if photo.id in everywhere]
    return {
        "fields": fields.model_dump(mode="json"),
        "query": one.wanted.rewritten.query,
        "text": one.wanted.text,
        "changes": [list(change) for change in one.wanted.rewritten.changes],
        "corrected": one.wanted.rewritten.corrected,
        "rows": rows,
        "scores": first.scores.tolist(),
        "retrieval": None if first.retrieval is None else first.retrieval[:RERANK_DEPTH].tolist(),
        "stages": {stage: list(said.items()) for stage, said in first.stages.items()} if fields.explain else {},
        "photographers": library.photographers(first.rows).tolist(),
        "spread": True,  # no photographer fills a page of these rows; older tapes were spread when they were shown
        "photos": {
            str(row): telling.put_once(row, partial(_facts, photo), subject=photo.id)
            if library.find(photo.id)
            else ERASED
            for row, photo in photos.items()
        },
        "pinned": pinned,
        "overrides": sorted(set(ids)),
        "total": rest.total,
        "versions": rest.versions,
        "zero_results": None if rest.zero_results is None else rest.zero_results.model_dump(mode="json"),
    }


def _facts(photo: Photo) -> dict[str, Any]:
    return {name: getattr(photo, name) for name in KEPT}
