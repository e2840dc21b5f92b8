"""The measurement of overrides, with small numbers and either database: it ends, and a replica follows each change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loadtests.__main__ import main
from supermegaretail.table import save_table
from tests.supermegaretail.conftest import ITEMS, database_url, postgres, small_table

__all__ = ["database_url", "postgres"]  # fixtures


def test_a_replica_follows_each_change_and_the_cost_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], database_url: str | None
) -> None:
    save_table(small_table(), tmp_path / "supermegaretail" / "sales.parquet")
    items = [{"store": store, "sku": sku} for store, sku in ITEMS]
    (tmp_path / "demo.json").write_text(json.dumps({"items": items}))
    monkeypatch.setenv("VAR_DIR", str(tmp_path))
    small = ["--overrides", "200", "--rounds", "1", "--requests", "10", "--changes", "2"]
    address = [] if database_url is None else ["--database-url", database_url]
    assert main(["bench-overrides", *small, *address]) in (0, 1)
    told = " ".join(capsys.readouterr().out.split())
    print(told)
    assert told.startswith("200 overrides")
    assert told.endswith("(SQLite)" if database_url is None else "(PostgreSQL)")
