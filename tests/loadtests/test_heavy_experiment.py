"""The experiment finds who is late and who is told something else than 200 or 429."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from loadtests.experiments.heavy import Asked, asked_by_many, broken, results_table
from tests.json_server import json_server


def test_what_is_late_unanswered_or_an_error_breaks_the_promise() -> None:
    fine = Asked("large", 300, [100.0] * 99 + [900.0], [20.0] * 50, Counter({200: 100, 429: 50}))
    late = Asked("large", 300, [100.0] * 8 + [700.0], [400.0], Counter({200: 9, 429: 1}))
    never = Asked("large", 300, [], [400.0, 10.0, 500.0], Counter({429: 2, 503: 1}))
    assert broken([fine]) == []
    assert broken([late]) == ["large, 300 ms: 2 of 10 were late"]
    assert broken([never]) == [
        "large, 300 ms: 2 of 3 were late",
        "large, 300 ms: nobody was answered",
        "large: status 503",
    ]
    assert results_table([fine, late, never]).row_count == 3


async def test_who_holds_up_large_requests_is_found() -> None:
    def slow(request: dict[str, Any]) -> Any:
        if request["items"] == "many":
            time.sleep(0.5)  # far more than the budget of 100 ms
        return {}

    with json_server(slow) as url:
        large, small = await asked_by_many(url, b'{"items": "many"}', b'{"items": "one"}', 2, 100, 0.6)
    assert large.late == large.statuses[200] > 0
    assert small.statuses[200] > 0
