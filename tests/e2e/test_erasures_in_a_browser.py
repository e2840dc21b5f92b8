"""Forgetting a person in a real browser: the form, and a certificate, on a phone and at a desk."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.browser import chromium
from tests.e2e.test_panel_in_a_browser import DESK, PHONE, TOKEN, app_of, looked_at, served


@pytest.mark.parametrize("name", ["photostock", "supermegaretail"])
async def test_a_person_is_forgotten_without_scripts_and_the_certificate_is_readable(name: str, tmp_path: Path) -> None:
    async with served(app_of(name, tmp_path)) as url, chromium() as browser:
        context = await browser.new_context(java_script_enabled=False, viewport=DESK)
        page = await context.new_page()
        await page.goto(f"{url}/admin/erasures")
        await page.get_by_label(re.compile("token", re.IGNORECASE)).fill(TOKEN)
        await page.get_by_role("button", name="Sign in").click()
        await page.goto(f"{url}/admin/erasures")
        await page.get_by_label("The person's id").fill("person_4711")
        await page.get_by_label("Why").fill("wished by letter")
        await page.get_by_role("button", name="Forget this person").click()
        await page.get_by_role("heading", name="Certificate of erasure").wait_for()
        certificate = page.url
        state = await context.storage_state()
        assert "person_4711" not in certificate + await page.content()
        for width, viewport in {"desk": DESK, "phone": PHONE}.items():
            for scheme in ("light", "dark"):
                looking = await browser.new_context(storage_state=state, viewport=viewport, color_scheme=scheme)
                seen = await looking.new_page()
                for what, address in {"erasures": f"{url}/admin/erasures", "certificate": certificate}.items():
                    await seen.goto(address)
                    await looked_at(seen, f"{name}-{what}-{width}-{scheme}")
                await looking.close()
