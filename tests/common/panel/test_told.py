"""What the audit log keeps of a request: nobody hides by a field or a header what they did."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from common.panel.told import MOST_BYTES, Discretion
from tests.common.panel.test_attackers import ADMIN, HERE, SCRIPT, app_of, signed_in, visitor

FORM = "application/x-www-form-urlencoded"
SWITCH = {"state": "on", "reason": "the feast", "hours": "1"}


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    app = app_of("supermegaretail", tmp_path)
    async with app.router.lifespan_context(app), visitor(app) as client:
        await signed_in(client)
        yield client


async def newest(client: httpx.AsyncClient) -> dict[str, Any]:
    entry: dict[str, Any] = (await client.get("/v1/admin/audit", headers=ADMIN)).json()["entries"][0]
    return entry


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/admin/overrides/withdraw", {"id": "0123456789abcdef", "password": "0123456789abcdef"}),
        ("/admin/overrides/withdraw", {"id": "0123456789abcdef", **{f"x{n}": "y" * 499 for n in range(29)}}),
        ("/admin/events/withdraw", {"id": "0123456789abcdef", "token": "0123456789abcdef"}),
        ("/admin/switches/core", {**SWITCH, "email": "the feast"}),
        ("/admin/incidents", {"title": "odd answers", "secret": "odd answers"}),
        ("/admin/releases/x", {"action": "start", "who": "ann", "why": "now", "password": "now"}),
    ],
)
async def test_a_form_with_a_field_that_its_page_does_not_have_does_nothing(
    client: httpx.AsyncClient, path: str, form: dict[str, str]
) -> None:
    refused = await client.post(path, data=form, headers=HERE)
    assert refused.status_code == 422
    assert "not known here" in refused.text
    assert (await newest(client))["came_to"]["status"] == 422


async def test_no_field_hides_what_a_path_names(client: httpx.AsyncClient) -> None:
    target = "/v1/admin/overrides/0123456789abcdef"
    hidden = {"password": "0123456789abcdef"}
    await client.request("DELETE", target, json=hidden, headers=ADMIN)
    assert (await newest(client))["target"] == target


@pytest.mark.parametrize("media_type", ["Application/X-WWW-Form-Urlencoded", f"{FORM}; charset=utf-8", FORM])
async def test_however_a_form_names_itself_what_it_says_is_kept(client: httpx.AsyncClient, media_type: str) -> None:
    body = "state=on&reason=the+feast&hours=1&owner=ann&confirmed=yes"
    headers = {**HERE, "Content-Type": media_type}
    done = await client.post("/admin/switches/core", content=body, headers=headers)
    assert done.status_code == 303
    entry = await newest(client)
    assert (entry["reason"], entry["details"]["sent"]["state"]) == ("the feast", "on")


async def test_json_that_says_that_it_is_a_form_is_kept_as_what_it_is(client: httpx.AsyncClient) -> None:
    body = json.dumps({"title": "odd answers"})
    await client.post("/v1/admin/incidents", content=body, headers={**ADMIN, "Content-Type": FORM})
    assert (await newest(client))["details"]["sent"] == {"title": "odd answers"}


async def test_a_first_look_at_a_switch_and_a_preview_are_not_told_as_done(client: httpx.AsyncClient) -> None:
    assert (await client.post("/admin/switches/core", data=SWITCH, headers=HERE)).status_code == 200
    assert (await newest(client))["came_to"] == {"status": 200, "changed": False}
    assert "only looked at" in (await client.get("/admin/audit")).text
    before = (await newest(client))["number"]
    wish = {"event": {"name": SCRIPT[:50], "store": "a", "first_day": "2026-01-01", "last_day": "2026-01-02"}}
    await client.post("/v1/admin/events/preview", json=wish, headers=ADMIN)
    assert (await newest(client))["number"] == before


async def test_behind_a_proxy_that_speaks_tls_the_cookie_is_for_tls_alone(client: httpx.AsyncClient) -> None:
    headers = {**HERE, "Origin": "https://shop.example"}
    answer = await client.post("/admin/login", data={"token": "operator-token"}, headers=headers)
    assert "Secure" in answer.headers["set-cookie"].split("; ")


async def test_strangers_who_guess_lock_nobody_out_who_knows(client: httpx.AsyncClient) -> None:
    told = [await client.post("/admin/login", data={"token": f"guess {n}"}, headers=HERE) for n in range(12)]
    assert {answer.status_code for answer in told} == {403, 429}
    await signed_in(client)


def test_what_is_too_large_is_kept_shorter_with_all_its_names() -> None:
    sent = {f"field {number}": "ü" * 500 for number in range(20)}
    kept = Discretion(sent).value(sent)
    assert kept.keys() == sent.keys()
    assert len(json.dumps(kept)) <= MOST_BYTES
