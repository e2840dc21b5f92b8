"""Sales and plans in the state database, and how they get from there into the table file."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sqlalchemy import Engine, inspect, select, text

from common.command_line import main
from common.state.database import open_state
from supermegaretail.__main__ import parser
from supermegaretail.book import SalesBook, whole_table
from supermegaretail.contract import Plan, Sale
from supermegaretail.folding import fold
from supermegaretail.ledger import Counts, Ledger, Position, metadata, past_arrivals
from supermegaretail.series import CHANNELS
from supermegaretail.settings import RetailSettings
from supermegaretail.table import load_table, merge, save_table
from tests.supermegaretail.conftest import LAST_DAY

TOMORROW = LAST_DAY + timedelta(days=1)


def sale(units: float, day: date = TOMORROW, sku: str = "milk") -> Sale:
    return Sale(store="north", sku=sku, date=day, sales=units)


def plan(**fields: Any) -> Plan:
    return Plan(store="north", sku="milk", date=TOMORROW, **fields)


def imported(units: float, day: date = TOMORROW) -> pl.DataFrame:
    columns = {"store": ["north"], "sku": ["milk"], "date": [day], "sales": [units]}
    return pl.DataFrame(columns, schema_overrides={"sales": pl.Float32})


def units_of(table: pl.DataFrame) -> list[float]:
    return table.sort("store", "sku", "date")["sales"].to_list()


def shown(book: SalesBook, day: date = TOMORROW, *, channel: int = 0) -> float:
    """The units (or another channel) that the book knows for milk in the north."""
    one = book.history.panel.series[book.history.panel.places["north", "milk"]]
    return float(one.values[channel, day.toordinal() - one.first_day])


@pytest.fixture
def engine(database_url: str | None, tmp_path: Path) -> Iterator[Engine]:
    engine = open_state(RetailSettings(var_dir=tmp_path, database_url=database_url))
    yield engine
    metadata.drop_all(engine)
    engine.dispose()


@pytest.fixture
def ledger(engine: Engine) -> Ledger:
    return Ledger(engine)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sales.parquet"


def test_who_remembers_a_number_reads_only_what_came_later(ledger: Ledger) -> None:
    first = ledger.record_sales([sale(1)])
    second = ledger.record_plans([Plan(store="north", sku="milk", date=TOMORROW, price=2.0)])
    assert (first.number, second.number, ledger.counts()) == (1, 2, Counts(arrivals=2))
    later = ledger.read(after=first.number)
    assert (later.number, later.rows.select("sales", "price").rows()) == (2, [(None, 2.0)])
    assert ledger.read(after=2).rows.is_empty()
    assert ledger.read().rows.select("sales", "price").rows() == [(1.0, 2.0)]


def test_rows_of_one_day_in_one_request_are_merged_as_if_each_had_come_alone(ledger: Ledger) -> None:
    told = ledger.record_plans([plan(price=2.0), plan(promotion=1), plan(price=3.0)])
    assert told.rows.select("price", "promotion").rows() == [(3.0, 1)]
    assert ledger.read().rows.select("price", "promotion").rows() == [(3.0, 1)]


def test_what_is_sent_again_is_no_news_and_only_what_changed_is_kept_as_past(ledger: Ledger) -> None:
    days = [LAST_DAY + timedelta(days=ahead) for ahead in range(1, 5)]
    plans = [Plan(store=one, sku=one, date=day, price=2.0, promotion=1) for one in "abcd" for day in days]
    first = ledger.record_plans(plans)
    again = ledger.record_plans(plans)
    assert ledger.read(after=first.number).rows.is_empty()
    changed = ledger.record_plans([one.model_copy(update={"price": 3.0}) for one in plans])
    assert ledger.read(after=again.number).rows["price"].to_list() == [3.0] * 16
    assert ledger.read().rows.select("price", "promotion").unique().rows() == [(3.0, 1)]
    for number, price in ((first.number, 2.0), (again.number, 2.0), (changed.number, 3.0)):
        assert ledger.at(Position(applied=number))["price"].to_list() == [price] * 16
    with ledger._engine.connect() as connection:
        past = connection.execute(select(past_arrivals.c.field, past_arrivals.c.arrival)).all()
    assert past == [("price", first.number)] * 16


def test_a_field_that_is_told_as_null_is_unknown_again_everywhere(
    ledger: Ledger, path: Path, table: pl.DataFrame
) -> None:
    save_table(table, path)
    here, there = SalesBook(path, ledger), SalesBook(path, ledger)
    here.refresh()
    event, price = map(CHANNELS.index, ("event", "price"))
    here.record_plans([plan(event="Easter", category_1="food")])
    there.refresh()
    assert shown(here, channel=event) == shown(there, channel=event) > 0
    before = Position(applied=ledger.counts().arrivals)
    here.record_plans([plan(event=None, price=None, promotion=1)])  # the price is in the table file
    there.refresh()
    started = SalesBook(path, ledger)
    started.refresh()
    for book in (here, there, started):
        assert shown(book, channel=event) == 0
        assert math.isnan(shown(book, channel=price))
    assert merge(table, ledger.at(before)).filter(event="Easter").height == 1
    folded = fold(path, ledger).filter(store="north", sku="milk", date=TOMORROW)
    assert folded.select("event", "price", "promotion", "category_1").rows() == [(None, None, 1, "food")]
    here.record_plans([plan(price=1.5)])
    assert shown(here, channel=price) == 1.5


def test_replicas_that_write_at_once_get_different_numbers_and_a_reader_misses_no_write(engine: Engine) -> None:
    replicas, writes = [Ledger(engine) for _ in range(4)], 12
    seen: set[tuple[str, int]] = set()

    def write(number: int) -> list[int]:
        return [replicas[number].record_sales([sale(turn, sku=f"{number}-{turn}")]).number for turn in range(writes)]

    with ThreadPoolExecutor(4) as threads:
        running = [threads.submit(write, number) for number in range(4)]
        reader, after = Ledger(engine), 0
        while after < 4 * writes:
            arrived = reader.read(after=after)
            assert arrived.number >= after
            if arrived.rows.height:
                seen.update(arrived.rows.select("sku", "sales").rows())
            after = arrived.number
        numbers = [number for each in running for number in each.result()]
    assert sorted(numbers) == list(range(1, 4 * writes + 1))
    assert len(seen) == 4 * writes


def test_a_fold_brings_the_ledger_into_the_file_and_empties_it(ledger: Ledger, path: Path) -> None:
    ledger.record_sales([sale(1), sale(2, sku="bread")])
    assert units_of(fold(path, ledger)) == [2, 1]
    assert units_of(load_table(path)) == [2, 1]
    assert ledger.read().rows.is_empty()
    assert ledger.record_sales([sale(3)]).number == 2


def test_of_an_import_and_what_arrived_the_later_one_wins(ledger: Ledger, path: Path) -> None:
    ledger.record_sales([sale(1)])
    assert units_of(fold(path, ledger, imported(5))) == [5]
    ledger.record_sales([sale(7)])
    assert units_of(whole_table(path, ledger)) == [7]
    assert units_of(fold(path, ledger, imported(9))) == [9]
    assert units_of(whole_table(path, ledger)) == [9]


def test_replacing_the_table_keeps_what_arrived_unless_the_import_names_it(ledger: Ledger, path: Path) -> None:
    fold(path, ledger, imported(4, LAST_DAY))
    ledger.record_sales([sale(1), sale(2, sku="bread")])
    assert units_of(fold(path, ledger, imported(5), replace=True)) == [2, 5]


def test_a_crash_between_save_and_forget_loses_nothing(ledger: Ledger, path: Path) -> None:
    class Crash(BaseException):
        """Nobody catches it, like a SIGKILL."""

    class Dying(Ledger):
        def forget(self, *, until: int) -> None:
            raise Crash(until)

    ledger.record_sales([sale(1), sale(2, sku="bread")])
    with pytest.raises(Crash):
        fold(path, Dying(ledger._engine), imported(5))
    assert units_of(load_table(path)) == [2, 5]
    assert units_of(whole_table(path, ledger)) == [2, 1]  # the lesser evil: what arrived wins once more
    assert units_of(fold(path, ledger, imported(5))) == [2, 5]
    assert ledger.read().rows.is_empty()


def test_folds_at_once_wait_for_each_other(ledger: Ledger, path: Path) -> None:
    days = [TOMORROW + timedelta(days=ahead) for ahead in range(8)]

    def one(day: date) -> None:
        ledger.record_sales([sale(1, day, sku="bread")])
        fold(path, ledger, imported(5, day))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(one, days))
    assert units_of(load_table(path)) == [1] * 8 + [5] * 8


@pytest.mark.parametrize("look", ["before it", "after the save", "after it"])
def test_a_replica_is_right_after_a_fold_whenever_it_looked(
    ledger: Ledger, path: Path, table: pl.DataFrame, look: str
) -> None:
    save_table(table, path)
    book = SalesBook(path, ledger)
    book.refresh()

    class Watched(Ledger):
        def forget(self, *, until: int) -> None:
            looks("after the save")
            super().forget(until=until)

    def looks(moment: str) -> None:
        if moment == look:
            book.refresh()
            assert shown(book) in {1, 5}  # never without it

    ledger.record_sales([sale(1)])
    looks("before it")
    fold(path, Watched(ledger._engine), imported(5))
    looks("after it")
    book.refresh()
    assert shown(book) == 5
    assert not book.refresh().reloaded


def test_a_replica_hears_of_sales_and_plans_once_and_keeps_its_own(
    ledger: Ledger, path: Path, table: pl.DataFrame
) -> None:
    save_table(table, path)
    here, there = SalesBook(path, ledger), SalesBook(path, ledger)
    assert here.refresh().reloaded
    assert there.refresh().reloaded
    here.record_sales([sale(3)])
    here.record_plans([Plan(store="north", sku="bread", date=TOMORROW, price=1.0)])
    assert not here.refresh().sold
    there.record_sales([sale(4)])
    assert there.refresh().sold == [("north", "milk", TOMORROW)]  # its number came after two that it did not know
    assert there.refresh().sold == ()
    assert here.refresh().sold == [("north", "milk", TOMORROW)]
    assert shown(here) == shown(there) == 4


def test_another_database_is_read_from_its_beginning(tmp_path: Path, path: Path, table: pl.DataFrame) -> None:
    save_table(table, path)
    engine = open_state(RetailSettings(var_dir=tmp_path))
    ledger = Ledger(engine)
    book = SalesBook(path, ledger)
    book.record_sales([sale(1)])
    book.record_sales([sale(2)])
    book.refresh()
    with engine.begin() as connection:  # as when a backup is put back
        connection.execute(text("UPDATE supermegaretail_arrival_counts SET arrivals = 1"))
        connection.execute(text("UPDATE supermegaretail_arrivals SET arrival = 1, value = '6'"))
    assert book.refresh().reloaded
    assert shown(book) == 6
    engine.dispose()


def test_what_a_database_from_before_the_numbers_holds_is_taken_over_once(engine: Engine, path: Path) -> None:
    with engine.begin() as connection:
        for name, field, value in (("plans", "sales", 1), ("plans", "price", 2), ("sales", "sales", 3)):
            key = "store VARCHAR(200), sku VARCHAR(200), date VARCHAR(10), field VARCHAR(64), value TEXT"
            connection.execute(text(f"CREATE TABLE IF NOT EXISTS supermegaretail_{name} ({key})"))
            row = f"('north', 'milk', '{TOMORROW}', '{field}', '{value}')"
            connection.execute(text(f"INSERT INTO supermegaretail_{name} VALUES {row}"))
    for _ in range(2):
        ledger = Ledger(engine)
        assert ledger.read().rows.select("sales", "price").rows() == [(3, 2)]
        assert ledger.counts() == Counts(arrivals=2)
    assert ledger.at(Position(applied=1))["sales"].to_list() == [1]
    for units in (4, 5):
        ledger.record_sales([sale(units)])
    assert units_of(fold(path, ledger)) == [5]
    assert not inspect(engine).has_table("supermegaretail_sales")


def test_fold_is_a_command_that_says_what_it_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VAR_DIR", str(tmp_path))
    run: Callable[[], int] = lambda: main(parser(), ["data", "fold"])  # noqa: E731
    assert run() == 1
    assert "nothing to fold" in capsys.readouterr().err
    ledger = Ledger(open_state(RetailSettings()))
    ledger.record_sales([sale(1)])
    assert run() == 0
    assert "1 rows, 1 series" in capsys.readouterr().out
    assert ledger.read().rows.is_empty()
