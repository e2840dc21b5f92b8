"""Whoever should not get in: every route of both services for operators, and every trick of the list."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from common.panel.access import API_TRIES, Access
from common.panel.operators import OperatorStore
from common.panel.roles import MAY, READING, ROLES, Role
from common.panel.routes import AdminRoute
from common.service.problems import Problem
from common.settings import ServiceSettings
from common.state.database import open_state
from photostock.app import create_app as create_photostock
from photostock.settings import PhotoSettings
from supermegaretail.app import create_app as create_supermegaretail
from supermegaretail.settings import RetailSettings

TOKEN = "operator-token"
ADMIN = {"Authorization": f"Bearer {TOKEN}"}
HERE = {"Sec-Fetch-Site": "same-origin"}
SCRIPT = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'
AT_THE_DOOR = {"/admin/login", "/admin/logout"}  # for those who are not signed in yet, or not any more


def app_of(name: str, var_dir: Path) -> FastAPI:
    nobody = "http://127.0.0.1:1"
    if name == "photostock":
        return create_photostock(PhotoSettings(var_dir=var_dir, admin_token=TOKEN, reranker_url=nobody))
    return create_supermegaretail(RetailSettings(var_dir=var_dir, admin_token=TOKEN, model_url=nobody))


@asynccontextmanager
async def visitor(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
        yield client


@pytest.fixture(params=["supermegaretail", "photostock"])
async def app(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[FastAPI]:
    app = app_of(request.param, tmp_path)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with visitor(app) as client:
        yield client


def operators_routes(app: FastAPI) -> Iterator[tuple[str, str, AdminRoute]]:
    """Method, an address that fits, and the route."""
    for found in iter_route_contexts(app.routes):
        path, route = found.path, found.original_route
        if path is not None and path.startswith(("/v1/admin", "/admin")) and path not in AT_THE_DOOR:
            assert isinstance(route, AdminRoute), f"{path} passes by the one place that asks who comes"
            for method in sorted(found.methods or ()):
                yield method, re.sub(r"{[^}]+}", "x", path), route


async def operator(client: httpx.AsyncClient, name: str, role: Role) -> str:
    added = await client.post("/v1/admin/operators", json={"name": name, "role": role}, headers=ADMIN)
    assert added.status_code == 201
    token: str = added.json()["token"]
    return token


async def signed_in(client: httpx.AsyncClient, token: str = TOKEN) -> None:
    assert (await client.post("/admin/login", data={"token": token}, headers=HERE)).status_code == 303


async def pages(client: httpx.AsyncClient, app: FastAPI) -> list[tuple[str, httpx.Response]]:
    paths = [path for method, path, _ in operators_routes(app) if method == "GET" and path.startswith("/admin")]
    return [(path, await client.get(path, headers={"Accept": "text/html"})) for path in paths if "/x" not in path]


async def test_nobody_passes_any_route_without_a_token_or_with_a_wrong_one(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    routes = list(operators_routes(app))
    assert len(routes) > 25
    for method, path, _ in routes:
        if path.startswith("/v1"):
            for header, status in (
                ({}, 401),
                ({"Authorization": "Bearer guess"}, 403),
                ({"Authorization": "guess"}, 401),
            ):
                assert (await client.request(method, path, headers=header)).status_code == status, (method, path)
        else:
            for cookie in (
                {},
                {"Cookie": "admin-photostock-api=1.ann.x.y.z; admin-supermegaretail-api=9e9.admin.x.y.z"},
            ):
                turned_away = await client.request(method, path, headers={**HERE, **cookie})
                assert turned_away.status_code == 303, (method, path)
                assert turned_away.headers["location"].startswith("/admin/login"), (method, path)
            assert (await client.request(method, path, headers={**HERE, **ADMIN})).status_code == 303, (method, path)


async def test_every_route_demands_its_role_of_everybody_through_api_and_page(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    tokens = {role: await operator(client, f"op-{role}", role) for role in ROLES}
    sessions = {}
    for role, token in tokens.items():
        async with visitor(app) as browser:
            await signed_in(browser, token)
            sessions[role] = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    for method, path, route in operators_routes(app):
        assert (route.role == "read") == (method in READING), path
        for role in ROLES:
            if route.role in MAY[role]:
                continue
            held = {"Authorization": f"Bearer {tokens[role]}"} if path.startswith("/v1") else {"Cookie": sessions[role]}
            refused = await client.request(method, path, headers={**HERE, **held})
            assert refused.status_code == 403, (method, path, role)
            assert route.role in refused.json()["detail"]


async def test_releases_operators_and_erasures_need_the_highest_role(app: FastAPI) -> None:
    roles = {(method, route.path): route.role for method, _, route in operators_routes(app)}
    highest = [path for (method, path), role in roles.items() if role == "release"]
    changing = [path for method, path in roles if method not in READING]
    for word in ("releases", "operators", "erasures", "blue-green"):
        assert [path for path in changing if word in path and path not in highest] == []
    assert not [path for path in highest if "switches" in path or "overrides" in path or "hints" in path]


async def test_another_site_can_change_nothing_for_an_operator_who_is_signed_in(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    await signed_in(client)
    for method, path, _ in operators_routes(app):
        if method in READING or path.startswith("/v1"):
            continue
        for foreign in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.example"}, {"Origin": "null"}, {}):
            assert (await client.request(method, path, data={"a": "b"}, headers=foreign)).status_code == 403, path


async def test_a_session_is_made_anew_at_each_sign_in_and_dies_with_its_operator(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    token = await operator(client, "ann", "operate")
    await signed_in(client, token)
    [(name, first)] = client.cookies.items()
    await signed_in(client, token)
    [(_, second)] = client.cookies.items()
    assert first != second
    async with visitor(app) as thief:
        planted = {"Cookie": f"{name}={first}"}
        assert (await thief.get("/admin", headers=planted)).status_code == 303
    assert (await client.get("/admin")).status_code == 200
    assert (await client.delete("/v1/admin/operators/ann", headers=ADMIN)).status_code == 204
    assert (await client.get("/admin")).status_code == 303
    again = await operator(client, "ann", "release")
    assert (await client.get("/admin")).status_code == 303
    assert again != token
    assert (await client.get("/v1/admin/switches", headers={"Authorization": f"Bearer {token}"})).status_code == 403


async def test_the_cookie_is_out_of_reach_and_the_pages_can_neither_be_framed_nor_kept(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    answer = await client.post("https://here/admin/login", data={"token": TOKEN}, headers=HERE)
    flags = set(answer.headers["set-cookie"].split("; "))
    assert {"HttpOnly", "SameSite=strict", "Path=/admin", "Secure"} <= flags
    await signed_in(client)
    for path, page in await pages(client, app):
        assert page.status_code == 200, path
        assert page.headers["x-frame-options"] == "DENY", path
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"], path
        assert "unsafe" not in page.headers["content-security-policy"], path
        assert page.headers["cache-control"] == "no-store", path


async def test_what_an_attacker_writes_is_text_on_every_page(app: FastAPI, client: httpx.AsyncClient) -> None:
    ends_at = "2126-01-01T00:00:00Z"
    word = {"reason": SCRIPT, "owner": SCRIPT[:190], "ends_at": ends_at}
    switch = {"state": "on", **word, "ends_at": _in_an_hour()}
    assert (await client.put("/v1/admin/switches/semantic", json=switch, headers=ADMIN)).status_code in (200, 404)
    assert (await client.put("/v1/admin/switches/core", json=switch, headers=ADMIN)).status_code in (200, 404)
    override = {"store": SCRIPT, "sku": SCRIPT, "demand_per_day": 1.0, **word, "ends_at": _in_an_hour()}
    await client.post("/v1/admin/overrides", json=override, headers=ADMIN)
    hint = {"when": "dog", "then": SCRIPT, "reason": SCRIPT, "owner": SCRIPT}
    await client.post("/v1/admin/hints", json=hint, headers=ADMIN)
    asked = {"X-Request-ID": "stored-script"}
    await client.get("/v1/search", params={"query": SCRIPT}, headers=asked)
    await client.post("/v1/forecasts", json={"items": [{"store": SCRIPT, "sku": SCRIPT}]}, headers=asked)
    await signed_in(client)
    seen = await pages(client, app)
    seen.append(("answer", await client.get("/admin/answers/stored-script")))
    wrong = {"state": SCRIPT, "reason": SCRIPT, "owner": SCRIPT}
    target = "core" if "Supermegaretail" in seen[0][1].text else "semantic"
    seen.append(("form", await client.post(f"/admin/switches/{target}", data=wrong, headers=HERE)))
    sure = {"state": "on", "reason": SCRIPT, "hours": "1"}
    seen.append(("confirm", await client.post(f"/admin/switches/{target}", data=sure, headers=HERE)))
    told = 0
    for path, page in seen:
        assert page.status_code in (200, 422), path
        assert "<script>alert" not in page.text, path
        assert "<img src=x" not in page.text, path
        told += "&lt;script&gt;alert" in page.text
    assert told >= 4  # it was stored, and it is shown


async def test_tricks_with_paths_and_places_to_go_on_to_lead_nowhere(client: httpx.AsyncClient) -> None:
    for to in (
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/admin/../..//evil",
        "javascript:alert(1)",
    ):
        answer = await client.post("/admin/login", data={"token": TOKEN, "to": to}, headers=HERE)
        assert answer.headers["location"] == "/admin", to
    for path in ("/admin/../v1", "/admin/%2e%2e/%2e%2e/etc/passwd", "/admin//switches", "/admin/answers/..%2f..%2fx"):
        answer = await client.get(httpx.URL(f"http://here{path}"))
        assert answer.status_code in (404, 405), path
        assert "root:" not in answer.text, path


async def test_bodies_are_bounded_and_nothing_oversize_is_audited(client: httpx.AsyncClient) -> None:
    huge = b'{"reason": "' + b"x" * 5_000_000 + b'"}'
    assert (await client.put("/v1/admin/switches/core", content=huge, headers=ADMIN)).status_code == 413
    deep = b"[" * 100_000 + b"]" * 100_000
    assert (await client.put("/v1/admin/switches/core", content=deep, headers=ADMIN)).status_code == 422
    entry = (await client.get("/v1/admin/audit", headers=ADMIN)).json()["entries"][0]
    assert len(str(entry)) < 2_000


async def test_who_did_what_and_why_is_in_the_audit_log_and_nothing_that_is_secret_or_personal(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    token = await operator(client, "ann", "operate")
    ann = {"Authorization": f"Bearer {token}"}
    target = next(one["target"] for one in (await client.get("/v1/admin/switches", headers=ann)).json()["switches"])
    switch = {"state": "on", "reason": "a forged line\r\n2026 admin did it", "ends_at": _in_an_hour()}
    done = await client.put(f"/v1/admin/switches/{target}", json=switch, headers={**ann, "X-Request-ID": "r-1"})
    assert done.json()["switch"]["owner"] == "ann"
    await client.post("/v1/admin/erasures", json={"user_id": "u-4711", "reason": "u-4711 asked us"}, headers=ADMIN)
    whole = (await client.get("/v1/admin/audit", headers=ann)).json()["entries"]
    entry = next(one for one in whole if one["action"].startswith("PUT"))
    assert (entry["actor"], entry["request_id"], entry["came_to"]["status"]) == ("ann", "r-1", 200)
    assert entry["target"] == f"/v1/admin/switches/{target}"
    assert "\n" not in entry["reason"]
    assert entry["came_to"]["answer"]["switch"]["state"] == "on"
    assert token not in str(whole)
    assert "u-4711" not in str(whole)


def test_after_very_many_wrong_tokens_the_api_looks_at_no_more_wrong_ones_of_their_address(tmp_path: Path) -> None:
    settings = ServiceSettings(var_dir=tmp_path, admin_token=TOKEN)
    access = Access(settings, OperatorStore(open_state(settings)))
    for _ in range(API_TRIES):
        with pytest.raises(Problem) as wrong:
            access.of_header("Bearer guess", address="evil")
        assert wrong.value.status == 403
    with pytest.raises(Problem) as shut:
        access.of_header("Bearer guess", address="evil")
    assert shut.value.status == 429
    assert access.of_header("Bearer operator-token", address="evil").name == "admin"  # who knows, is never shut out


def _in_an_hour() -> str:
    return (datetime.now(UTC) + timedelta(hours=1)).isoformat()
