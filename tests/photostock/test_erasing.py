"""A person is forgotten everywhere: nothing of theirs is found under VAR_DIR, and nobody else loses anything."""

from __future__ import annotations

import asyncio
import gzip
import io
import itertools
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from sqlalchemy import create_engine, text

from common.erasing.work import ONE_MACHINE
from photostock.app import create_app
from photostock.settings import PhotoSettings
from tests.postgres_server import postgres_server

ADMIN = {"Authorization": "Bearer operator-token"}
PERSON, PHOTOGRAPHER = "person_4711", "Zoë O'Hara-77"
SLOWLY = {"X-Timeout-Ms": "30000"}


def wish(user_id: str) -> dict[str, str]:
    return {"user_id": user_id, "owner": "Eve", "reason": "wished by letter"}


@asynccontextmanager
async def serving(var_dir: Path, database_url: str | None = None) -> AsyncIterator[tuple[httpx.AsyncClient, Any]]:
    settings = PhotoSettings(
        var_dir=var_dir, admin_token="operator-token", feedback_days=3_650, database_url=database_url
    )
    app = create_app(settings, raise_bugs=True)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://photos", headers=SLOWLY) as client,
    ):
        yield client, app.state.engine


def picture(seed: int) -> bytes:
    out = io.BytesIO()
    Image.effect_noise((64, 48), 40 + seed).convert("RGB").save(out, "JPEG")
    return out.getvalue()


async def filled(client: httpx.AsyncClient) -> None:
    photos: list[dict[str, Any]] = [
        {"id": "theirs-1", "title": "harbour at dawn", "photographer": PHOTOGRAPHER},
        {
            "id": "others-1",
            "title": "harbour at night",
            "description": f"with {PERSON} in front",
            "photographer": "Bob",
            "tags": ["night", PERSON],
        },
        {"id": "others-2", "title": "harbour at noon", "photographer": "Bob"},
    ]
    assert (await client.post("/v1/photos", json={"photos": photos})).status_code == 201
    for seed, photo in enumerate(photos):
        headers = {"Content-Type": "image/jpeg"}
        put = await client.put(f"/v1/photos/{photo['id']}/image", content=picture(seed), headers=headers)
        assert put.status_code == 201
    event = {"query": "harbour", "photo_id": "others-1", "kind": "click", "at": "2026-11-20T12:00:00Z"}
    events = [
        event | {"user_id": user, "photo_id": f"p{n}"} for n in range(20) for user in (PERSON, f"{PERSON}2", "bob")
    ]
    events.append(event | {"user_id": "bob", "photo_id": "theirs-1", "query": f"photos of {PERSON}"})
    assert (await client.post("/v1/feedback", json={"events": events})).status_code == 201


def rows_naming(var_dir: Path, wanted: bytes) -> list[Path]:
    return [path for path in var_dir.rglob("*") if path.is_file() and wanted in path.read_bytes()]


async def erased(client: httpx.AsyncClient, user_id: str) -> dict[str, Any]:
    for _ in range(5):
        answer = await client.post("/v1/admin/erasures", json=wish(user_id), headers=ADMIN)
        if answer.status_code != 503:  # while the file is written anew nobody can write
            break
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def count(var_dir: Path, table: str, where: str = "1") -> int:
    with sqlite3.connect(var_dir / "state.sqlite3") as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table} WHERE {where}").fetchone()[0])


async def test_a_photographer_goes_with_every_byte_and_everybody_else_stays(var_dir: Path) -> None:
    async with serving(var_dir) as (client, _):
        await filled(client)
        files = {path.read_bytes() for path in (var_dir / "photostock" / "pictures").glob("*/*.jpg")}
        certificate = (await erased(client, PHOTOGRAPHER))["certificate"]
        assert certificate["state"] == "finished", certificate
        assert certificate["removed"]["photostock_photos"] == 1
        assert certificate["others_before"] == certificate["others_after"]
        left = {path.read_bytes() for path in (var_dir / "photostock" / "pictures").glob("*/*.jpg")}
        [gone] = files - left
        assert rows_naming(var_dir, gone[200:264]) == []
        assert rows_naming(var_dir, PHOTOGRAPHER.encode()) == []
        assert rows_naming(var_dir, b"harbour at dawn") == []
        assert (await client.get("/v1/photos/theirs-1")).status_code == 404
        found = (await client.get("/v1/search", params={"query": "harbour"})).json()["results"]
        assert {photo["id"] for photo in found} == {"others-1", "others-2"}


