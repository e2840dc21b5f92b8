"""The report of a day, for operators: what was counted before a restart is in it, and only they can read it."""

from __future__ import annotations

from pathlib import Path

from tests.photostock.test_api import ADMIN, search, service


async def test_a_day_is_told_by_tables_to_programs_and_people_and_survives_a_restart(var_dir: Path) -> None:
    async with service(var_dir) as client:
        for _ in range(3):
            await search(client)
    async with service(var_dir) as client:
        assert (await client.get("/v1/admin/reports/2026-11-22")).status_code in (401, 403)
        assert (await client.get("/v1/admin/reports/yesterday", headers=ADMIN)).status_code == 404
        await client.post("/admin/login", data={"token": "operator-token"}, headers={"Sec-Fetch-Site": "same-origin"})
        listed = await client.get("/admin/reports")
        day = listed.text.split('href="/admin/reports/')[1][:10]
        told = (await client.get(f"/v1/admin/reports/{day}", headers=ADMIN)).json()
        page = await client.get(f"/admin/reports/{day}")
        empty = await client.get("/admin/reports/2020-01-01")
    tables = {table["name"]: table for table in told["tables"]}
    assert sum(row[1] for row in tables["tiers"]["rows"]) == 3
    assert tables["cost"]["rows"][0][1] > 0
    assert {"clicks_by_tier", "clicks_by_place", "use", "budgets", "reasons", "minutes"} <= tables.keys()
    assert page.status_code == 200
    assert "Items served by hour" in page.text
    assert empty.status_code == 200
