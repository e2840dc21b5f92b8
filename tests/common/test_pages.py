"""Pages through HTTP: headers, files, sign-in, forms, problems."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI, Request, Response

from common.panel.service import panel_of
from common.service.admin_pages import AdminPages
from common.service.admin_session import MAX_ADDRESSES, SESSION_S, TRIES, AdminSessions, FailedTries
from common.service.app import Service
from common.service.forms import form_of
from common.service.pages import Pages
from common.settings import ServiceSettings
from common.state.database import open_state

HERE = {"Sec-Fetch-Site": "same-origin"}
BROWSER = {"Accept": "text/html,application/xhtml+xml"}
TOKEN = "operator-token"


@asynccontextmanager
async def nothing(_app: FastAPI) -> AsyncIterator[None]:
    yield


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    (tmp_path / "templates").mkdir()
    page = '{% extends "admin.html" %}{% block main %}<p>{{ said }}</p>{% endblock %}'
    (tmp_path / "templates" / "echo.html").write_text(page)
    settings = ServiceSettings(var_dir=tmp_path / "var", admin_token=TOKEN)
    service = Service("small", version="1", settings=settings, pages=Pages(tmp_path, site="Small"))
    panel = panel_of(service, open_state(settings), "small")
    admin = AdminPages(service, panel)
    admin.list_page("Echo", "/admin/echo")

    @admin.routes.get("/echo")
    async def shown() -> Response:
        return admin.render("echo.html", path="/admin/echo", said="<b>hello</b>")

    @admin.routes.post("/echo")
    async def said(request: Request) -> Response:
        return admin.render("echo.html", path="/admin/echo", said=(await form_of(request, "said"))["said"])

    app = service.app(routers=[admin.router()], lifespan=nothing, default_budget_ms=3_000)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://small") as client:
        yield client


async def signed_in(browser: httpx.AsyncClient) -> httpx.AsyncClient:
    answer = await browser.post("/admin/login", data={"token": TOKEN, "to": "/admin/echo"}, headers=HERE)
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/echo")
    return browser


async def test_a_page_lets_no_inline_or_foreign_code_in_and_escapes_what_it_is_told(browser: httpx.AsyncClient) -> None:
    answer = await (await signed_in(browser)).get("/admin/echo")
    assert "&lt;b&gt;hello" in answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert (answer.headers["x-content-type-options"], answer.headers["cache-control"]) == ("nosniff", "no-store")
    assert not re.search(r"<style|\sstyle=|<script>|\son\w+=", answer.text)


async def test_a_file_is_kept_for_ever_under_its_own_address_only(browser: httpx.AsyncClient) -> None:
    page = (await browser.get("/admin/login")).text
    [address] = re.findall(r'href="(/static/[^"]+\.css)"', page)
    kept = await browser.get(address)
    assert "immutable" in kept.headers["cache-control"]
    assert kept.headers["content-type"].startswith("text/css")
    of_another_version = await browser.get("/static/000000000000/pages.css")
    assert (of_another_version.status_code, of_another_version.headers["cache-control"]) == (200, "no-cache")
    assert (await browser.get("/static/000000000000/other.css")).status_code == 404


async def test_pages_of_operators_send_strangers_to_the_sign_in_and_bring_them_back(browser: httpx.AsyncClient) -> None:
    sent_away = await browser.get("/admin/echo", headers=BROWSER)
    assert (sent_away.status_code, sent_away.headers["location"]) == (303, "/admin/login?to=/admin/echo")
    asked = await browser.get(sent_away.headers["location"])
    assert 'value="/admin/echo"' in asked.text
    assert (await (await signed_in(browser)).get("/admin/echo")).status_code == 200


async def test_the_session_is_not_the_token_and_out_of_reach_of_scripts_and_other_sites(
    browser: httpx.AsyncClient,
) -> None:
    answer = await browser.post("/admin/login", data={"token": TOKEN}, headers=HERE)
    cookie = answer.headers["set-cookie"]
    assert TOKEN not in cookie
    assert {"HttpOnly", "SameSite=strict", "Path=/admin"} <= set(cookie.split("; "))


async def test_after_signing_out_a_copied_cookie_is_worth_nothing(browser: httpx.AsyncClient) -> None:
    copied = dict((await signed_in(browser)).cookies)
    assert (await browser.post("/admin/logout", headers=HERE)).status_code == 303
    assert "small" not in str(browser.cookies)
    assert (await browser.get("/admin/echo", headers={"Cookie": f"admin-small={copied['admin-small']}"})).is_redirect


async def test_wrong_tokens_are_told_and_after_a_few_they_have_to_wait_but_never_the_right_one(
    browser: httpx.AsyncClient,
) -> None:
    for _ in range(TRIES):
        wrong = await browser.post("/admin/login", data={"token": "guess"}, headers=HERE)
        assert (wrong.status_code, "set-cookie" in wrong.headers) == (403, False)
    assert 'aria-describedby="token-mistake"' in wrong.text
    late = await browser.post("/admin/login", data={"token": "guess"}, headers=HERE)
    assert late.status_code == 429
    assert 0 < int(late.headers["retry-after"]) <= 60
    assert (await browser.post("/admin/login", data={"token": TOKEN}, headers=HERE)).status_code == 303


@pytest.mark.parametrize("to", ["https://evil.example/", "//evil.example", "/admin/..//evil", "/v1/photos"])
async def test_a_sign_in_leads_nowhere_but_to_operators_pages(browser: httpx.AsyncClient, to: str) -> None:
    answer = await browser.post("/admin/login", data={"token": TOKEN, "to": to}, headers=HERE)
    assert answer.headers["location"] == "/admin"


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil"},
        {"Origin": "null"},
        {},
    ],
)
async def test_another_site_can_send_no_form_although_the_operator_is_signed_in(
    browser: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    await signed_in(browser)
    for path in ("/admin/echo", "/admin/logout", "/admin/login"):
        assert (await browser.post(path, data={"said": "x"}, headers=headers)).status_code == 403
    ours = await browser.post("/admin/echo", data={"said": " x "}, headers={"Origin": "http://small"})
    assert "<p>x</p>" in ours.text


@pytest.mark.parametrize(
    ("body", "media_type", "status"),
    [
        (b"said=" + b"x" * 70_000, "application/x-www-form-urlencoded", 413),
        (b"&".join(b"f%d=1" % n for n in range(101)), "application/x-www-form-urlencoded", 422),
        (b"said=1&said=2", "application/x-www-form-urlencoded", 422),
        (b"said=%ff", "application/x-www-form-urlencoded", 422),
        (b"said=1", "multipart/form-data; boundary=x", 415),
    ],
)
async def test_a_form_is_bounded(browser: httpx.AsyncClient, body: bytes, media_type: str, status: int) -> None:
    headers = {**HERE, "Content-Type": media_type}
    assert (await (await signed_in(browser)).post("/admin/echo", content=body, headers=headers)).status_code == status


async def test_a_browser_reads_a_problem_as_a_page_and_a_program_as_json(browser: httpx.AsyncClient) -> None:
    page = await browser.get("/nowhere", headers=BROWSER)
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert page.headers["x-request-id"] in page.text
    for headers, path in (({}, "/nowhere"), (BROWSER, "/v1/nowhere")):
        assert (await browser.get(path, headers=headers)).headers["content-type"] == "application/problem+json"


async def test_a_problem_that_the_gateway_finds_is_a_page_as_well(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/nowhere", headers={**BROWSER, "X-Timeout-Ms": "soon"})
    assert (answer.status_code, answer.headers["content-type"]) == (422, "text/html; charset=utf-8")


def test_a_session_ends_by_itself_and_none_can_be_made_up() -> None:
    now_s = 1_000_000.0
    sessions = AdminSessions(TOKEN, clock=lambda: now_s)
    cookie = sessions.begin("ann", "stamp")
    assert sessions.whose(cookie) == ("ann", "stamp")
    assert AdminSessions(TOKEN, clock=lambda: now_s).whose(cookie) == ("ann", "stamp")
    assert AdminSessions("another-token", clock=lambda: now_s).whose(cookie) is None
    assert AdminSessions(None, clock=lambda: now_s).whose(cookie) is None
    end, name, stamp, nonce, signature = cookie.split(".")
    later, somebody_else = f"{int(end) + 1}.{name}.{stamp}.{nonce}", f"{end}.bob.{stamp}.{nonce}"
    unsigned = f"{end}.{name}.{stamp}.{nonce}."
    for made_up in (None, "", "..", f"{later}.{signature}", f"{somebody_else}.{signature}", unsigned, "é.é.é"):
        assert sessions.whose(made_up) is None
    now_s += SESSION_S
    assert sessions.whose(cookie) is None


def test_failed_tries_are_forgotten_after_a_minute_and_never_fill_the_memory() -> None:
    now_s = 0.0
    tries = FailedTries(clock=lambda: now_s)
    for _ in range(TRIES):
        assert tries.wait_s("a") == 0
        tries.note("a")
    assert (tries.wait_s("a"), tries.wait_s("b")) == (60, 0)
    now_s = 61.0
    assert tries.wait_s("a") == 0
    for address in range(2 * MAX_ADDRESSES):
        tries.note(str(address))
    assert tries.wait_s("new") > 0  # too many of all together


def test_two_files_of_one_name_are_a_mistake_of_ours(tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "pages.css").write_text("")
    with pytest.raises(ValueError, match=r"pages\.css"):
        Pages(tmp_path, site="Small")
