"""Pictures on their way to people: never older than their photo, never late because of a picture that was sent."""

from __future__ import annotations

import asyncio
import threading

import httpx
import pytest

from photostock import picture_cache
from photostock.own_pictures.reading import OwnPicture, read_picture
from tests.photostock.test_api import client as client
from tests.photostock.test_own_pictures import encoded, two_colours


async def test_a_picture_that_a_browser_keeps_is_asked_for_again_and_gone_once_it_is_erased(
    client: httpx.AsyncClient,
) -> None:
    first = await client.get("/v1/photos/cat/image")
    assert "public" not in first.headers["Cache-Control"]
    known = {"If-None-Match": first.headers["ETag"]}
    again = await client.get("/v1/photos/cat/image", headers=known)
    assert (again.status_code, again.content) == (304, b"")
    await client.put("/v1/photos/cat/image", content=encoded(two_colours(), "PNG"))
    assert (await client.get("/v1/photos/cat/image", headers=known)).status_code == 200
    await client.delete("/v1/photos/cat")
    assert (await client.get("/v1/photos/cat/image", headers=known)).status_code == 404


async def test_no_picture_is_drawn_later_because_one_was_sent(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()

    def slow(content: bytes) -> OwnPicture:
        release.wait(30)
        return read_picture(content)

    monkeypatch.setattr(picture_cache, "read_picture", slow)
    sent = asyncio.create_task(client.put("/v1/photos/cat/image", content=encoded(two_colours())))
    try:
        await asyncio.sleep(0.05)
        assert (await client.get("/v1/photos/bridge/image")).status_code == 200
    finally:
        release.set()
    assert (await sent).status_code == 201
