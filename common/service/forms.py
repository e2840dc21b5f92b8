"""What a form sent: read with a bound, and only from a page of ours."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from fastapi import Request
from pydantic import ValidationError
from starlette.datastructures import Headers

from common.contract import CONTROL
from common.service.problems import Problem

MEDIA_TYPE = "application/x-www-form-urlencoded"
MAX_FORM_BYTES = 64 * 1024
MAX_FIELDS = 100


async def form_of(request: Request, *names: str) -> dict[str, str]:
    """What the fields of these names hold; `Problem` 422 for a form with other ones, else as `fields_of`."""
    fields = await fields_of(request)
    if unknown := sorted(fields.keys() - set(names)):
        raise Problem(422, f"the form has a field that is not known here: {unknown[0][:100]!r}")
    return fields


async def fields_of(request: Request) -> dict[str, str]:
    """All fields of a form, white space around their values removed.

    `Problem` 403 for one of another site, 413 for a large one, 415 for what is no form, 422 for what can't be read.
    """
    if not from_here(request.headers):
        raise Problem(403, "this form was not sent from a page of this service")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != MEDIA_TYPE:
        raise Problem(415, f"expected {MEDIA_TYPE}")
    body = await request.body()
    if len(body) > MAX_FORM_BYTES:
        raise Problem(413, f"the form is larger than {MAX_FORM_BYTES} bytes")
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError as error:
        raise Problem(422, f"the form can't be read, or has more than {MAX_FIELDS} fields") from error
    fields = {name: value.strip() for name, value in pairs}
    if len(fields) < len(pairs):
        raise Problem(422, "the form has a field twice")
    if any(CONTROL.search(value) for value in fields.values()):
        raise Problem(422, "there is a control character in the form")
    return fields


def from_here(headers: Headers) -> bool:
    """Whether a page of this very origin sent a request that changes something.

    Every browser since 2020 tells one of the two headers with a POST, and no page can forge either.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    return bool(host := headers.get("host")) and urlsplit(headers.get("origin", "")).netloc == host


def from_elsewhere(headers: Headers) -> bool:
    """Whether a page of another origin sent a request; a program sends neither header, and is from nowhere."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != headers.get("host")


def mistakes_of(error: ValidationError) -> dict[str, str]:
    """What is wrong with each field of a form, by its name; "" names what concerns the whole form."""
    return {
        ".".join(str(part) for part in mistake["loc"]): str(mistake["msg"]).removeprefix("Value error, ")
        for mistake in error.errors(include_url=False, include_input=False, include_context=False)
    }
