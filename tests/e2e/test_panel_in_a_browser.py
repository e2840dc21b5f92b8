"""What operators do in a real browser, and how such a test looks at a page."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from playwright.async_api import Page, ViewportSize

from loadtests.processes import free_port
from photostock.app import create_app as create_photostock
from photostock.settings import PhotoSettings
from supermegaretail.app import create_app as create_supermegaretail
from supermegaretail.settings import RetailSettings
from tests.browser import accessibility_findings, chromium

DESK: ViewportSize = {"width": 1440, "height": 900}
PHONE: ViewportSize = {"width": 360, "height": 780}
TOKEN = "operator-token"
NOBODY = "http://127.0.0.1:1"


def app_of(name: str, var_dir: Path) -> FastAPI:
    """With time enough for a busy machine: nothing here is about time."""
    told: dict[str, Any] = {"var_dir": var_dir, "admin_token": TOKEN, "high_timeout_ms": 30_000}
    if name == "photostock":
        return create_photostock(PhotoSettings(reranker_url=NOBODY, **told))
    return create_supermegaretail(RetailSettings(model_url=NOBODY, **told))


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[str]:
    server = uvicorn.Server(uvicorn.Config(app, port=(port := free_port()), log_config=None))
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(30):
        while not server.started:  # noqa: ASYNC110  uvicorn has no event for it
            await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = server.force_exit = True
        await serving


async def looked_at(page: Page, name: str) -> None:
    """Nothing serious for axe, nothing wider than the window; a picture into SCREENSHOTS, if that is set."""
    if folder := os.environ.get("SCREENSHOTS"):
        await page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
    assert await accessibility_findings(page) == [], name
    assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, name


@pytest.mark.parametrize("name", ["supermegaretail", "photostock"])
async def test_a_switch_is_set_on_a_phone_without_scripts(name: str, tmp_path: Path) -> None:
    async with served(app_of(name, tmp_path)) as url, chromium() as browser, httpx.AsyncClient(base_url=url) as client:
        away = {"state": "off", "reason": "it raves", "ends_at": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}
        for tier in ("core", "semantic"):
            await client.put(f"/v1/admin/switches/{tier}", json=away, headers={"Authorization": f"Bearer {TOKEN}"})
        context = await browser.new_context(viewport=PHONE, java_script_enabled=False, color_scheme="dark")
        plain = await context.new_page()
        await plain.goto(f"{url}/admin/switches")
        await plain.fill("#token", TOKEN)
        await plain.click("button.main")
        assert plain.url == f"{url}/admin/switches"
        await plain.click("summary >> nth=1")
        form = plain.locator("form.decision >> nth=1")
        await form.locator("[name=reason]").fill("it raves at night")
        await form.locator("button").click()
        assert "?" in await plain.inner_text("h1")
        await plain.click("main button.main")
        assert "It is switched." in await plain.inner_text("main")
        entry = (await client.get("/v1/admin/audit", headers={"Authorization": f"Bearer {TOKEN}"})).json()["entries"][0]
        assert (entry["actor"], entry["reason"]) == ("admin", "it raves at night")