async def test_an_id_is_in_no_file_and_no_text_and_a_longer_id_is_not_touched(var_dir: Path) -> None:
    async with serving(var_dir) as (client, _):
        await filled(client)
        answer = await erased(client, PERSON)
        assert (answer["events_erased"], answer["certificate"]["others_after"]["photostock_events"]) == (20, 41)
        assert count(var_dir, "photostock_events", f"user_id = '{PERSON}2'") == 20
        assert count(var_dir, "photostock_events", "query LIKE 'photos of erased-%'") == 1
        assert (await client.get("/v1/photos/others-1")).status_code == 200
        assert (await erased(client, f"{PERSON}2"))["certificate"]["state"] == "finished"
    assert rows_naming(var_dir, PERSON.encode()) == []


async def test_erased_photos_cannot_come_back(var_dir: Path) -> None:
    async with serving(var_dir) as (client, _):
        await filled(client)
        await erased(client, PHOTOGRAPHER)
        photos = [{"id": "new", "title": "a"}, {"id": "theirs-1", "title": "harbour"}]
        refused = await client.post("/v1/photos", json={"photos": photos})
        assert refused.status_code == 409
        assert "photos.1" in refused.json()["detail"]
        assert (await client.post("/v1/photos", json={"photos": photos[:1]})).status_code == 201


async def test_a_database_put_back_from_a_copy_forgets_again(var_dir: Path, tmp_path: Path) -> None:
    async with serving(var_dir) as (client, _):
        await filled(client)
    shutil.copy(var_dir / "state.sqlite3", tmp_path / "copy")
    async with serving(var_dir) as (client, _):
        await erased(client, PHOTOGRAPHER)
        await erased(client, PERSON)
    shutil.copy(tmp_path / "copy", var_dir / "state.sqlite3")
    async with serving(var_dir) as (client, _):
        assert (await client.get("/v1/photos/theirs-1")).status_code == 404
        assert (await client.get("/v1/photos/others-2")).status_code == 200
        again = await client.post("/v1/photos", json={"photos": [{"id": "theirs-1", "title": "harbour"}]})
        assert again.status_code == 409
    assert count(var_dir, "photostock_events", f"user_id = '{PERSON}'") == 0
    assert count(var_dir, "photostock_events") == 41


