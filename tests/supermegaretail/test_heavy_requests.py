"""Requests about many items: two at a time are at work, and who waits for a model that hangs refuses nobody."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

from supermegaretail.api import LIGHT_NUMBERS
from tests.json_server import json_server
from tests.supermegaretail.conftest import sevens
from tests.supermegaretail.test_api import ALL, service
from tests.supermegaretail.test_api import var_dir as var_dir

MANY = ALL * (LIGHT_NUMBERS // (3 * 17) + 1)  # for a week


async def test_where_two_wait_for_a_model_that_hangs_a_third_one_and_a_light_one_are_answered_beside_them(
    var_dir: Path,
) -> None:
    asked, go_on = threading.Semaphore(0), threading.Event()

    def held(request: dict[str, Any]) -> Any:
        if len(request["items"]) > len(ALL):
            asked.release()
            go_on.wait(30)
        return sevens(request)

    with json_server(held) as url:
        async with service(var_dir, url, low_timeout_ms=20_000) as client:

            async def forecast(items: Any, within_ms: int) -> Any:
                headers = {"X-Timeout-Ms": str(within_ms)}
                return await client.post("/v1/forecasts", json={"items": items}, headers=headers)

            both = [asyncio.create_task(forecast(MANY, 30_000)) for _ in range(2)]
            for _ in both:
                await asyncio.to_thread(asked.acquire)
            third, light = await forecast(MANY, 500), await forecast(ALL, 20_000)
            go_on.set()
            heavy = await asyncio.gather(*both)
    assert {one.status_code for one in (third, light, *heavy)} == {200}
    assert {one["served_by"] for one in third.json()["forecasts"]} == {"moving_average"}
    assert {one["served_by"] for answer in heavy for one in answer.json()["forecasts"]} == {"correction"}
