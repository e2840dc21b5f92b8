"""The search page at `/` and a page for each photo: the same search as `/v1/search`, told in HTML."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict

from common.errors import PoolFull
from common.service.app import CurrentCall, provenance_headers
from common.service.gateway import Call
from common.service.pages import Pages
from photostock.answering import answers, in_order, similar_to, total_of, window
from photostock.api import known_photo
from photostock.contract import Result, SearchAnswer, SearchFields
from photostock.engine import Engine
from photostock.filter.colours import NAMES
from photostock.finding import Wanted, popular_tier
from photostock.hints.rewriting import Rewritten
from photostock.page_query import NOTHING_YET, PageQuery, page_query
from photostock.shown import result_of
from photostock.told import who_answered
from photostock.wanting import conditions_of, excluded_by

FOLDER = Path(__file__).parent
SIMILAR = 12
ANYTHING = SearchFields(query=NOTHING_YET, per_page=SIMILAR)
MOST_LICENCES = 30  # to choose from
ROW_PX = 224  # height of a row of pictures in gallery.css: tells browsers how wide a picture they need


class AnyParameters(BaseModel):
    """The page checks its address itself, so that what is wrong is told beside the form."""

    model_config = ConfigDict(extra="allow")


def photo_pages() -> Pages:
    """PhotoStock's templates and files."""
    return Pages(FOLDER, site="PhotoStock")


def router(engine: Engine, pages: Pages) -> APIRouter:
    """The pages over one engine."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/")
    async def search_page(request: Request, call: CurrentCall, _: Annotated[AnyParameters, Query()]) -> Response:
        """Results for a query, popular photos without one."""
        asked = page_query(request.query_params)
        told = _form(engine, asked)
        if asked.fields is None:
            return pages.render("search.html", status=422, **told, answer=None, popular=[])
        if not asked.text:
            popular, total = await _popular(engine, asked.fields, call)
            return pages.render("search.html", **told, answer=None, popular=popular, last_page=asked.last_page(total))
        engine.recent_queries.note(asked.fields.query)
        [answer] = await answers(engine, [asked.fields], call)
        popular = [] if answer.results else (await _popular(engine, ANYTHING, call))[0]
        return pages.render(
            "explain.html" if asked.fields.explain else "search.html",
            headers=provenance_headers([answer.served_by], degraded=answer.degraded),
            **told,
            answer=answer,
            popular=popular,
            who=who_answered(answer),
            last_page=asked.last_page(answer.total),
            stages=_stages(answer),
        )

    @routes.get("/photos/{photo_id}")
    async def photo_page(
        request: Request, call: CurrentCall, photo_id: str, _: Annotated[AnyParameters, Query()]
    ) -> Response:
        """One photo, large, with its facts and others like it. The address keeps the search that it was found by."""
        photo = known_photo(engine, photo_id)
        asked = page_query(request.query_params)
        answer = await similar_to(engine, photo, call, per_page=SIMILAR)
        return pages.render(
            "photo.html",
            headers=provenance_headers([answer.served_by], degraded=answer.degraded),
            **_form(engine, asked),
            photo=photo,
            result=result_of(photo, score=1.0),
            answer=answer,
            who=who_answered(answer),
        )

    return routes


def _form(engine: Engine, asked: PageQuery) -> dict[str, Any]:
    """What the search form of every page needs."""
    licences = engine.library.licences
    return {
        "asked": asked,
        "colours": NAMES,
        "licences": licences if len(licences) <= MOST_LICENCES else (),
        "row_px": ROW_PX,
    }


async def _popular(engine: Engine, fields: SearchFields, call: Call) -> tuple[list[Result], int]:
    """A page of what the last tier shows to a search without words, and how many photos there are to page through."""
    library, fields = engine.library, fields.model_copy(update={"min_score": None})  # without words there are no scores

    def look() -> tuple[list[int], int]:
        allowed = library.allowed(conditions_of(fields))
        if (excluded := excluded_by(fields, library)) is not None:
            allowed &= ~excluded[: len(allowed)]
        wanted = Wanted(fields, "", Rewritten("", ""), allowed)
        found = in_order(library, popular_tier(library, wanted), wanted)
        return found.rows[window(fields)].tolist(), total_of(wanted, found)

    try:
        rows, total = await engine.searcher.decided(fields, look, deadline=call.deadline)
    except (PoolFull, TimeoutError):
        return [], 0
    return [result_of(library.photo(row), score=0.0) for row in rows], total


def _stages(answer: SearchAnswer) -> list[str]:
    """The stages that gave a result of an explained answer a score, in the order in which they worked."""
    return list(dict.fromkeys(stage for result in answer.results for stage in result.scores or {}))
