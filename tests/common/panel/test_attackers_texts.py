"""What an attacker writes: scripts that are stored, forged log lines, paths, and more than anybody needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from common.panel.roles import READING
from tests.common.panel.test_attackers import (
    ADMIN,
    HERE,
    SCRIPT,
    TOKEN,
    _in_an_hour,
    app,
    client,
    operators_routes,
    pages,
    signed_in,
)

FORGED = "a reason\r\nforged=1 event='switch.set'\n\x1b[2J"
TRICKS = ("..%2f..%2f..%2fetc%2fpasswd", "%2e%2e%2f%2e%2e%2fsettings", "x%00y", "a%0d%0aSet-Cookie:%20a=b", "%5c..%5cx")


__all__ = ["app", "client"]  # fixtures


async def post(client: httpx.AsyncClient, kind: str, wish: dict[str, Any]) -> httpx.Response:
    return await client.post(f"/v1/admin/{kind}", json=wish, headers=ADMIN)


async def written(client: httpx.AsyncClient, text: str) -> list[str]:
    """The text in every field that an attacker can reach; the addresses where it would be shown beside the lists."""
    seen = []
    if (opened := await post(client, "incidents", {"title": text[:190]})).status_code == 201:
        incident = opened.json()["id"]
        assert (await post(client, f"incidents/{incident}", {"action": "note", "text": text})).status_code == 200
        seen.append(f"/admin/incidents/{incident}")
    assert (await post(client, "operators", {"name": text, "role": "read"})).status_code == 422
    photo = {"id": "p-1", "title": text, "description": text, "photographer": text[:190], "tags": [text[:100]]}
    if (await client.post("/v1/photos", json={"photos": [photo]})).status_code == 201:
        pinned = {"effect": "pin", "photo_id": "p-1", "query": text, "position": 1, "owner": text[:190]}
        await post(client, "overrides", {**pinned, "reason": text, "ends_at": _in_an_hour(), "ticket": text[:190]})
        await post(client, "hints", {"when": "dog", "then": text[:190], "reason": text, "owner": text[:190]})
        change = (await client.get("/v1/admin/hints/history", headers=ADMIN)).json()["changes"][:1]
        for one in change:
            why = {"reason": text, "owner": text[:190]}
            await client.delete(f"/v1/admin/hints/history/{one['id']}", params=why, headers=ADMIN)
        erased = await post(client, "erasures", {"user_id": "u-1", "reason": text})
        seen += ["/photos/p-1", f"/admin/erasures/{erased.json()['certificate']['person']}"]
    else:
        days = {"first_day": "2126-01-01", "last_day": "2126-01-02", "factor": 1.2}
        place = {"store": text[:190], "name": text[:190], "reason": text, "owner": text[:190], "ticket": text[:190]}
        await post(client, "events", {**place, **days})
        override = {"store": "CA_1", "value": 2.0, "effect": "factor", "reason": text, "plan": text}
        made = await post(client, "overrides", {**override, "owner": text[:190], "ends_at": _in_an_hour()})
        await client.request("DELETE", f"/v1/admin/overrides/{made.json().get('id')}", headers=ADMIN)
    asked = {"X-Request-ID": "stored"}
    await client.get("/v1/search", params={"query": text}, headers=asked)
    await client.post("/v1/forecasts", json={"items": [{"store": text, "sku": text}]}, headers=asked)
    return [*seen, "/admin/answers/stored", "/admin/replays/stored", "/admin/replays/stored?without=core"]


async def test_scripts_in_titles_notes_events_photos_and_reasons_are_text_on_every_page(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    shown_at = await written(client, SCRIPT)
    await signed_in(client)
    seen = [*await pages(client, app), *[(path, await client.get(path)) for path in shown_at]]
    refused = await client.post("/admin/operators", data={"name": SCRIPT, "role": "read"}, headers=HERE)
    asked = await client.get("/admin/replays", params={"request_id": SCRIPT})
    tried = await client.get("/admin/replays/stored", params={"with": SCRIPT, "without": SCRIPT, "as": SCRIPT})
    told = 0
    for path, page in [*seen, ("operators", refused), ("replays", asked), ("tried", tried)]:
        assert page.status_code in (200, 404, 410, 422), path
        assert "<script>alert" not in page.text, path
        assert "<img src=x" not in page.text, path
        told += "&lt;script&gt;alert" in page.text
    assert (refused.status_code, asked.status_code) == (422, 422)
    assert told >= 5  # it was stored, and it is shown


async def test_nobody_forges_a_line_of_the_log_or_of_the_audit_log(
    client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    await written(client, FORGED)
    await client.get("/v1/admin/a%0d%0aforged=2%0aforged=3", headers=ADMIN)
    await client.post("/admin/login", data={"token": FORGED, "to": FORGED}, headers=HERE)
    lines = "".join(capsys.readouterr()).splitlines()
    assert len(lines) >= 10
    assert not [line for line in lines if line.startswith("forged") or "\x1b[2J" in line]
    for entry in (await client.get("/v1/admin/audit", headers=ADMIN)).json()["entries"]:
        told = [entry[name] for name in ("actor", "action", "target", "reason", "service")]
        assert all(text.isprintable() for text in told), entry["number"]


async def test_no_path_leads_out_of_its_folder_or_into_a_header(app: FastAPI, client: httpx.AsyncClient) -> None:
    await signed_in(client)
    for method, path, _ in operators_routes(app):
        if method != "GET" or "/x" not in path:
            continue
        for trick in TRICKS:
            address = httpx.URL("http://here" + path.replace("/x", f"/{trick}"))
            answer = await client.get(address, headers=ADMIN)
            assert answer.status_code in (303, 404, 405, 422), (address, answer.status_code)
            assert "root:" not in answer.text
            assert "a" not in answer.cookies, address


async def test_every_form_and_every_route_refuses_more_than_it_needs(app: FastAPI, client: httpx.AsyncClient) -> None:
    await signed_in(client)
    before = (await client.get("/v1/admin/audit", headers=ADMIN)).json()["entries"][:1]
    for method, path, _ in operators_routes(app):
        if method in READING:
            continue
        held = ADMIN if path.startswith("/v1") else HERE
        if not path.startswith("/v1"):
            large = await client.request(method, path, data={"reason": "x" * 70_000}, headers=held)
            assert large.status_code == 413, (method, path)
            many = await client.request(method, path, data={f"n{one}": "" for one in range(200)}, headers=held)
            assert many.status_code == 422, (method, path)
        huge = await client.request(method, path, content=b"x" * (4 * 2**20 + 1), headers=held)
        assert huge.status_code == 413, (method, path)
    after = (await client.get("/v1/admin/audit", headers=ADMIN)).json()["entries"]
    done = [one for one in after if one not in before and (one["came_to"] or {}).get("status", 500) < 400]
    assert done == []
    assert all(len(str(one)) < 3_000 for one in after)


async def test_a_session_opens_no_api_and_nobody_is_signed_in_or_out_from_another_site(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    for foreign in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "null"}, {}):
        assert (await client.post("/admin/login", data={"token": TOKEN}, headers=foreign)).status_code == 403
        assert not client.cookies
    await signed_in(client)
    for foreign in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.example"}, {}):
        assert (await client.post("/admin/logout", headers=foreign)).status_code == 403
    assert (await client.get("/admin")).status_code == 200
    for method, path, _ in operators_routes(app):
        if path.startswith("/v1"):
            assert (await client.request(method, path, headers=HERE)).status_code == 401, (method, path)


async def test_a_token_is_shown_once_and_kept_nowhere(
    client: httpx.AsyncClient, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await signed_in(client)
    made = await client.post("/admin/operators", data={"name": "ann", "role": "read"}, headers=HERE)
    assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
    token = made.text.split("<code>")[1].split("</code>")[0]
    held = {"Authorization": f"Bearer {token}"}
    assert (await client.get("/v1/admin/operators", headers=held)).status_code == 200
    assert (await client.post("/admin/operators/ann", data={"role": "release"}, headers=HERE)).status_code == 303
    assert (await client.delete("/v1/admin/operators/nobody", headers=held)).status_code == 404  # may, and is not there
    assert (await client.put("/v1/admin/operators/ann", json={"role": "read"}, headers=held)).status_code == 200
    assert (await client.delete("/v1/admin/operators/nobody", headers=held)).status_code == 403
    empty = {**HERE, "Content-Type": "application/x-www-form-urlencoded"}
    assert (await client.post("/admin/operators/ann/remove", headers=empty)).status_code == 303
    seen = [(await client.get("/admin/operators")).text, (await client.get("/admin/audit")).text]
    assert token not in str(seen) + "".join(capsys.readouterr())
    assert not _files_with(token, tmp_path)


def _files_with(text: str, folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]
