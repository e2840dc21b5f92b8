"""Every operation that the four processes publish, asked with what its schema allows and with what it does not."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from hypothesis import given
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import CheckFunction
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from tests.fuzz.conftest import OPERATOR, SEARCHED, House

NAMES = ("supermegaretail-api", "supermegaretail-model", "photostock-api", "photostock-reranker")
# What a schema allows may still make no sense (an end that is past): "422 for allowed values" is no mistake here.
CHECKS: list[CheckFunction] = [
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
PROBLEM = {"type", "title", "status", "detail", "request_id"}


@pytest.mark.parametrize("mode", [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE])
@pytest.mark.parametrize("name", NAMES)
def test_every_operation_answers_as_published_whatever_it_is_asked(
    house: House, name: str, mode: schemathesis.GenerationMode
) -> None:
    schema = schemathesis.openapi.from_url(f"{house.url(name)}/openapi.json")
    results: list[Any] = list(schema.get_all_operations())
    operations = [result.ok() for result in results]
    assert operations
    wrong = [
        trouble for operation in operations if _takes_something(operation, mode) for trouble in _fuzz(operation, mode)
    ]
    assert wrong == []
    assert house.troubles(name) == []


def _takes_something(operation: Any, mode: schemathesis.GenerationMode) -> bool:
    """Whether there is anything to be wrong about."""
    return mode is schemathesis.GenerationMode.POSITIVE or bool(operation.body or operation.query)


def _fuzz(operation: Any, mode: schemathesis.GenerationMode) -> list[str]:
    troubles: dict[str, None] = {}

    @SEARCHED
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        response = case.call(headers=OPERATOR, timeout=30)
        place = f"{operation.label} {response.status_code}"
        if response.status_code == 500 or "Traceback" in response.text:
            troubles[f"{place}: {case.as_curl_command()} {response.text[:300]}"] = None
        if response.status_code >= 400 and operation.path != "/ready":
            document = response.json()
            if response.headers["content-type"] != ["application/problem+json"] or not document.keys() >= PROBLEM:
                troubles[f"{place}: not a problem: {response.text[:200]}"] = None
            if response.status_code == 422 and ": " not in document["detail"]:
                troubles[f"{place}: no place: {document['detail']}"] = None
        if response.status_code == 413:  # whatever else may be wrong with it
            return
        try:
            case.validate_response(response, checks=CHECKS)
        except AssertionError as error:
            troubles[f"{place}: {error} {getattr(error, 'exceptions', '')}"] = None
        except BaseExceptionGroup as error:
            troubles[f"{place}: {error.exceptions}"] = None

    with suppress(Unsatisfiable):  # there is nothing that this operation would not take
        ask()
    return list(troubles)
