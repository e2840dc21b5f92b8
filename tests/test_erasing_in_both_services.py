"""Both services in one database and one folder: each forgets a person for itself, and the other keeps what it has."""

from __future__ import annotations

import io
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image
from sqlalchemy import insert

from common.erasing.person import Person
from common.erasing.whose import SERVICES, of_others, others_here, service_of
from common.erasing.work import Erasing
from common.state.database import open_state
from common.state.overrides import Override, OverrideStore
from common.versions.registry import Registry
from photostock.catalogue import Catalogue, Photo
from photostock.feedback.store import FeedbackStore, events
from photostock.settings import PhotoSettings
from supermegaretail.erasing import again
from supermegaretail.ledger import Ledger, arrivals
from supermegaretail.override_effects import told
from supermegaretail.settings import RetailSettings
from tests.photostock.test_erasing_again import opened as opened_photos
from tests.supermegaretail.test_erasing import opened as opened_retail

PERSON = "ann_7"
WISH = {"owner": "Eve", "reason": "wished by letter"}
TARGET = f"CA_1/{PERSON}"  # a product has the name of the person


@pytest.fixture
def var_dir(tmp_path: Path) -> Path:
    return tmp_path / "var"


def exif_of_the_person() -> bytes:
    out, exif = io.BytesIO(), Image.Exif()
    exif[0x013B] = PERSON
    Image.new("RGB", (8, 6)).save(out, "JPEG", exif=exif)
    return out.getvalue()


def filled(var_dir: Path, *, target: str = "CA_1/FOODS_3_090") -> str:
    """What both know of the person; the id of Supermegaretail's override."""
    state = open_state(PhotoSettings(var_dir=var_dir))
    Catalogue(state).add([
        Photo("p-1", title="harbour", photographer=PERSON),
        Photo(f"{PERSON}-beach", title="beach", photographer="bob"),
        Photo("others", title=f"with {PERSON} in front", photographer="bob"),
    ])  # fmt: skip
    FeedbackStore(state)
    click = {"at": "2026-11-20T12:00:00.000+00:00", "kind": "click", "photo_id": "others", "query": "harbour"}
    with state.begin() as connection:
        connection.execute(insert(events), [click | {"user_id": PERSON}, click | {"user_id": "bob"}])
    now = datetime.now(UTC)
    made: dict[str, Any] = {
        "owner": PERSON,
        "reason": f"{PERSON} knows",
        "ends_at": now + timedelta(days=3),
        "now": now,
    }
    OverrideStore(state, "photostock").add("others", {"boost": 2}, **made)
    one = OverrideStore(state, "supermegaretail").add(target, {"factor": 2}, ticket="T" * 194 + f" {PERSON}", **made)
    functions = {"labels": {"functions": [one.id]}}
    registry = Registry(RetailSettings(var_dir=var_dir).registry_dir)
    registry.publish("core", {"model": b"bytes"}, alias=None, training=functions)
    state.dispose()
    return one.id


def sold(var_dir: Path) -> None:
    """Sales of the product that has the name of the person, also in the table."""
    state = open_state(RetailSettings(var_dir=var_dir))
    Ledger(state)
    told.metadata.create_all(state)
    product = {"store": "CA_1", "sku": PERSON}
    with state.begin() as connection:
        value = {"date": "2016-04-24", "field": "sales", "value": "4", "arrival": 1}
        connection.execute(insert(arrivals), product | value)
        connection.execute(insert(told), product | {"override_id": "o", "day": "2016-04-24", "told": 1.0, "model": 1.0})
    pl.DataFrame([product]).write_parquet(_made(RetailSettings(var_dir=var_dir).table_path))
    state.dispose()


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def erased(service: str, var_dir: Path) -> Any:
    erasing: Erasing = opened_retail(var_dir) if service == "supermegaretail" else opened_photos(var_dir)[0]
    erasing.begin(PERSON, **WISH)
    [certificate] = erasing.finish([PERSON])
    erasing.engine.dispose()
    return certificate


def rows(var_dir: Path, table: str, where: str = "1") -> list[tuple[Any, ...]]:
    with sqlite3.connect(var_dir / "state.sqlite3") as database:
        return database.execute(f"SELECT * FROM {table} WHERE {where} ORDER BY 1, 2").fetchall()


def override(var_dir: Path, service: str) -> Override:
    state = open_state(RetailSettings(var_dir=var_dir))
    [one] = OverrideStore(state, service).in_force(now=datetime.now(UTC))
    state.dispose()
    return one


PHOTO_TABLES = ("photostock_photos", "photostock_vectors", "photostock_events", "photostock_revision")


