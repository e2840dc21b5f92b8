"""What the address of a page asks for: the parameters of `/v1/search`, without those that a form left empty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from pydantic import ValidationError

from common.service.forms import mistakes_of
from photostock.contract import MAX_WINDOW, SearchQuery

PER_PAGE = 24
MOST_MISTAKES = 5
NOTHING_YET = "photos"  # stands for the query of a person who has not typed one; it is never searched for
# Conditions that the page tells one by one, each with how it is taken back.
CONDITIONS = ("orientation", "color", "licence", "exclude", "min_score", "as_of")

IN_THE_FORM = ("query", "orientation", "licence", "exclude", "order_by", "color", "page")


@dataclass(frozen=True, slots=True)
class PageQuery:
    """One address. `fields` is None where something in it is wrong, and `mistakes` says what, by parameter."""

    given: Mapping[str, str]
    fields: SearchQuery | None
    mistakes: Mapping[str, str]

    @property
    def text(self) -> str:
        return self.given.get("query", "")

    @property
    def conditions(self) -> list[tuple[str, str]]:
        """(parameter, value) of each condition."""
        return [(name, self.given[name]) for name in CONDITIONS if name in self.given]

    @property
    def carried(self) -> list[tuple[str, str]]:
        """(parameter, value) of what was given and has no field in the form: the next search keeps it."""
        return [(name, value) for name, value in self.given.items() if name not in IN_THE_FORM]

    def address(self, path: str = "/", **changes: object) -> str:
        """This search with other parameters; None takes one away, and a change begins at the first page again."""
        wanted = {**self.given, "page": None, **changes}
        query = urlencode({name: value for name, value in wanted.items() if value is not None})
        return f"{path}?{query}" if query else path

    def last_page(self, total: int) -> int:
        """How many pages can be turned to, at least 1."""
        per_page = self.fields.per_page if self.fields else PER_PAGE
        return max(1, min(-(-total // per_page), MAX_WINDOW // per_page))


def page_query(parameters: Mapping[str, str]) -> PageQuery:
    """Reads and checks an address."""
    given = {name: value.strip() for name, value in parameters.items() if value.strip()}
    try:
        fields = SearchQuery.model_validate({"query": NOTHING_YET, "per_page": PER_PAGE, **given})
    except ValidationError as error:
        return PageQuery(given, None, dict(list(mistakes_of(error).items())[:MOST_MISTAKES]))
    return PageQuery(given, fields, {})
