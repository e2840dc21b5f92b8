"""Feedback over HTTP: more fields than before, a report for operators, and a person's wish to be forgotten."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from photostock.app import create_app
from photostock.settings import PhotoSettings

ADMIN = {"Authorization": "Bearer operator-token"}
EVENT = {"query": "dog", "photo_id": "p1", "kind": "click", "user_id": "ann-17", "at": "2026-11-20T12:00:00Z"}
SHOWN = EVENT | {"kind": "impression", "position": 2, "served_by": "semantic", "request_id": "r-1"}
WISH = {"user_id": "ann-17", "owner": "Eve", "reason": "wished by letter"}


@asynccontextmanager
async def serving(var_dir: Path) -> AsyncIterator[tuple[httpx.AsyncClient, Any]]:
    settings = PhotoSettings(var_dir=var_dir, admin_token="operator-token", feedback_days=3_650)
    app = create_app(settings, raise_bugs=True)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://photos") as client,
    ):
        yield client, app.state.engine


@pytest.fixture
async def client(var_dir: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(var_dir) as (client, _):
        yield client


async def told(client: httpx.AsyncClient, *events: dict[str, Any]) -> httpx.Response:
    return await client.post("/v1/feedback", json={"events": list(events)})


async def test_a_report_tells_click_through_by_place_and_tier(client: httpx.AsyncClient) -> None:
    assert (await told(client, SHOWN, EVENT, SHOWN | {"user_id": "bob"})).status_code == 201
    report = (await client.get("/v1/admin/feedback", headers=ADMIN)).json()
    assert report["by_position"]["2"]["click_through"] == 0.5
    assert (report["by_tier"]["semantic"]["shown"], report["events"]["click"]) == (2, 1)
    days = {"first_day": "2026-11-21", "last_day": "2026-11-22"}
    later = (await client.get("/v1/admin/feedback", params=days, headers=ADMIN)).json()
    assert (later["whole"]["shown"], later["first_day"]) == (0, "2026-11-21")


async def test_only_operators_see_reports_and_erase(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/admin/feedback")).status_code == 401
    assert (await client.post("/v1/admin/erasures", json=WISH)).status_code == 401


@pytest.mark.parametrize(
    "wrong",
    [
        {"position": 0},
        {"position": "1"},
        {"served_by": "somebody"},
        {"request_id": "a b"},
        {"at": "0001-01-01T00:00:00+14:00"},
        {"at": "yesterday"},
        {"rank": 1},
    ],
    ids=str,
)
async def test_what_an_event_cannot_be_is_refused(client: httpx.AsyncClient, wrong: dict[str, Any]) -> None:
    assert (await told(client, EVENT | wrong)).status_code == 422


async def test_events_of_the_future_are_refused_for_they_would_outlast_all_that_happened(var_dir: Path) -> None:
    soon, late = (datetime.now(UTC) + timedelta(hours=hours) for hours in (23, 25))
    async with serving(var_dir) as (client, engine):
        assert (await told(client, EVENT | {"at": soon.isoformat()})).status_code == 201
        for at in (late.isoformat(), "9990-01-01T00:00:00Z"):
            refused = await told(client, EVENT, EVENT | {"at": at})
            assert refused.status_code == 422
            assert refused.json()["detail"] == "events.1.at: lies more than a day ahead"
        assert engine.feedback.count() == 1


async def test_a_thousand_events_are_taken_and_not_one_more(client: httpx.AsyncClient) -> None:
    many = [EVENT | {"photo_id": f"p{number}"} for number in range(1_001)]
    assert (await told(client, *many[:1_000])).json()["accepted"] == 1_000
    assert (await told(client, *many)).status_code == 422


async def test_a_query_with_control_characters_is_kept_without_them(var_dir: Path) -> None:
    async with serving(var_dir) as (client, engine):
        assert (await told(client, EVENT | {"query": "dog\u0000park"})).status_code == 201
        assert engine.feedback.count() == 1


async def test_a_person_is_forgotten_twice_as_well_as_once(var_dir: Path) -> None:
    async with serving(var_dir) as (client, engine):
        await told(client, SHOWN, EVENT, EVENT | {"user_id": "bob"})
        first = await client.post("/v1/admin/erasures", json=WISH, headers=ADMIN)
        assert (first.status_code, first.json()["events_erased"]) == (200, 2)
        await told(client, SHOWN, EVENT)
        again = (await client.post("/v1/admin/erasures", json=WISH, headers=ADMIN)).json()
        assert (again["events_erased"], again["events_erased_in_all"]) == (0, 2)
        assert engine.feedback.count() == 1
        listed = (await client.get("/v1/admin/erasures", headers=ADMIN)).json()["erasures"]
        assert [line["owner"] for line in listed] == ["Eve"]
        assert "ann-17" not in str(listed)


async def test_an_erasure_survives_a_restart(var_dir: Path) -> None:
    async with serving(var_dir) as (client, _):
        await client.post("/v1/admin/erasures", json=WISH, headers=ADMIN)
    async with serving(var_dir) as (client, engine):
        await told(client, EVENT)
        assert engine.feedback.count() == 0


async def test_a_reason_that_names_the_person_is_refused(client: httpx.AsyncClient) -> None:
    refused = await client.post("/v1/admin/erasures", json=WISH | {"reason": "ann-17 wrote"}, headers=ADMIN)
    assert refused.status_code == 422
    assert "ann-17" not in refused.text


async def test_no_log_line_ever_holds_a_persons_id(var_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with structlog.testing.capture_logs() as lines:
        async with serving(var_dir) as (client, engine):
            await told(client, EVENT)
            await told(client, EVENT | {"position": -1})
            await client.post("/v1/admin/erasures", json=WISH, headers=ADMIN)
            with engine.feedback.engine.begin() as connection:
                connection.exec_driver_sql("DROP TABLE photostock_events")
            assert (await told(client, EVENT | {"user_id": "bob-18"})).status_code == 503
    assert lines, "else this proves nothing"
    written = f"{lines}{caplog.text}"
    assert [name for name in ("ann-17", "bob-18") if name in written] == []


@pytest.mark.parametrize("command", [("common", "erase", "photostock"), ("photostock", "erase")])
def test_a_person_is_forgotten_on_the_command_line_and_named_on_standard_input_only(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command, "--owner", "Eve", "--reason", "wished by letter"],
        input="u-17\n",
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"VAR_DIR": str(tmp_path)},
        timeout=60,
    )
    assert done.stdout.startswith("0 events erased, 0 in all; kept as proof: ")
    assert "u-17" not in done.stdout + done.stderr
