"""Two forecasters side by side: the report where the truth is known, and the page where a person decides."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest

from common.command_line import Failed
from common.releases.gate import Finding
from common.releases.proposing import SAMPLES, Proposal, candidate_of, propose
from common.releases.review import report_of
from common.state.database import open_state
from common.versions.registry import Registry
from supermegaretail.evaluation.outcome import outcome
from supermegaretail.history import SalesHistory
from supermegaretail.releases import desk_over
from supermegaretail.releasing import auto
from supermegaretail.review.both import Both
from supermegaretail.review.command import review
from supermegaretail.review.report import reviewed, samples, seen_days
from supermegaretail.settings import RetailSettings
from supermegaretail.training import train
from tests.supermegaretail.conftest import LAST_DAY, small_table
from tests.supermegaretail.test_api import service

FROM_HERE = {"Sec-Fetch-Site": "same-origin"}
TODAY = datetime.now(UTC).date()
CLOSED = ",".join((TODAY + timedelta(days=ahead)).isoformat() for ahead in (-1, 0, 1))  # whatever the hour, a holiday
ATTACK = "<script>alert(1)</script>"


def chain(*, items: int = 30) -> SalesHistory:
    """Items that sell 10 a day, half of them in either store; every fifth day is a promotion."""
    rows = [
        (f"store-{item % 2}", f"sku-{item:02}", LAST_DAY - timedelta(days=back), 10.0, float(back % 5 == 0), "food")
        for item in range(items)
        for back in range(90)
    ]
    names = ["store", "sku", "date", "sales", "promotion", "category_1"]
    types = {"sales": pl.Float32, "promotion": pl.Int8}
    table = pl.DataFrame(rows, schema=names, orient="row", schema_overrides=types)
    return SalesHistory.build(table.sort("store", "sku", "date"))


def both(*, candidate_of_store_1: float, candidate: float = 10.0) -> Both:
    """The champion says 10, which is true; the candidate what the arguments say."""
    happened = outcome(chain(), as_of=LAST_DAY - timedelta(days=14), horizon_days=14)
    n = len(happened.items)
    stores = np.array([store for store, _ in happened.items])
    made = np.where(stores[:, None] == "store-1", candidate_of_store_1, candidate) * np.ones((n, 14))
    return Both(happened, np.full((n, 14), 10.0), made, np.ones(n, bool), np.ones(n, bool))


def test_what_got_worse_in_one_store_is_told_by_slice_and_drawn() -> None:
    asked = [both(candidate_of_store_1=12.0)]

    report = report_of(reviewed(asked, champion="1.0.0", candidate="1.1.0", categories={}))

    assert (report["outcome"], report["regressed"], report["unchanged"]) == ("fail", 15, 15)
    by_name = {one["name"]: one for one in report["slices"]}
    assert (by_name["store store-1"]["champion"], by_name["store store-1"]["candidate"]) == (0.0, pytest.approx(0.2))
    assert by_name["store store-0"]["difference"] == 0
    assert by_name["promotion days"]["difference"] == pytest.approx(0.1)
    worst = report["worst"][0]
    assert (worst["store"], worst["units_sold"], worst["candidate_error"]) == ("store-1", 140.0, 28.0)
    assert (worst["sold"], worst["candidate"]) == ([10.0] * 14, [12.0] * 14)
    assert len(worst["before"]) == 28
    assert worst["promotion_days"] == [4, 9, 14]
    assert report["best"] == []
    bias = next(one for one in report["measures"] if one["better"] == "near zero")
    assert bias["candidate"] == pytest.approx(0.1)


def test_every_forecast_is_a_line_with_its_verdict() -> None:
    told = list(samples([both(candidate_of_store_1=12.0)]))

    assert len(told) == 30
    assert {one["verdict"] for one in told if one["store"] == "store-1"} == {"regressed"}
    assert {one["verdict"] for one in told if one["store"] == "store-0"} == {"unchanged"}


def test_days_that_were_not_reported_count_for_neither() -> None:
    whole = both(candidate_of_store_1=12.0)
    sold = whole.outcome.sold.copy()
    sold[0] = np.nan

    pairs = replace(whole, outcome=replace(whole.outcome, sold=sold)).pairs()

    assert len(pairs.weight) == 29


def test_a_version_that_has_learnt_from_the_days_is_doubted() -> None:
    days = [date(2026, 5, 1), date(2026, 6, 1)]

    told = seen_days(days, {"1.0.0": "2026-05-01", "1.1.0": "2026-05-15", "1.2.0": None})

    assert [line.split(" has")[0] for line in told] == ["1.1.0", "1.2.0"]
    assert "1 of 2" in told[0]


def _trained(var_dir: Path) -> Registry:
    registry = Registry(var_dir / "registry")
    table = small_table(days=220)
    train(table, registry, rows=1_000, threads=1)
    train(table, registry, rows=1_000, threads=1, seed=2, promote=False)
    return registry


def test_a_second_training_is_a_candidate_that_is_proposed_with_its_report(tmp_path: Path) -> None:
    registry = _trained(tmp_path)
    assert (registry.resolve("core", "champion"), registry.versions("core")) == ("1.0.0", ["1.0.0", "1.1.0"])
    settings = RetailSettings.model_validate({"var_dir": tmp_path})
    state = open_state(settings)

    proposal = review(registry, small_table(days=220), "core", None)
    release = propose(
        desk_over(state, settings), proposal, who="ann", why="another seed", releases_dir=settings.releases_dir
    )
    state.dispose()

    assert (release.from_version, release.to_version) == ("1.0.0", "1.1.0")
    assert release.report["outcome"] != "pass"  # both have seen the days
    lines = (settings.releases_dir / release.id / SAMPLES).read_text().splitlines()
    assert len(lines) == 9


def test_without_a_champion_or_a_candidate_there_is_nothing_to_propose(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "registry")
    with pytest.raises(Failed, match="train"):
        candidate_of(registry, "core", None)
    registry.publish("core", {"model": b"one"}, alias="champion")
    with pytest.raises(Failed, match="beside the champion"):
        candidate_of(registry, "core", None)


def _proposed(
    var_dir: Path,
    *,
    who: str = "ann",
    why: str = "newer sales",
    component: str = "core",
    report: Mapping[str, Any] | None = None,
) -> str:
    """A release of a made-up pair of versions; its id."""
    settings = RetailSettings.model_validate({"var_dir": var_dir})
    registry = Registry(settings.registry_dir)
    registry.publish("core", {"model": b"one"}, alias="champion")
    registry.publish("core", {"model": b"two"}, alias=None)
    told = report_of(
        reviewed([both(candidate_of_store_1=12.0)], champion="1.0.0", candidate="1.1.0", categories={}, facts=[ATTACK])
    )
    state = open_state(settings)
    release = propose(
        desk_over(state, settings),
        Proposal(component, "1.1.0", report or told, ()),
        who=who,
        why=why,
        releases_dir=settings.releases_dir,
    )
    state.dispose()
    return release.id


async def _signed_in(client: httpx.AsyncClient) -> None:
    answer = await client.post("/admin/login", data={"token": "operator-token"}, headers=FROM_HERE)
    assert answer.status_code == 303


async def _press(client: httpx.AsyncClient, release_id: str, action: str, **fields: str) -> httpx.Response:
    form = {"action": action, "who": "bob", "why": "looked at all of it", **fields}
    return await client.post(f"/admin/releases/{release_id}", data=form, headers=FROM_HERE)


async def test_a_person_reads_the_summary_sees_the_curves_and_decides(tmp_path: Path) -> None:
    release_id = _proposed(tmp_path)
    async with service(tmp_path, release_hours="always") as client:
        assert (await client.get(f"/admin/releases/{release_id}")).status_code == 303  # to the sign-in
        await _signed_in(client)
        listed = (await client.get("/admin/releases")).text
        page = (await client.get(f"/admin/releases/{release_id}")).text
        approved = await _press(client, release_id, "approve")
        after = (await client.get(approved.headers["location"])).text
        unknown = await client.get("/admin/releases/nobody")

    assert "core 1.1.0" in listed
    assert "waits for a decision" in listed
    assert "1.1.0 is worse than 1.0.0: its error is 10.0 % instead of 0.0 %." in page
    assert page.count('<svg viewBox="0 0 480 270"') == 6
    assert "store store-1" in page
    assert "Approved. It gets no traffic until somebody starts it." in after
    assert re.search(r"approved</strong> by bob: looked at all of it", after)
    assert unknown.status_code == 404


async def test_what_the_gates_of_an_automatic_release_found_is_on_its_page(tmp_path: Path) -> None:
    findings = (
        Finding("accuracy", True, "WAPE 0.300"),
        Finding("bias", False, "+9 %"),
        Finding("shift", None, "+11 %"),
    )
    release_id = _proposed(tmp_path, report=auto.report_of(findings))
    async with service(tmp_path, release_hours="always") as client:
        await _signed_in(client)
        page = (await client.get(f"/admin/releases/{release_id}")).text

    results = re.findall(r'<th scope="row">(\w+)</th><td class="\w+">(\w+)</td>', page)
    assert results == [("accuracy", "passed"), ("bias", "failed"), ("shift", "inconclusive")]
    assert "1 of 3 gates are open" in page
    assert "<li>bias: +9 %</li>" in page


async def test_at_a_bad_moment_the_objection_is_shown_and_a_reason_overrules_it(tmp_path: Path) -> None:
    release_id = _proposed(tmp_path)
    async with service(tmp_path, release_holidays=CLOSED) as client:
        await _signed_in(client)
        page = (await client.get(f"/admin/releases/{release_id}")).text
        refused = await _press(client, release_id, "start")
        started = await _press(client, release_id, "start", insist="the old one is broken")
        after = (await client.get(f"/admin/releases/{release_id}")).text

    assert "This is no good moment for it" in page
    assert refused.status_code == 409
    assert "a holiday" in refused.text
    assert 'name="insist"' in refused.text
    assert 'value="looked at all of it"' in refused.text  # nothing has to be typed twice
    assert started.status_code == 303
    assert "the old one is broken" in after
    assert "of the traffic" in after


async def test_a_form_without_a_reason_or_from_elsewhere_changes_nothing(tmp_path: Path) -> None:
    release_id = _proposed(tmp_path)
    async with service(tmp_path, release_hours="always") as client:
        await _signed_in(client)
        reasonless = await _press(client, release_id, "approve", why="")
        odd = await _press(client, release_id, "explode")
        elsewhere = await client.post(
            f"/admin/releases/{release_id}", data={"action": "approve"}, headers={"Sec-Fetch-Site": "cross-site"}
        )
        page = (await client.get(f"/admin/releases/{release_id}")).text

    assert (reasonless.status_code, odd.status_code, elsewhere.status_code) == (422, 422, 403)
    assert 'aria-invalid="true"' in reasonless.text
    assert "waits for a decision" in page


async def test_names_comments_and_reports_can_not_carry_scripts(tmp_path: Path) -> None:
    release_id = _proposed(tmp_path, who=ATTACK, why=ATTACK)
    async with service(tmp_path, release_holidays=CLOSED) as client:
        await _signed_in(client)
        refused = await _press(client, release_id, "start", who=ATTACK, why=f'"{ATTACK}')
        await _press(client, release_id, "reject", who=ATTACK, why=ATTACK)
        page = (await client.get(f"/admin/releases/{release_id}")).text

    assert "<script" not in refused.text + page
    assert page.count("&lt;script&gt;") >= 4


async def test_a_frozen_component_is_told_and_thawed_with_a_name_and_a_reason(tmp_path: Path) -> None:
    release_id = _proposed(tmp_path)
    settings = RetailSettings.model_validate({"var_dir": tmp_path})
    state = open_state(settings)
    desk_over(state, settings).freeze("core", "bias of 9 % since Monday")
    state.dispose()
    async with service(tmp_path, release_hours="always") as client:
        await _signed_in(client)
        listed = (await client.get("/admin/releases")).text
        refused = await _press(client, release_id, "start")
        thawed = await client.post(
            "/admin/releases/frozen/core", data={"who": "bob", "why": "it was a stock-out"}, headers=FROM_HERE
        )
        nameless = await client.post("/admin/releases/frozen/core", data={"who": ""}, headers=FROM_HERE)

    assert "bias of 9 % since Monday" in listed
    assert refused.status_code == 409
    assert (thawed.status_code, nameless.status_code) == (303, 422)


async def test_the_report_is_there_as_json(tmp_path: Path) -> None:
    release_id = _proposed(tmp_path)
    async with service(tmp_path) as client:
        headers = {"Authorization": "Bearer operator-token"}
        told: dict[str, Any] = (await client.get(f"/v1/admin/releases/{release_id}", headers=headers)).json()

    assert told["report"]["worst"][0]["candidate"] == [12.0] * 14


def test_the_command_proposes_one_of_the_components_that_can_be_compared() -> None:
    from supermegaretail.__main__ import parser

    with pytest.raises(SystemExit):
        parser().parse_args(["release", "propose", "api", "--why", "no"])
    parsed: argparse.Namespace = parser().parse_args(["release", "propose", "core", "1.1.0", "--why", "newer"])
    assert (parsed.component, parsed.version) == ("core", "1.1.0")
