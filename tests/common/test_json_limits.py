"""A body with more values than any valid request has is refused before it is read; a valid one never is."""

from __future__ import annotations

import json
import math
from typing import Annotated, Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from common.contract import RequestModel
from common.json_limits import holds_more_values, most_values


class Part(RequestModel):
    name: str
    size: float | None = None


class Whole(RequestModel):
    parts: Annotated[list[Part], Field(max_length=10)]
    note: str = ""


class Endless(RequestModel):
    numbers: list[float]


def values_in(document: Any) -> int:
    if isinstance(document, dict):
        return values_in(list(document.values()))
    if isinstance(document, list):
        return 1 + (sum(map(values_in, document)) or 1)
    return 1


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(alphabet='a,[{"\\é'),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(alphabet='a,[{"\\'), inner),
)


@given(DOCUMENTS, st.booleans())
def test_a_document_that_fits_is_never_refused_and_one_value_more_is(document: Any, ascii_only: bool) -> None:
    body = json.dumps(document, ensure_ascii=ascii_only).encode()
    assert not holds_more_values(body, values_in(document))
    assert holds_more_values(body, values_in(document) - 1)


def test_the_most_values_follow_from_the_model() -> None:
    assert most_values(Whole) == 1 + (1 + 10 * (1 + 2)) + 1
    assert most_values(Endless) == math.inf


def test_the_largest_valid_request_fits_whatever_its_texts_contain() -> None:
    text = ',"[{\\' * 1_000
    body = Whole(parts=[Part(name=text, size=1)] * 10, note=text).model_dump_json().encode()
    assert not holds_more_values(body, most_values(Whole))


def test_nothing_is_too_much_for_a_list_without_an_end() -> None:
    assert not holds_more_values(b"[" + b"0," * 10_000 + b"0]", most_values(Endless))
