"""Every page for operators, found among the routes so that none can be forgotten, on a phone by night and at a desk."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from playwright.async_api import ConsoleMessage, Page, Response, ViewportSize

from tests.browser import chromium
from tests.e2e.busy_day import ADMIN, TOKEN, day_at_work, proposed
from tests.e2e.test_panel_in_a_browser import app_of, looked_at, served

DESK: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
TROUBLE = {"error", "warning"}  # of what a page says to the console
DOWNLOADS = {"/admin/incidents/{incident_id}/post-mortem"}  # a file to be saved


def pages_of(app: FastAPI) -> list[str]:
    """The addresses of all pages, as their routes have them."""
    found = [(one.path or "", one.methods or ()) for one in iter_route_contexts(app.routes)]
    return sorted({path for path, methods in found if path.startswith("/admin") and "GET" in methods})


def complaints_of(page: Page) -> list[str]:
    """What the page says to the console from now on."""
    said: list[str] = []

    def console(message: ConsoleMessage) -> None:
        if message.type in TROUBLE:
            said.append(message.text)

    page.on("console", console)
    page.on("pageerror", lambda error: said.append(str(error)))
    return said


@pytest.mark.parametrize("name", ["supermegaretail", "photostock"])
async def test_every_page_is_readable_at_both_widths_and_says_nothing_to_the_console(name: str, tmp_path: Path) -> None:
    release_id = proposed(name, tmp_path)
    app = app_of(name, tmp_path)
    paths = pages_of(app)
    assert len(paths) > 15
    async with served(app) as url, chromium() as browser, httpx.AsyncClient(base_url=url, timeout=30) as client:
        told = {**await day_at_work(name, client), "release_id": release_id}
        for size, width in ((PHONE, "phone"), (DESK, "desk")):
            context = await browser.new_context(viewport=size, color_scheme="dark" if width == "phone" else "light")
            page = await context.new_page()
            said = complaints_of(page)
            await page.goto(f"{url}/admin")
            await looked_at(page, f"{name}-{width}-login")
            await page.fill("#token", TOKEN)
            await page.click("button.main")
            for path in paths:
                address = path.format_map(told)  # KeyError: tell `day_at_work` what stands for it
                if path in DOWNLOADS:
                    saved = await client.get(address.replace("/admin", "/v1/admin", 1), headers=ADMIN)
                    assert (saved.status_code, saved.headers["content-type"][:13]) == (200, "text/markdown")
                    continue
                answer = await page.goto(url + address)
                assert isinstance(answer, Response)
                assert answer.status == 200, address
                await looked_at(page, f"{name}-{width}-{_file_name(path)}")
                assert said == [], address
            await context.close()


def _file_name(path: str) -> str:
    return re.sub(r"\W+", "-", path).strip("-")
