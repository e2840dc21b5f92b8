"""`forecast` and `benchmark` as they are typed."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from common.command_line import main
from common.versions.registry import Registry
from supermegaretail.__main__ import parser
from supermegaretail.settings import RetailSettings
from supermegaretail.table import save_table
from supermegaretail.training import train
from tests.supermegaretail.conftest import ITEMS, small_table


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RetailSettings:
    monkeypatch.setenv("VAR_DIR", str(tmp_path))
    settings = RetailSettings()
    save_table(small_table(), settings.table_path)
    return settings


def test_without_any_model_the_moving_average_forecasts_the_chain_and_it_says_so(
    settings: RetailSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(parser(), ["forecast", "--all", "--quantiles", "0.95", "0.5"]) == 0
    assert "no model serves" in capsys.readouterr().out
    made = pl.read_parquet(settings.table_path.with_name("forecasts.parquet"))
    assert made.height == 4 * 7
    assert set(made["served_by"]) == {"moving_average", "constant"}
    assert made.columns[3:6] == ["demand", "quantile_0.5", "quantile_0.95"]


def test_one_store_as_of_an_earlier_day_goes_where_it_is_told(settings: RetailSettings, tmp_path: Path) -> None:
    out = tmp_path / "north.parquet"
    asked = ["--store", "north", "--as-of", "2026-06-01", "--horizon-days", "3", "--out", str(out)]
    assert main(parser(), ["forecast", *asked]) == 0
    made = pl.read_parquet(out)
    assert set(made["store"]) == {"north"}
    assert str(made["date"].min()) == "2026-06-02"
    assert made.height == len([item for item in ITEMS if item[0] == "north"]) * 3


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--store", "nowhere"], "there is no store 'nowhere'"),
        (["--all", "--version", "9.9.9"], "9.9.9"),
    ],
)
def test_what_can_be_mended_is_told_in_one_line(
    settings: RetailSettings, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    assert main(parser(), ["forecast", *arguments]) == 1
    assert told in capsys.readouterr().err
    assert not settings.table_path.with_name("forecasts.parquet").exists()


@pytest.mark.parametrize("level", ["0", "1", "nan"])
def test_a_quantile_lies_between_0_and_1(settings: RetailSettings, level: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(parser(), ["forecast", "--all", "--quantiles", level])
    assert ended.value.code == 2


def test_the_benchmark_measures_a_batch_and_tells_how_much_of_it_is_corrected(
    settings: RetailSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    train(small_table(days=200), Registry(settings.registry_dir), threads=1, rows=2_000)
    assert main(parser(), ["benchmark", "--series", "3", "--rounds", "1"]) in (0, 1)  # three series prove nothing
    assert "67%" in capsys.readouterr().out
