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


ZEROS = pl.when(pl.col("sales").is_not_null()).then(0).cast(pl.Float32).alias("sales")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("evaluate", "--origins", "1"), "the sales are too few"),
        (("missing-plans",), "the sales are too few"),
        (("train", "--despite-quality", "it is a new chain"), "there are no sales to learn from"),
    ],
)
def test_a_history_too_short_or_of_zeros_alone_is_told_in_one_line(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: str
) -> None:
    keep(small_table(days=50).with_columns(ZEROS))
    assert run(*words) == 1
    (line,) = capsys.readouterr().err.splitlines()[-1:]
    assert told in line


def test_a_chain_that_sold_nothing_is_not_learnt_from(capsys: pytest.CaptureFixture[str]) -> None:
    keep(small_table().with_columns(ZEROS))
    assert run("train") == 1
    assert "not one unit was sold" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("words", [("--origins", "0"), ("--origins", "-1"), ("--peer-series", "0")])
def test_no_origin_and_no_series_at_all_is_wrong_usage(words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit, match="2"):
        run("evaluate", *words)


def test_a_damaged_table_and_a_database_that_cannot_be_opened_are_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(small_table())
    RetailSettings().table_path.write_bytes(b"no parquet")
    assert run("data", "check") == 1
    assert "not a readable parquet file" in capsys.readouterr().err
    for path in (tmp_path, RetailSettings().table_path):
        monkeypatch.setenv("DATABASE_URL", f"sqlite:///{path}")
        assert run("data", "check") == 1
        assert "the state database can't be used: " in capsys.readouterr().err


def test_an_import_without_one_good_row_leaves_the_verdict_on_the_table_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = tmp_path / "sales.parquet", tmp_path / "bad.csv"
    small_table().write_parquet(good)
    bad.write_text("store,sku,date,sales\n" + "north,milk,someday,-1\n" * 900)
    assert run("data", "import", str(good)) == 0
    assert run("data", "import", str(bad)) == 1
    assert "refused-rows.csv" in capsys.readouterr().out
    assert RetailSettings().table_path.with_name("refused-rows.csv").exists()
    assert run("data", "check") == 0
    assert run("data", "import", str(good)) == 0
    assert not RetailSettings().table_path.with_name("refused-rows.csv").exists()


def test_the_demo_chain_has_no_rejects_of_an_import_before_it(tmp_path: Path) -> None:
    file = tmp_path / "sales.csv"
    file.write_text("store,sku,date,sales\nnorth,milk,2026-06-01,3\n" + "north,milk,someday,-1\n" * 900)
    assert run("data", "import", str(file), "--replace") == 0
    rejects = RetailSettings().table_path.with_name("rejected-rows.csv")
    refused = rejects.with_name("refused-rows.csv")
    refused.write_text("line,reason,row\n")
    assert rejects.exists()
    assert run("data", "demo") == 0
    assert not rejects.exists()
    assert not refused.exists()
