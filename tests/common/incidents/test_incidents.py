"""Incidents over HTTP: opened by alerts, told once, moved by people, on pages, and in the way of releases."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from common.incidents.api import add_incidents
from common.incidents.pages import add_incident_pages
from common.incidents.service import Incidents, incidents_of
from common.incidents.store import in_the_way
from common.panel.api import add_panel
from common.panel.service import admin_router, panel_of
from common.service.admin_pages import AdminPages
from common.service.app import Part, Service
from common.service.pages import Pages
from common.settings import ServiceSettings
from common.state.database import open_state

TOKEN = "operator-token"
HERE = {"Sec-Fetch-Site": "same-origin"}
STARTED = "2026-03-01T12:00:00.123456789Z"


@dataclass
class Desk:
    """A small service with incidents, and an operator's program."""

    client: httpx.AsyncClient
    incidents: Incidents
    service: Service

    async def tell(self, *alerts: dict[str, Any]) -> dict[str, Any]:
        answer = await self.client.post("/v1/admin/incidents/alerts", json=notification(*alerts))
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()["incidents"]
        return told

    async def one(self, incident_id: str) -> dict[str, Any]:
        document: dict[str, Any] = (await self.client.get(f"/v1/admin/incidents/{incident_id}")).json()
        return document

    async def do(self, incident_id: str, action: str, text: str = "as the runbook says") -> httpx.Response:
        wish = {"action": action, "text": text, "who": "ann"}
        return await self.client.post(f"/v1/admin/incidents/{incident_id}", json=wish)


def alert(name: str = "ApiDown", status: str = "firing", *, severity: str = "page", mark: str = "a1") -> dict[str, Any]:
    return {
        "status": status,
        "labels": {"alertname": name, "severity": severity, "service": "small"},
        "annotations": {"summary": f"{name} it is", "runbook": f"docs/runbooks/{name}.md"},
        "startsAt": STARTED,
        "endsAt": "2026-03-01T12:05:00Z" if status == "resolved" else "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus/graph",
        "fingerprint": mark,
    }


def notification(*alerts: dict[str, Any]) -> dict[str, Any]:
    return {
        "version": "4",
        "groupKey": '{}:{service="small"}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "incidents",
        "groupLabels": {"service": "small"},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager",
        "somethingNew": True,
        "alerts": list(alerts),
    }


@asynccontextmanager
async def nothing(_app: FastAPI) -> AsyncIterator[None]:
    yield


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    settings = ServiceSettings(var_dir=tmp_path / "var", admin_token=TOKEN, high_timeout_ms=20_000)
    service = Service("small", version="1", settings=settings, pages=Pages(tmp_path, site="Small"))
    state = open_state(settings)
    panel = panel_of(service, state, "small")
    panel.refresh()
    incidents = incidents_of(service, state, "small")
    operators = AdminPages(service, panel)
    add_incident_pages(operators, incidents)
    routes = admin_router(panel)
    add_incidents(routes, incidents)
    add_panel(routes, panel)
    app = service.app(routers=[routes, operators.router()], lifespan=nothing, default_budget_ms=3_000)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://small", headers=headers) as client:
        yield Desk(client, incidents, service)
    incidents.close()
    panel.close()
    state.dispose()


async def test_an_alert_that_pages_opens_an_incident_and_told_again_it_counts_once(desk: Desk) -> None:
    told = [await desk.tell(alert()) for _ in range(3)]
    assert told[0] == told[1] == told[2]
    listed = (await desk.client.get("/v1/admin/incidents")).json()["incidents"]
    assert [(one["state"], one["title"], one["service"]) for one in listed] == [("open", "ApiDown it is", "small")]
    line = (await desk.one(listed[0]["id"]))["time_line"]
    assert [one["what"] for one in line if one["kind"] == "alert"] == ["ApiDown fires: ApiDown it is"]


async def test_the_same_alert_from_many_at_once_opens_one_incident(desk: Desk) -> None:
    told = await asyncio.gather(*(desk.tell(alert(), alert("RequestsFail", mark="a2")) for _ in range(8)))
    assert len({one["small"] for one in told}) == 1
    assert len(desk.incidents.store.listed()) == 1


async def test_an_alert_that_informs_opens_nothing_and_joins_what_is_open(desk: Desk) -> None:
    assert await desk.tell(alert("ModelDown", severity="inform", mark="c1")) == {}
    told = await desk.tell(alert())
    names = {one["what"].split()[0] for one in (await desk.one(told["small"]))["time_line"] if one["kind"] == "alert"}
    assert names == {"ApiDown", "ModelDown"}


