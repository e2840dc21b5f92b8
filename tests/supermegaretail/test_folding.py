"""What is told while a fold runs stays in the ledger, and a fold that ends half-way leaves all as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import polars as pl
import pytest
from sqlalchemy import insert

from common.state.database import open_state
from supermegaretail import folding
from supermegaretail.book import SalesBook, whole_table
from supermegaretail.folding import fold
from supermegaretail.ledger import Counts, Ledger, Position, metadata, past_arrivals
from supermegaretail.settings import RetailSettings
from supermegaretail.table import load_table, save_table
from tests.supermegaretail.test_ledger import TOMORROW, imported, sale, units_of

OnSave = Callable[[Callable[[], Any]], None]


@pytest.fixture
def ledger(database_url: str | None, tmp_path: Path) -> Iterator[Ledger]:
    engine = open_state(RetailSettings(var_dir=tmp_path, database_url=database_url))
    yield Ledger(engine)
    metadata.drop_all(engine)
    engine.dispose()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sales.parquet"


@pytest.fixture
def on_save(monkeypatch: pytest.MonkeyPatch) -> OnSave:
    """What is to happen before the next folds save their table."""

    def set_up(happens: Callable[[], Any]) -> None:
        def saving(rows: pl.DataFrame, path: Path) -> None:
            happens()
            save_table(rows, path)

        monkeypatch.setattr(folding, "save_table", saving)

    return set_up


def crash() -> NoReturn:
    raise KeyboardInterrupt


@pytest.mark.parametrize("units", [1, 8])
def test_what_arrives_while_a_fold_runs_stays_in_the_ledger_also_if_it_is_no_news(
    ledger: Ledger, path: Path, on_save: OnSave, units: float
) -> None:
    ledger.record_sales([sale(1), sale(2, sku="bread")])
    on_save(lambda: ledger.record_sales([sale(units)]))
    fold(path, ledger, imported(5))
    assert units_of(load_table(path)) == [2, 5]
    assert ledger.read().rows.select("sku", "sales").rows() == [("milk", units)]
    assert units_of(whole_table(path, ledger)) == [2, units]
    assert units_of(ledger.at(Position(folds=0, applied=1))) == [2, 1]
    assert units_of(ledger.at(Position(folds=1, applied=2))) == [units]


def test_a_fold_that_crashes_before_it_saved_is_none_to_replicas_and_replays(
    ledger: Ledger, path: Path, on_save: OnSave
) -> None:
    book = SalesBook(path, ledger)
    book.refresh()
    book.record_sales([sale(1)])
    on_save(crash)
    with pytest.raises(KeyboardInterrupt):
        fold(path, ledger, imported(5))
    assert ledger.counts() == Counts(arrivals=1)
    assert not book.refresh().reloaded
    assert units_of(ledger.at(book.known.position)) == [1]
    ledger.record_sales([sale(1)])
    on_save(lambda: None)
    assert units_of(fold(path, ledger, imported(6))) == [6]
    assert ledger.counts() == Counts(arrivals=2, folds=1)
    assert units_of(ledger.at(Position(folds=0, applied=1))) == [1]


def test_a_value_that_shares_its_number_with_an_earlier_one_can_be_corrected_and_folded(
    ledger: Ledger, path: Path
) -> None:
    for record in (lambda: ledger.record_sales([sale(4)]), lambda: fold(path, ledger)):
        number = ledger.record_sales([sale(3)]).number
        key = {"store": "north", "sku": "milk", "date": TOMORROW.isoformat(), "field": "sales"}
        with ledger._engine.begin() as connection:  # as a taking over of two tables at once left it
            earlier = {**key, "value": "1.0", "arrival": number, "until": "2026-01-01T00:00:00.000+00:00"}
            connection.execute(insert(past_arrivals), earlier)
        record()
    assert units_of(load_table(path)) == [3]
