"""A real browser: Debian's Chromium, without a window."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, async_playwright

SERIOUS = ("serious", "critical")
OPTIONS = ["--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]  # its sandbox refuses root


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Without the package the test is skipped loudly, and fails where CI is set."""
    program = shutil.which("chromium")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("chromium is not installed; .ci/run installs it")
        pytest.skip("NOT TESTED: chromium is not installed (Debian: apt-get install chromium)")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=OPTIONS)
        try:
            yield browser
        finally:
            await browser.close()


async def accessibility_findings(page: Page) -> list[str]:
    """What axe-core calls serious or critical: the rule, and where it is broken."""
    findings: list[dict[str, Any]] = (await Axe().run(page)).response["violations"]
    return [
        f"{finding['id']}: {node['target']} {node.get('failureSummary', '')}"
        for finding in findings
        if finding["impact"] in SERIOUS
        for node in finding["nodes"]
    ]
