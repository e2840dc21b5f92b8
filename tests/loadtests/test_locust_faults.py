"""The page of faults beside Locust's: what is asked for there happens between the services and their models."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from loadtests.locust_house import BACK_SECONDS, HouseDesk
from loadtests.processes import free_port
from tests.loadtests.test_murphy import fake_services
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]


@pytest.fixture
def locust(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Locust before fake services, with users at work: where its page is, and its process."""
    port = free_port()
    with fake_services(tmp_path) as environment:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "locust", "-f", str(ROOT / "loadtests" / "locustfile.py")),
                *("--house", "running", "--house-ports", *environment["PROXIES"].split()),
                *("--web-host", "127.0.0.1", "--web-port", str(port)),
                *("--autostart", "--users", "4", "--run-time", "120s", "SupermegaretailUser"),
            ],
            cwd=ROOT,
            env={**os.environ, **environment},
            start_new_session=True,
        )
        try:
            yield f"http://127.0.0.1:{port}", process
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            finally:
                process.kill()


@pytest.fixture
async def page(locust: tuple[str, subprocess.Popen[bytes]]) -> AsyncIterator[httpx.AsyncClient]:
    """A client of it, as soon as the page is there."""
    url, process = locust
    async with httpx.AsyncClient(base_url=url, timeout=10) as client:
        await eventually(lambda: is_there(client, process))
        yield client


async def is_there(client: httpx.AsyncClient, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "Locust ended"
    try:
        return (await client.get("/faults")).status_code == 200
    except httpx.HTTPError:
        return False


async def ask_for(client: httpx.AsyncClient, fault: str, seconds: int, site: str = "same-origin") -> int:
    """The status with which this wish is answered."""
    form = {"fault": fault, "seconds": str(seconds)}
    return (await client.post("/faults", data=form, headers={"Sec-Fetch-Site": site})).status_code


async def test_a_fault_is_brought_on_under_the_load_and_what_it_degrades_has_rows_of_its_own(
    page: httpx.AsyncClient,
) -> None:
    async def shows_excused_rows() -> bool:
        told = (await page.get("/stats/requests")).json()["stats"]
        return any(row["name"].endswith("(degraded by a fault)") for row in told)

    async def says_none_is_on() -> bool:
        return "No fault is on." in (await page.get("/faults")).text

    assert await says_none_is_on()
    assert await ask_for(page, "hang", 2, site="cross-site") == 403
    assert await ask_for(page, "no_such_fault", 2) == 422
    assert await ask_for(page, "http_503", 3) == 303
    assert "http_503 is" in (await page.get("/faults")).text
    assert await ask_for(page, "hang", 2) == 422, "one at a time"
    await eventually(shows_excused_rows)
    await eventually(says_none_is_on)


def test_a_fault_excuses_until_full_quality_is_promised_again() -> None:
    now = [100.0]
    desk = HouseDesk(clock=lambda: now[0])
    desk.hear({"ready": {"urls": {"supermegaretail": "http://x"}, "faults": [["hang", "link", "Hangs."]]}})
    assert not desk.lately
    desk.playing = "hang"
    assert desk.lately
    desk.hear({"off": "hang"})
    now[0] += BACK_SECONDS - 0.1
    assert desk.lately
    now[0] += 0.2
    assert not desk.lately
