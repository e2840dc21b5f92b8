"""A table file that can't be read: the API starts and serves without it, and takes it in once it is mended."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from common.deadline import Deadline
from common.state.database import open_state
from common.state.joint_writes import JointWrites
from common.state.writes import Writes
from supermegaretail import book as book_module
from supermegaretail.book import SalesBook
from supermegaretail.columns import ImportProblem
from supermegaretail.contract import Plan, Sale
from supermegaretail.folding import fold
from supermegaretail.kept_tables import KeptTables
from supermegaretail.ledger import Arrived, Ledger
from supermegaretail.settings import RetailSettings
from supermegaretail.table import load_table, save_table
from supermegaretail.told_rows import BadRows
from tests.supermegaretail.conftest import LAST_DAY
from tests.supermegaretail.test_api import ALL, forecast, service
from tests.waiting import eventually

TOMORROW = LAST_DAY + timedelta(days=1)
BROKEN = b"PAR1 broken"
Replica = Callable[[], SalesBook]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "supermegaretail" / "sales.parquet"


@pytest.fixture
def damaged(path: Path) -> Path:
    path.parent.mkdir()
    path.write_bytes(BROKEN)
    return path


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(open_state(RetailSettings(var_dir=tmp_path)))


@pytest.fixture
def replica(path: Path, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Replica:
    monkeypatch.setattr(book_module, "AGAIN_S", 0.0)
    path.parent.mkdir()
    return lambda: SalesBook(path, ledger, KeptTables(tmp_path / "kept", most_bytes=2**30, most_days=30))


def sale(units: float, sku: str = "milk") -> Sale:
    return Sale(store="north", sku=sku, date=TOMORROW, sales=units)


def units(book: SalesBook, sku: str = "milk") -> float:
    one = book.history.panel.series[book.history.panel.places["north", sku]]
    return float(one.values[0, TOMORROW.toordinal() - one.first_day])


def test_started_over_a_damaged_table_a_book_serves_what_arrived_until_it_is_mended(
    replica: Replica, path: Path, table: pl.DataFrame, tmp_path: Path
) -> None:
    path.write_bytes(BROKEN)
    here, there = replica(), replica()
    for book in (here, there):
        book.refresh()
        assert "sales table can't be read" in (book.trouble or "")
        assert book.history.last_day is None
        assert book.lacks_table
    path.rename(tmp_path / "broken")
    for book in (here, there):  # as somebody does who mends it
        book.refresh()
        assert book.lacks_table
        assert "it is gone" in (book.trouble or "")
    path.write_bytes(BROKEN)
    for book in (here, there):
        book.refresh()
        assert book.lacks_table
    here.record_sales([sale(3)])
    assert there.refresh().sold == [("north", "milk", TOMORROW)]
    assert units(here) == units(there) == 3
    assert "sales table can't be read" in (there.trouble or "")
    assert not list((tmp_path / "kept").glob("*.parquet"))
    started = replica()
    assert started.refresh().reloaded
    assert units(started) == 3
    save_table(table, path)
    for book in (here, there, started):
        assert book.refresh().reloaded
        assert (book.trouble, len(book.history.panel.series), units(book)) == (None, 4, 3)
        assert not book.lacks_table


def test_a_table_that_is_damaged_later_leaves_what_is_known_in_force_and_the_others_writes_arrive(
    replica: Replica, path: Path, table: pl.DataFrame
) -> None:
    save_table(table, path)
    here, there = replica(), replica()
    here.refresh()
    there.refresh()
    path.write_bytes(BROKEN)
    there.record_sales([sale(4)])
    assert here.refresh().sold == [("north", "milk", TOMORROW)]
    assert "sales table can't be read" in (here.trouble or "")
    assert (len(here.history.panel.series), units(here)) == (4, 4)
    save_table(table, path)
    assert here.refresh().reloaded
    assert (here.trouble, units(here)) == (None, 4)


def test_a_table_that_is_gone_leaves_what_is_known_in_force_and_is_told(
    replica: Replica, path: Path, table: pl.DataFrame, tmp_path: Path
) -> None:
    save_table(table, path)
    book = replica()
    book.refresh()
    path.rename(tmp_path / "elsewhere")
    book.record_sales([sale(4)])
    assert not book.refresh().reloaded
    assert f"{path}: it is gone" in (book.trouble or "")
    assert (len(book.history.panel.series), units(book)) == (4, 4)
    assert not book.lacks_table
    (tmp_path / "elsewhere").rename(path)
    book.refresh()
    assert (book.trouble, len(book.history.panel.series), units(book)) == (None, 4, 4)


def test_a_table_that_cannot_be_read_for_a_moment_stays_kept(
    replica: Replica, path: Path, table: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(path: Path) -> pl.DataFrame:
        raise OSError(errno.EMFILE, "Too many open files")

    save_table(table, path)
    book = replica()
    for module, name in ((book_module, "load_table"), (pl, "read_parquet")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, failing)
            book.refresh()
        assert "Too many open files" in (book.trouble or "")
        assert len(list((tmp_path / "kept").glob("*.parquet"))) == 1
    book.refresh()
    assert book.trouble is None


def test_inputs_that_arrived_wait_for_the_places_that_the_table_gives_them(
    replica: Replica, path: Path, table: pl.DataFrame
) -> None:
    save_table(table.with_columns(x_rain=pl.lit(1.0, pl.Float32), x_snow=pl.lit(2.0, pl.Float32)), path)
    replica_before = replica()
    replica_before.refresh()
    replica_before.record_plans([Plan(store="north", sku="milk", date=TOMORROW, price=1.0, x_snow=3.0)])
    good = path.read_bytes()
    path.write_bytes(BROKEN)
    book = replica()
    book.refresh()
    assert (book.history.panel.x_names, list(book.history.panel.places)) == ((), [("north", "milk")])
    path.write_bytes(good)
    book.refresh()
    assert book.history.panel.x_names == replica_before.history.panel.x_names == ("x_rain", "x_snow")


def test_the_same_damaged_file_is_not_read_every_second(damaged: Path, ledger: Ledger) -> None:
    read: list[int] = []

    class Counting(Ledger):
        def read(self, *, after: int = 0) -> Arrived:
            read.append(after)
            return super().read(after=after)

    book = SalesBook(damaged, Counting(ledger._engine))
    for _ in range(5):
        book.refresh()
    assert read == [0]


async def test_a_further_input_that_the_damaged_table_may_have_is_no_mistake_of_the_callers_and_spoils_no_other(
    damaged: Path, ledger: Ledger
) -> None:
    book = SalesBook(damaged, ledger)
    book.refresh()
    bread, tea = (Plan(store="north", sku=sku, date=TOMORROW, price=1.0) for sku in ("bread", "tea"))
    rainy = Plan(store="north", sku="milk", date=TOMORROW, price=1.0, x_rain=1.0)
    writes = Writes(queue=16)
    joint = JointWrites(writes, book.record_plans, thing=lambda plan: plan.sku, bad=BadRows)
    deadline = Deadline.after_ms(10_000)
    with book._writer:  # so that the later ones are recorded together
        tasks = [asyncio.create_task(joint.run([plan], deadline=deadline)) for plan in (bread, rainy, tea)]
        await asyncio.sleep(0.1)
    became = await asyncio.gather(*tasks, return_exceptions=True)
    writes.close()
    assert [getattr(one, "status", one) for one in became] == [None, 503, None]  # sending it again is safe
    assert sorted(ledger.read().rows["sku"].to_list()) == ["bread", "tea"]


def test_a_fold_does_not_overwrite_a_damaged_table(replica: Replica, path: Path, ledger: Ledger) -> None:
    path.write_bytes(BROKEN)
    replica().record_sales([sale(4)])
    with pytest.raises(ImportProblem):
        fold(path, ledger)
    assert path.read_bytes() == BROKEN
    assert ledger.read().rows.height == 1


def test_bytes_at_which_the_reader_panics_are_a_damaged_file_like_any_other(
    tmp_path: Path, table: pl.DataFrame
) -> None:
    save_table(table, tmp_path / "sales.parquet")
    good, read = (tmp_path / "sales.parquet").read_bytes(), 0
    for place in range(len(good) - 400, len(good)):  # its description of itself
        (tmp_path / "damaged.parquet").write_bytes(good[:place] + bytes([good[place] ^ 0x55]) + good[place + 1 :])
        try:
            load_table(tmp_path / "damaged.parquet")
        except ImportProblem:
            continue
        read += 1
    assert read < 400


async def test_the_api_starts_over_a_damaged_table_says_so_and_is_well_again_once_it_is_mended(
    tmp_path: Path, damaged: Path, table: pl.DataFrame
) -> None:
    async with service(tmp_path) as client:
        answer = await forecast(client, ALL)
        assert {one["served_by"] for one in answer["forecasts"]} == {"constant"}
        assert "sales table can't be read" in (await client.get("/ready")).json()["parts"]["sales"]["reason"]
        assert 'part_unwell{part="sales"} 1.0' in (await client.get("/metrics")).text
        body = {"sales": [{"store": "north", "sku": "milk", "date": TOMORROW.isoformat(), "sales": 4.0}]}
        assert (await client.post("/v1/sales", json=body)).status_code == 201
        assert (await forecast(client, ALL[:1]))["forecasts"][0]["served_by"] == "moving_average"
        save_table(table, damaged)

        async def well() -> bool:
            return (await client.get("/ready")).json()["parts"]["sales"].get("reason") is None

        await eventually(well)
        answer = await forecast(client, ALL)
    assert {one["served_by"] for one in answer["forecasts"]} == {"moving_average"}
