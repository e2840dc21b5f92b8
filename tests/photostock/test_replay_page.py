"""The pages of replays: found by a request id, the same bytes, and what it would have been."""

from __future__ import annotations

from pathlib import Path

from tests.photostock.test_replays import pinned, service

HERE = {"Sec-Fetch-Site": "same-origin"}


async def test_an_answer_is_made_again_on_a_page_and_a_decision_left_out_by_a_click(var_dir: Path) -> None:
    async with service(var_dir) as client:
        made = await client.post("/v1/admin/overrides", json=pinned("park-dog"))
        asked = {"query": "dog", "explain": "true"}
        await client.get("/v1/search", params=asked, headers={"X-Request-ID": "one"})
        assert (await client.get("/admin/replays/one")).status_code == 303  # to the sign-in
        await client.post("/admin/login", data={"token": "operator-token"}, headers=HERE)
        listed = await client.get("/admin/replays")
        found = await client.get("/admin/replays", params={"request_id": " one "})
        page = await client.get(found.headers["location"])
        click = f"/admin/replays/one?without=override%3D{made.json()['id']}"
        without = await client.get(click)
        refused = await client.get("/admin/replays/one", params={"with": "camera=2"})
        as_caller = await client.get("/admin/replays/one", params={"as": "anonymous", "with": "", "without": ""})
        unknown = await client.get("/admin/replays/nobody", headers={"Accept": "text/html"})
    assert '/admin/replays/one"' in listed.text
    assert (found.status_code, found.headers["location"]) == (303, "/admin/replays/one")
    assert "The same bytes" in page.text
    assert "park-dog" in page.text.partition("<summary>The answer</summary>")[2]
    assert click in page.text
    assert "/admin/answers/one" in page.text
    assert "With this difference: " in without.text
    assert "no difference" not in without.text
    assert refused.status_code == 422
    assert "That can't be tried" in refused.text
    assert "The same bytes" in refused.text
    assert "The same request now, as that caller: " in as_caller.text
    assert unknown.status_code == 404