async def test_when_every_alert_that_pages_has_ended_it_is_mitigated_and_another_one_opens_it_again(desk: Desk) -> None:
    incident_id = (await desk.tell(alert(), alert("RequestsFail", mark="a2")))["small"]
    await desk.tell(alert(status="resolved"))
    assert (await desk.one(incident_id))["state"] == "open"
    await desk.tell(alert("RequestsFail", "resolved", mark="a2"))
    assert (await desk.one(incident_id))["state"] == "mitigated"
    await desk.tell(alert("Overloaded", mark="a3"))
    assert (await desk.one(incident_id))["state"] == "open"


async def test_a_beginning_that_is_told_after_the_end_opens_nothing(desk: Desk) -> None:
    assert await desk.tell(alert(status="resolved")) == {}
    assert await desk.tell(alert()) == {}
    assert desk.incidents.store.listed() == []


async def test_a_person_notes_mitigates_resolves_and_reopens_and_all_of_it_is_on_the_time_line(desk: Desk) -> None:
    incident_id = (await desk.tell(alert()))["small"]
    assert (await desk.do(incident_id, "resolve")).status_code == 409  # its alert still fires
    await desk.tell(alert(status="resolved"))
    assert (await desk.do(incident_id, "reopen")).status_code == 200
    for action in ("note", "mitigate", "resolve", "reopen"):
        answer = await desk.do(incident_id, action, f"because of {action}")
        assert answer.status_code == 200, answer.text
    line = [(one["kind"], one["who"]) for one in answer.json()["time_line"] if "because of" in one["what"]]
    assert line == [("note", "ann"), ("state", "ann"), ("state", "ann"), ("state", "ann")]
    assert (await desk.do(incident_id, "reopen")).status_code == 409
    assert (await desk.do("nothing", "note")).status_code == 404
    assert (await desk.one("nothing"))["status"] == 404


async def test_after_one_is_resolved_the_next_alert_opens_another(desk: Desk) -> None:
    first = (await desk.tell(alert()))["small"]
    await desk.tell(alert(status="resolved"))
    await desk.do(first, "resolve")
    second = (await desk.tell(alert("Overloaded", mark="a9")))["small"]
    assert first != second
    assert (await desk.do(first, "reopen")).status_code == 409  # one is live at a time


async def test_an_open_incident_is_in_the_way_of_a_release_until_it_is_mitigated(desk: Desk) -> None:
    objection = in_the_way(desk.incidents.store.engine, "small", lambda: None)
    assert objection() is None
    incident_id = (await desk.tell(alert()))["small"]
    assert incident_id in str(objection())
    assert in_the_way(desk.incidents.store.engine, "other", lambda: None)() is None
    assert "and the core" in str(in_the_way(desk.incidents.store.engine, "small", lambda: "and the core")())
    await desk.do(incident_id, "mitigate")
    assert objection() is None


@pytest.mark.parametrize("edge", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"])
async def test_a_time_at_the_edge_of_all_times_loses_no_alert(desk: Desk, edge: str) -> None:
    odd = {**alert("ModelSlow", mark="b2"), "startsAt": edge}
    ended = {**alert("ApiSlow", "resolved", mark="c3"), "endsAt": edge}
    incident_id = (await desk.tell(odd, ended, alert()))["small"]
    told = {one["what"].split()[0] for one in (await desk.one(incident_id))["time_line"] if one["kind"] == "alert"}
    assert told == {"ModelSlow", "ApiDown"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"version": "3"},
        {"alerts": [{"status": "on fire"}]},
        {"alerts": [{**alert(), "startsAt": "yesterday"}]},
        {"alerts": [{**alert(), "labels": {"n": 1}}]},
        {"alerts": [{**alert(), "fingerprint": "../../x"}]},
        {"alerts": [alert()] * 1_001},
    ],
)
async def test_what_is_no_notification_is_refused(desk: Desk, wrong: dict[str, Any]) -> None:
    answer = await desk.client.post("/v1/admin/incidents/alerts", json={**notification(), **wrong})
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