def test_supermegaretail_changes_no_row_and_no_file_of_photostock(var_dir: Path) -> None:
    filled(var_dir)
    picture = _made(PhotoSettings(var_dir=var_dir).pictures_dir / "ab" / "picture.jpg")
    picture.write_bytes(exif_of_the_person())
    before = [rows(var_dir, table) for table in PHOTO_TABLES], rows(var_dir, "overrides", "scope = 'photostock'")
    certificate = erased("supermegaretail", var_dir)
    after = [rows(var_dir, table) for table in PHOTO_TABLES], rows(var_dir, "overrides", "scope = 'photostock'")
    assert after == before
    assert picture.read_bytes() == exif_of_the_person()
    assert certificate.state == "something_remains"
    assert any(note.startswith("what photostock has was left to it") for note in certificate.notes)


def test_photostock_changes_no_sale_and_no_override_of_supermegaretail(var_dir: Path) -> None:
    filled(var_dir, target=TARGET)
    sold(var_dir)
    tables = ("supermegaretail_arrivals", "override_answers")
    before = [rows(var_dir, table) for table in tables], rows(var_dir, "overrides", "scope = 'supermegaretail'")
    assert erased("photostock", var_dir).state == "something_remains"
    after = [rows(var_dir, table) for table in tables], rows(var_dir, "overrides", "scope = 'supermegaretail'")
    assert after == before
    assert pl.read_parquet(RetailSettings(var_dir=var_dir).table_path)["sku"].to_list() == [PERSON]
    assert erased("supermegaretail", var_dir).retrain
    kept = override(var_dir, "supermegaretail")
    assert (kept.target, kept.owner[:7]) == (TARGET, "erased-")
    assert [rows(var_dir, table) for table in tables] == before[0]


@pytest.mark.parametrize("order", [SERVICES, SERVICES[::-1]])
def test_whichever_is_asked_first_nothing_remains_when_both_were_and_the_first_once_more(
    var_dir: Path, order: tuple[str, str]
) -> None:
    filled(var_dir)
    first, second = order
    assert erased(first, var_dir).state == "something_remains"
    certificates = {second: erased(second, var_dir), first: erased(first, var_dir)}
    assert {name: one.state for name, one in certificates.items()} == dict.fromkeys(order, "finished")
    photos, retail = certificates["photostock"], certificates["supermegaretail"]
    assert (photos.removed["photostock_photos"], photos.removed["photostock_events"]) == (2, 1)
    assert [one["component"] for one in retail.retrain] == ["core"]
    assert len(rows(var_dir, "photostock_events")) == 1
    for service in SERVICES:
        assert override(var_dir, service).owner.startswith("erased-")
    assert [path for path in var_dir.rglob("*") if path.is_file() and PERSON.encode() in path.read_bytes()] == []


def test_a_pseudonym_makes_no_text_longer_than_its_column(var_dir: Path) -> None:
    filled(var_dir)
    erased("supermegaretail", var_dir)
    assert override(var_dir, "supermegaretail").ticket == "T" * 194 + " erase"


def test_a_copy_of_the_database_keeps_what_is_the_other_services_and_the_names_of_products(var_dir: Path) -> None:
    filled(var_dir, target=TARGET)
    sold(var_dir)
    copy = var_dir / "copy.sqlite3"
    with sqlite3.connect(var_dir / "state.sqlite3") as now, sqlite3.connect(copy) as other:
        now.backup(other)
    erased("supermegaretail", var_dir)
    with sqlite3.connect(copy) as database:
        photos = database.execute("SELECT id FROM photostock_photos ORDER BY id").fetchall()
        [sale] = database.execute("SELECT sku FROM supermegaretail_arrivals").fetchall()
        decisions = "SELECT scope, target, owner FROM overrides ORDER BY scope"
        [theirs, ours] = database.execute(decisions).fetchall()
    assert ([one for (one,) in photos], sale) == ([f"{PERSON}-beach", "others", "p-1"], (PERSON,))
    assert (theirs[2], ours[1], ours[2][:7]) == (PERSON, TARGET, "erased-")


def test_an_old_copy_of_the_database_gives_no_override_of_photostock_another_name(var_dir: Path) -> None:
    filled(var_dir)
    erasing = opened_retail(var_dir)
    state = erasing.engine
    person = Person(PERSON, erasing.store.person(PERSON))
    with state.begin() as connection:
        assert again(erasing.store)(connection, {person.hash: "2026-11-20"}) == 1
    state.dispose()
    assert override(var_dir, "photostock").owner == PERSON


def test_a_table_is_of_the_service_that_has_its_name_or_is_shared() -> None:
    assert [service_of(one) for one in ("photostock_photos", "override_answers", "overrides")] == [*SERVICES, None]
    assert of_others("photostock", ["photostock_photos", "overrides", told.name]) == {told.name}


def test_a_service_alone_is_told_of_no_other(tmp_path: Path) -> None:
    assert others_here("photostock", tmp_path, ["photostock_photos", "overrides"]) == []
