"""`data check`, and what a broken table does to `train` and `data import`, as a person at a terminal sees them."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from common.command_line import main
from common.versions.registry import Registry
from supermegaretail.__main__ import parser
from supermegaretail.settings import RetailSettings
from supermegaretail.table import save_table
from tests.supermegaretail.conftest import small_table

EMPTIED = pl.when(pl.col("date").dt.month() != 6).then("promotion").alias("promotion")  # June is the last month


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAR_DIR", str(tmp_path))


def keep(table: pl.DataFrame) -> None:
    save_table(table, RetailSettings().table_path)


def run(*words: str) -> int:
    return main(parser(), words)


def test_check_of_a_sound_table_is_exit_code_0(capsys: pytest.CaptureFixture[str]) -> None:
    keep(small_table())
    assert run("data", "check") == 0
    assert "data quality fine" in capsys.readouterr().out


def test_check_of_a_broken_table_is_exit_code_1_also_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    keep(small_table().with_columns(EMPTIED))
    assert run("data", "check") == 1
    assert "missing.column" in capsys.readouterr().out
    assert run("data", "check", "--json") == 1
    assert json.loads(capsys.readouterr().out)["verdict"] == "stop"


def test_check_without_sales_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("data", "check") == 1
    assert "no sales are known yet" in capsys.readouterr().err


def test_a_broken_table_is_not_learnt_from(capsys: pytest.CaptureFixture[str]) -> None:
    keep(small_table().with_columns(EMPTIED))
    assert run("train") == 1
    told = capsys.readouterr()
    assert "missing.column" in told.out
    assert "--despite-quality" in told.err
    assert Registry(RetailSettings().registry_dir).components() == []


def test_with_a_reason_it_is_and_the_models_remember_the_reason() -> None:
    keep(small_table().with_columns(EMPTIED))
    assert run("train", "--despite-quality", "there were none in June") == 0
    for component in ("core", "correction"):
        training = Registry(RetailSettings().registry_dir).manifest(component).training
        assert training["quality"] == {"stops": ["missing.column"], "despite": "there were none in June"}


def test_an_import_ends_with_the_verdict_on_all_sales(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "sales.parquet"
    small_table().with_columns(EMPTIED).write_parquet(file)
    assert run("data", "import", str(file)) == 0
    assert "stopped: no model should be trained on this" in capsys.readouterr().out