async def test_of_what_alertmanager_tells_only_news_is_in_the_audit_log(desk: Desk) -> None:
    added = await desk.client.post("/v1/admin/operators", json={"name": "watch", "role": "alert"})
    own = {"Authorization": f"Bearer {added.json()['token']}"}
    for sent in (alert(), alert(), alert(), alert(status="resolved"), alert(status="resolved")):
        told = await desk.client.post("/v1/admin/incidents/alerts", json=notification(sent), headers=own)
        assert told.status_code == 200
    assert (await desk.client.get("/v1/admin/incidents", headers=own)).status_code == 403
    assert (await desk.client.post("/v1/admin/incidents", json={"title": "x"}, headers=own)).status_code == 403
    entries = (await desk.client.get("/v1/admin/audit")).json()["entries"]
    assert [one["actor"] for one in entries if one["target"].endswith("/alerts")] == ["watch", "watch"]


async def test_nobody_without_a_token_tells_of_alerts(desk: Desk) -> None:
    answer = await desk.client.post(
        "/v1/admin/incidents/alerts", json=notification(alert()), headers={"Authorization": ""}
    )
    assert answer.status_code == 401


async def test_the_draft_of_a_post_mortem_has_the_time_line_and_no_markup_of_strangers(desk: Desk) -> None:
    bad = {**alert(), "annotations": {"summary": "<script>x</script> [a](b)\n# head"}}
    incident_id = (await desk.tell(bad))["small"]
    answer = await desk.client.get(f"/v1/admin/incidents/{incident_id}/post-mortem")
    assert answer.headers["content-type"].startswith("text/markdown")
    assert "## Time line" in answer.text
    assert "<script>" not in answer.text
    assert "[a](b)" not in answer.text
    assert answer.text.count("\n# ") == 0


async def test_pages_show_incidents_and_runbooks_and_take_notes(desk: Desk) -> None:
    incident_id = (await desk.tell({**alert(), "annotations": {"summary": "<b>down</b>"}}))["small"]
    signed = await desk.client.post("/admin/login", data={"token": TOKEN, "to": "/admin"}, headers=HERE)
    assert signed.status_code == 303
    page = await desk.client.get("/admin/incidents")
    assert "&lt;b&gt;down" in page.text
    path = f"/admin/incidents/{incident_id}"
    noted = await desk.client.post(path, data={"action": "note", "text": "the cable is out"}, headers=HERE)
    assert noted.status_code == 303
    page = await desk.client.get(path)
    assert "the cable is out" in page.text
    assert "/admin/runbooks/ApiDown" in page.text
    assert (await desk.client.post(path, data={"action": "note", "text": ""}, headers=HERE)).status_code == 422
    assert "What to do" in (await desk.client.get("/admin/runbooks/ApiDown")).text
    assert (await desk.client.get("/admin/runbooks/Nothing")).status_code == 404
    opened = await desk.client.post("/admin/incidents", data={"title": "odd answers"}, headers=HERE)
    assert opened.status_code == 409  # one is live already
    assert "post-mortem.md" in (await desk.client.get(f"{path}/post-mortem")).headers["content-disposition"]


async def test_the_watch_notes_parts_that_get_unwell_and_answers_that_degrade(desk: Desk) -> None:
    watch, service = desk.incidents.watch, desk.service
    watch.refresh()
    service.chain_metrics.served("core", degraded=False, items=100)
    watch.refresh()
    trouble: list[str] = ["it is gone"]
    service.parts.append(Part("table", lambda: trouble[0] if trouble else None))
    service.chain_metrics.served("average", degraded=True, items=100)
    service.chain_metrics.refused("core", "unreachable", items=100)
    watch.refresh()
    trouble.clear()
    service.chain_metrics.served("core", degraded=False, items=10_000)
    watch.refresh()
    incident_id = (await desk.tell({**alert(), "startsAt": datetime.now(UTC).isoformat()}))["small"]
    kinds = [one["kind"] for one in (await desk.one(incident_id))["time_line"]]
    assert set(kinds) == {"alert", "state", "started", "unwell", "degraded", "well", "full_quality"}


async def test_a_database_that_can_not_be_written_shows_as_unwell_and_nothing_is_forgotten(
    desk: Desk, tmp_path: Path
) -> None:
    watch = desk.incidents.watch
    with sqlite3.connect(tmp_path / "var" / "state.sqlite3") as other:
        other.execute("BEGIN IMMEDIATE")
        await asyncio.to_thread(watch.refresh)
        assert watch.trouble is not None
        other.rollback()
    other.close()
    await asyncio.to_thread(watch.refresh)
    assert watch.trouble is None
    told = (await desk.tell(alert("StateUnavailable")))["small"]
    await desk.do(told, "note")
    assert desk.incidents.store.live("small") is not None
