"""Pages for browsers: templates, the files they need, and headers that let neither foreign nor inline code in.

pages = Pages(Path(__file__).parent, site="PhotoStock")
service.pages = pages                                     # problems become pages, too, where a browser asks
pages.render("search.html", answer=answer)                # photostock/templates/search.html, extends "layout.html"
"""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from common.service.problems import Problem

SHARED = Path(__file__).parent  # its `templates` and `static` belong to every service
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # `no-referrer` would take the Origin away from our own forms
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}
FOREVER = "public, max-age=31536000, immutable"  # of a file whose address names its content
DIGEST_CHARACTERS = 12


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file as it is served: small, in memory, with an address that changes when it does."""

    address: str
    content: bytes
    media_type: str


class Pages:
    """The pages of one package: its folders `templates` and `static`, beside those that every service has.

    Raises `ValueError` for two static files of one name.
    """

    def __init__(self, folder: Path, *, site: str) -> None:
        self.site = site
        self._files = _static_files([SHARED / "static", folder / "static"])
        self._templates = Environment(
            loader=FileSystemLoader([folder / "templates", SHARED / "templates"]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._templates.globals |= {"site": site, "static": self.address_of}

    def address_of(self, name: str) -> str:
        """Where a static file is fetched; `KeyError` for one that is not there."""
        return self._files[name].address

    def render(
        self, template: str, *, status: int = 200, headers: Mapping[str, str] | None = None, **told: Any
    ) -> HTMLResponse:
        """The page; every name that its template uses has to be told."""
        content = self._templates.get_template(template).render(told)
        return HTMLResponse(content, status, {**HEADERS, **(headers or {})})

    def problem(self, problem: Problem, request_id: str) -> Response:
        """An error as a person reads it."""
        title = HTTPStatus(problem.status).phrase
        return self.render(
            "problem.html",
            status=problem.status,
            headers={**problem.headers, "Cache-Control": "no-store"},
            title=title,
            problem=problem,
            request_id=request_id,
        )

    def routes(self) -> APIRouter:
        """`/static/{digest}/{name}`: the files of all pages."""
        router = APIRouter(include_in_schema=False)

        @router.get("/static/{digest}/{name}")
        async def static(digest: str, name: str) -> Response:
            """A file; kept by browsers for ever, unless the address is that of another version of it."""
            if (file := self._files.get(name)) is None:
                raise Problem(404, f"there is no file {name[:128]!r}")
            kept = FOREVER if file.address.split("/")[2] == digest else "no-cache"
            headers = {"Cache-Control": kept, "X-Content-Type-Options": "nosniff"}
            return Response(file.content, media_type=file.media_type, headers=headers)

        return router


def _static_files(folders: list[Path]) -> dict[str, StaticFile]:
    files: dict[str, StaticFile] = {}
    for path in (path for folder in folders if folder.is_dir() for path in sorted(folder.iterdir())):
        if path.name in files:
            raise ValueError(f"there are two static files named {path.name}")
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()[:DIGEST_CHARACTERS]
        media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        files[path.name] = StaticFile(f"/static/{digest}/{path.name}", content, media_type)
    return files