async def test_copies_and_exports_under_var_dir_are_cleaned(var_dir: Path) -> None:
    async with serving(var_dir) as (client, _):
        await filled(client)
        backups = var_dir / "backups"
        backups.mkdir()
        with sqlite3.connect(var_dir / "state.sqlite3") as now, sqlite3.connect(backups / "old.sqlite3") as copy:
            now.backup(copy)
        lines = "".join(
            json.dumps({"user": user, "n": n}) + "\n" for n, user in enumerate((PERSON, "bob", PERSON + "2"))
        )
        (backups / "export.jsonl").write_text(lines)
        (backups / "export.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
        (backups / "report.html").write_text(f"<p>{PERSON} and bob</p>")
        certificate = (await erased(client, PERSON))["certificate"]
        assert certificate["state"] == "finished", certificate
        assert (backups / "export.jsonl").read_text().count("\n") == 2
        assert gzip.decompress((backups / "export.jsonl.gz").read_bytes()).decode().count("bob") == 1
        assert "and bob" in (backups / "report.html").read_text()
        with sqlite3.connect(backups / "old.sqlite3") as copy:
            assert copy.execute("SELECT count(*) FROM photostock_events").fetchone()[0] == 41


async def test_operators_pages_show_the_certificate_and_never_the_id(var_dir: Path) -> None:
    async with serving(var_dir) as (client, _):
        await filled(client)
        here = {"Origin": "http://photos"}
        await client.post("/admin/login", data={"token": "operator-token"}, headers=here)
        form = {"user_id": PERSON, "reason": "wished by letter"}
        done = await client.post("/admin/erasures", data=form, headers=here)
        assert (done.status_code, PERSON in done.headers["location"]) == (303, False)
        page = await client.get(done.headers["location"])
        assert "nothing remains" in page.text
        listed = await client.get("/admin/erasures")
        wrong = await client.post("/admin/erasures", data=form | {"reason": f"{PERSON} wrote"}, headers=here)
        assert (listed.status_code, wrong.status_code) == (200, 422)
        assert PERSON not in page.text + listed.text
        audit = await client.get("/v1/admin/audit", headers=ADMIN)
        assert PERSON not in audit.text


async def test_an_audit_log_that_named_the_person_is_sealed_anew_and_says_so(var_dir: Path) -> None:
    async with serving(var_dir) as (client, _):
        await filled(client)
        hint = {"when": "dog", "then": "puppy", "owner": PERSON, "reason": f"{PERSON} asked for it"}
        assert (await client.post("/v1/admin/hints", json=hint, headers=ADMIN)).status_code == 201
        assert (await erased(client, PERSON))["certificate"]["state"] == "finished"
        entries = (await client.get("/v1/admin/audit", headers=ADMIN)).json()["entries"]
        assert "audit.sealed_anew" in [entry["action"] for entry in entries]
        assert any("erased-" in json.dumps(entry) for entry in entries)
    verified = ran(var_dir, "-m", "common", "audit", "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr


async def test_people_who_are_erased_together_have_their_own_counts(var_dir: Path) -> None:
    async with serving(var_dir) as (client, _):
        await filled(client)
        answers = await asyncio.gather(*(erased(client, one) for one in (PERSON, f"{PERSON}2", PHOTOGRAPHER)))
        hashes = [answer["certificate"]["person"] for answer in answers]
        listed = [(await client.get(f"/v1/admin/erasures/{one}", headers=ADMIN)).json() for one in hashes]
        removed = [(one["removed"].get("photostock_events"), one["removed"].get("photostock_photos")) for one in listed]
        assert removed == [(20, None), (20, None), (None, 1)]
        assert {one["state"] for one in listed} == {"finished"}


async def test_who_has_a_longer_id_and_writes_all_the_time_is_not_taken_for_the_person(var_dir: Path) -> None:
    async with serving(var_dir) as (client, _):
        await filled(client)
        erasing = asyncio.create_task(erased(client, PERSON))
        event = {"query": "harbour", "photo_id": "p", "kind": "click", "user_id": f"{PERSON}2"}
        numbers = itertools.count()
        while not erasing.done():
            events = [event | {"at": f"2026-11-20T13:00:00.{next(numbers) % 1000:03}Z"}]
            assert (await client.post("/v1/feedback", json={"events": events})).status_code in (201, 503)
        certificate = (await erasing)["certificate"]
        assert certificate["state"] == "finished", certificate


async def test_postgresql_forgets_alike_and_its_tables_have_no_byte_of_it(var_dir: Path) -> None:
    with postgres_server() as url:
        async with serving(var_dir, url) as (client, _):
            await filled(client)
            for person in (PERSON, PHOTOGRAPHER):
                certificate = (await erased(client, person))["certificate"]
                assert (certificate["state"], certificate["notes"]) == ("finished", [ONE_MACHINE]), certificate
            other = (await client.get("/v1/photos/others-1")).json()
            assert (len(other["tags"]), PERSON in json.dumps(other), "erased-" in other["description"]) == (
                2,
                False,
                True,
            )
        engine = create_engine(url)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("CHECKPOINT"))
            data = Path(connection.execute(text("SHOW data_directory")).scalar_one())
            left = connection.execute(text("SELECT count(*) FROM photostock_events")).scalar_one()
        engine.dispose()
        named = [path for path in (data / "base").rglob("*") if path.is_file() and theirs_in(path.read_bytes())]
    assert (left, named) == (41, [])


def theirs_in(content: bytes) -> bool:
    return PERSON.encode() in content.replace(f"{PERSON}2".encode(), b"") or PHOTOGRAPHER.encode() in content


def ran(var_dir: Path, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"VAR_DIR": str(var_dir)}
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, env=environment, check=False, timeout=60, capture_output=True, text=True, input=typed
    )


KILLED = """
import os, signal, sys
from common.erasing import work
def killed(*_args, **_more):
    os.kill(os.getpid(), signal.SIGKILL)
setattr(work if sys.argv[1] in ("cleaned", "compact_tables") else work.Erasing, sys.argv[1], killed)
from photostock.erasing import open_erasing
erasing = open_erasing()
erasing.begin(sys.argv[2], owner="Eve", reason="wished by letter")
erasing.finish([sys.argv[2]])
"""


@pytest.mark.parametrize("step", ["_cleaned", "_proof", "cleaned"])
async def test_a_kill_in_the_middle_is_known_and_made_good(var_dir: Path, step: str) -> None:
    async with serving(var_dir) as (client, _):
        await filled(client)
    killed = ran(var_dir, "-c", KILLED, step, PHOTOGRAPHER)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    erase = ("-m", "common", "erase", "photostock")
    assert "give the id again" in ran(var_dir, *erase, "--pending").stdout
    done = ran(var_dir, *erase, "--owner", "Eve", "--reason", "wished by letter", typed=PHOTOGRAPHER)
    assert (done.returncode, "finished" in done.stdout) == (0, True), done.stdout + done.stderr
    assert ran(var_dir, *erase, "--pending").stdout == ""
    assert len(list((var_dir / "photostock" / "pictures").glob("*/*.jpg"))) == 2
    assert rows_naming(var_dir, PHOTOGRAPHER.encode()) == []
