"""The search page in a real browser: with and without scripts, large and small, the reranker alive, dead and slow."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.async_api import Browser, Error, Page, Request, Route, ViewportSize

from loadtests.processes import free_port
from loadtests.proxy import RunningProxy, proxy_in_thread
from photostock.app import create_app
from photostock.demo_catalogue import demo_photos
from photostock.settings import PhotoSettings
from tests.browser import accessibility_findings, chromium
from tests.json_server import json_server
from tests.photostock.conftest import WordEncoder, by_id_backwards

DESK: ViewportSize = {"width": 1440, "height": 900}
PHONE: ViewportSize = {"width": 360, "height": 780}
WIDTHS = [pytest.param(DESK, id="desk"), pytest.param(PHONE, id="phone")]
PHOTOS = 60
TOKEN = "operator-token"
QUERY = "/?query=a+dog+in+the+park"
EVERY_PAGE = {
    "start": "/",
    "results": QUERY,
    "filtered": f"{QUERY}&color=green&orientation=landscape",
    "explained": f"{QUERY}&explain=1",
    "photo": "/photos/p-00001?query=dog",
    "nothing": f"{QUERY}&licence=none",
    "beyond": f"{QUERY}&page=9",
    "wrong": f"{QUERY}&orientation=round",
    "unknown": "/photos/none",
    "sign-in": "/admin/login",
}


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture
def reranker() -> Iterator[RunningProxy]:
    """A reranker behind a proxy that can break it."""
    with ExitStack() as stack:
        url = stack.enter_context(json_server(by_id_backwards))
        yield stack.enter_context(proxy_in_thread(upstream=url))


@asynccontextmanager
async def served(var_dir: Path, reranker_url: str, **options: Any) -> AsyncIterator[str]:
    """The API under a real server; yields its address."""
    settings = PhotoSettings.model_validate(
        {"var_dir": var_dir, "reranker_url": reranker_url, "admin_token": TOKEN, "low_timeout_ms": 300} | options
    )
    app = create_app(settings, raise_bugs=True)
    server = uvicorn.Server(uvicorn.Config(app, port=(port := free_port()), log_config=None, lifespan="off"))
    async with app.router.lifespan_context(app):
        library = app.state.engine.library
        await asyncio.to_thread(library.add, list(demo_photos(count=PHOTOS, seed=1)))
        await asyncio.to_thread(library.use_encoder, WordEncoder())
        serving = asyncio.create_task(server.serve())
        async with asyncio.timeout(30):
            while not server.started:  # noqa: ASYNC110  uvicorn has no event for it
                await asyncio.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = server.force_exit = True
            await serving


@pytest.fixture
async def site(var_dir: Path, reranker: RunningProxy) -> AsyncIterator[str]:
    async with served(var_dir, reranker.url) as url:
        yield url


@pytest.fixture
def var_dir(tmp_path: Path) -> Path:
    return tmp_path / "var"


async def opened(browser: Browser, address: str, complaints: list[str] | None = None, **context: Any) -> Page:
    page = await (await browser.new_context(**context)).new_page()
    if complaints is not None:
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(address, wait_until="networkidle")
    return page


async def keep_picture(page: Page, name: str) -> None:
    """Into the folder SCREENSHOTS, if that is set; `docs/images` is made this way."""
    if folder := os.environ.get("SCREENSHOTS"):
        await page.screenshot(path=Path(folder) / f"search-{name}.jpg", type="jpeg", quality=60)


async def sideways(page: Page) -> int:
    """Pixels by which the page is wider than the window."""
    return int(await page.evaluate("document.documentElement.scrollWidth - innerWidth"))


@pytest.mark.parametrize("size", WIDTHS)
@pytest.mark.parametrize(
    ("fault", "said", "tier"),
    [
        (None, "a closer look at the best", "reranker"),
        ("refused", "the closer look can't be reached", "semantic"),
        ("hang", "the closer look had no time left", "semantic"),
    ],
)
async def test_the_page_is_whole_and_says_who_answered_whatever_becomes_of_the_reranker(
    browser: Browser, site: str, reranker: RunningProxy, size: ViewportSize, fault: str | None, said: str, tier: str
) -> None:
    complaints: list[str] = []
    reranker.set_fault(fault)
    page = await opened(browser, site + QUERY, complaints, viewport=size)
    assert await page.locator("#gallery > li").count() == 24
    assert said in await page.locator(".told").inner_text()
    assert await page.locator("#gallery").get_attribute("data-served-by") == tier
    assert (complaints, await sideways(page)) == ([], 0)
    await keep_picture(page, f"{ {None: 'alive', 'refused': 'dead', 'hang': 'slow'}[fault] }-{size['width']}")


@pytest.mark.parametrize(
    ("size", "scheme"), [pytest.param(DESK, "dark", id="desk"), pytest.param(PHONE, "light", id="phone")]
)
async def test_no_page_has_a_serious_accessibility_finding_or_is_wider_than_the_window(
    browser: Browser, site: str, size: ViewportSize, scheme: str
) -> None:
    findings = {}
    for name, path in EVERY_PAGE.items():
        page = await opened(browser, site + path, viewport=size, color_scheme=scheme, reduced_motion="reduce")
        if name == "filtered":
            await page.locator("summary").click(timeout=5_000)
        findings[name] = (await accessibility_findings(page), await sideways(page))
        await keep_picture(page, f"{name}-{size['width']}-{scheme}")
        await page.context.close()
    assert findings == dict.fromkeys(EVERY_PAGE, ([], 0))


async def boxes(page: Page) -> Any:
    script = (
        "list => list.map(item => { const b = item.getBoundingClientRect(); return [b.x, b.y, b.width, b.height] })"
    )
    return await page.locator("#gallery > li").evaluate_all(script)


@pytest.mark.parametrize("size", WIDTHS)
async def test_the_pictures_keep_their_places_while_they_load(browser: Browser, site: str, size: ViewportSize) -> None:
    page = await (await browser.new_context(viewport=size)).new_page()
    may_load = asyncio.Event()

    async def held(route: Route) -> None:
        await may_load.wait()
        await route.continue_()

    await page.route("**/image*", held)
    await page.goto(site + QUERY, wait_until="domcontentloaded")
    before = await boxes(page)
    may_load.set()
    await page.wait_for_load_state("networkidle")
    assert await page.locator("#gallery img").first.evaluate("picture => picture.complete && picture.naturalWidth > 0")
    assert await boxes(page) == before
    assert min(box[3] for box in before) > 100


async def test_everything_that_matters_works_without_scripts(browser: Browser, site: str) -> None:
    page = await opened(browser, site, java_script_enabled=False, viewport=DESK)
    await page.get_by_label("Search photos").fill("dog in the park")
    await page.get_by_label("Search photos").press("Enter")
    assert "query=dog+in+the+park" in page.url
    await page.locator("summary").click()
    await page.get_by_label("Shape").select_option("landscape")
    await page.get_by_role("button", name="Apply").click()
    assert "orientation=landscape" in page.url
    await page.get_by_role("link", name="More photos").click()
    assert "page=2" in page.url
    assert "orientation=landscape" in page.url
    await page.locator("#gallery a").first.click()
    assert "/photos/p-" in page.url
    assert await page.locator(".gallery li").count() == 12
    await page.get_by_role("link", name="Back to the photos").click()
    assert "page=2" in page.url
    await page.get_by_role("link", name="Remove the filter landscape").click()
    assert "orientation" not in page.url


async def test_by_keyboard_one_skips_to_the_photos_and_more_of_them_leave_the_focus_where_one_was(
    browser: Browser, site: str
) -> None:
    page = await opened(browser, site + QUERY, viewport=DESK)
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.textContent") == "Skip to the content"
    await page.keyboard.press("Enter")
    assert await page.evaluate("document.activeElement.id") == "main"
    await page.get_by_role("link", name="More photos").focus()
    await page.keyboard.press("Enter")
    await page.locator("#gallery > li").nth(47).wait_for()
    assert await page.evaluate("document.activeElement.closest('li').dataset.position") == "25"
    assert await page.get_by_role("status").inner_text() == "24 more photos, 48 on this page."


async def test_what_a_person_saw_and_opened_is_told_with_place_and_tier(browser: Browser, site: str) -> None:
    page = await opened(browser, "about:blank", viewport=DESK)
    sent: list[Request] = []
    page.on("request", lambda request: sent.append(request) if request.url.endswith("/v1/feedback") else None)
    await page.goto(site + QUERY)
    async with page.expect_response("**/v1/feedback") as told:
        pass
    assert (await told.value).status == 201
    async with page.expect_request("**/v1/feedback"):
        await page.locator("#gallery a").first.click(modifiers=["Control"])
    events = [event for request in sent for event in json.loads(request.post_data or "")["events"]]
    assert {event["kind"] for event in events} == {"impression", "click"}
    [click] = [event for event in events if event["kind"] == "click"]
    assert (click["position"], click["served_by"], click["query"]) == (1, "reranker", "a dog in the park")
    assert len({event["user_id"] for event in events}) == 1


async def test_the_page_works_where_nothing_may_be_stored_or_told(browser: Browser, site: str) -> None:
    complaints: list[str] = []
    page = await opened(browser, "about:blank", viewport=DESK)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.add_init_script("Object.defineProperty(window, 'localStorage', { get() { throw new Error('no') } })")
    await page.route("**/v1/feedback", lambda route: route.abort())
    await page.goto(site + QUERY)
    await page.get_by_role("link", name="More photos").click()
    await page.locator("#gallery > li").nth(47).wait_for()
    assert complaints == []


async def test_where_callers_need_keys_a_browser_asks_for_one(
    browser: Browser, var_dir: Path, reranker: RunningProxy
) -> None:
    async with served(var_dir, reranker.url, api_keys={"web": "key-of-the-web"}) as site:
        stranger = await (await browser.new_context()).new_page()
        with pytest.raises(Error, match="AUTH_CREDENTIALS"):  # there is nobody whom it could ask
            await stranger.goto(site + QUERY)
        page = await opened(
            browser, site + QUERY, viewport=DESK, http_credentials={"username": "me", "password": "key-of-the-web"}
        )
        assert await page.locator("#gallery > li").count() == 24
        assert await page.locator("#gallery img").first.evaluate("picture => picture.naturalWidth > 0")
