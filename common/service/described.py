"""The application with an OpenAPI document that tells how errors look, which the framework gets wrong."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from common.service.problems import MEDIA_TYPE

_TEXT = {"type": "string"}
_PLACE = {"type": "object", "required": ["where", "what"], "properties": {"where": _TEXT, "what": _TEXT}}
_FIELDS = {"type": _TEXT, "title": _TEXT, "status": {"type": "integer"}, "detail": _TEXT, "request_id": _TEXT}
PROBLEM = {
    "schema": {
        "type": "object",
        "required": list(_FIELDS),
        "properties": {**_FIELDS, "errors": {"type": "array", "items": _PLACE}},
    }
}


class Described(FastAPI):
    """FastAPI whose operations are documented to answer with problems."""

    def openapi(self) -> dict[str, Any]:
        """The document; it is made once."""
        if self.openapi_schema is None:
            for operations in super().openapi()["paths"].values():
                for operation in operations.values():
                    _describe(operation["responses"])
        assert self.openapi_schema is not None
        return self.openapi_schema


def _describe(responses: dict[str, Any]) -> None:
    """Beside what was published before, because a published answer may not go."""
    if "422" in responses:
        responses["422"]["content"] = {**responses["422"].get("content", {}), MEDIA_TYPE: PROBLEM}
    responses["default"] = {"description": "A problem: what is wrong, and where", "content": {MEDIA_TYPE: PROBLEM}}
