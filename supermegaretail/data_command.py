"""`python -m supermegaretail data`: sales are made, imported, folded and checked; each kind imports what it needs."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from common.command_line import Failed, command, seed
from common.progress import progress
from supermegaretail.settings import RetailSettings

if TYPE_CHECKING:
    from supermegaretail.quality.findings import Report

REFUSED = "refused-rows.csv"  # beside the table: those of an import without one good row


def add_data(data: argparse.ArgumentParser) -> None:
    """The kinds of the command."""
    kinds = data.add_subparsers(metavar="KIND")
    demo = command(kinds, "demo", _demo, "make the synthetic chain of shops")
    demo.add_argument("--seed", type=seed, default=7)
    imported = command(kinds, "import", _import, "import M5's or FreshRetailNet's own files, or a canonical table")
    imported.add_argument("path", type=Path, help="folder, .csv or .parquet")
    imported.add_argument("--store", action="append", default=[], help="of these files only one store; may be repeated")
    imported.add_argument("--replace", action="store_true", help="forget what was imported before, demo data too")
    command(kinds, "fold", _fold, "bring what arrived over HTTP into the table file, as every import does")
    check = command(kinds, "check", _check, "report what is wrong with the sales; exit code 1 if it stops a training")
    check.add_argument("--json", action="store_true", help="print the report as JSON")


def _demo(arguments: argparse.Namespace) -> int:
    from common.demo import remember
    from supermegaretail.demo_data import demo_table
    from supermegaretail.fold_command import keep

    with progress("making the demo chain's sales"):
        rows = demo_table(seed=arguments.seed)
    keep(RetailSettings(), rows)
    _rejects_path().unlink(missing_ok=True)
    _rejects_path(REFUSED).unlink(missing_ok=True)
    items = rows.filter(pl.col("sales").is_not_null()).select("store", "sku").unique().sort("store", "sku")
    remember(RetailSettings().var_dir, "items", items.to_dicts())
    return 0


def _import(arguments: argparse.Namespace) -> int:
    from rich.console import Console

    from supermegaretail.fold_command import keep
    from supermegaretail.imports import read_any, save_rejects, summary
    from supermegaretail.quality.show import show_briefly

    with progress(f"reading {arguments.path}"):
        imported = read_any(arguments.path, stores=arguments.store)
    print(summary(imported))
    rejects = _rejects_path()  # of what is in the table: an import that is refused as a whole has a file of its own
    if imported.rows.is_empty():
        rejects = _rejects_path(REFUSED)
    else:
        table = keep(RetailSettings(), imported.rows, replace=arguments.replace)
        _rejects_path(REFUSED).unlink(missing_ok=True)
    save_rejects(imported, rejects)
    if imported.rejects.height:
        print(f"all {imported.rejects.height} rejected rows with line and reason: {rejects}")
    if imported.rows.is_empty():
        raise Failed("there is not one good row")
    show_briefly(checked(table), Console())
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from rich.console import Console

    from supermegaretail.quality.show import show

    report = checked(known_sales())
    if arguments.json:
        print(json.dumps(report.as_json(), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        show(report, Console())
    return 1 if report.verdict == "stop" else 0


def checked(table: pl.DataFrame) -> Report:
    """What the data check says of these sales and of what the last import rejected."""
    from supermegaretail.imports import load_rejects
    from supermegaretail.quality.check import check

    with progress("checking the sales"):
        return check(table, rejects=load_rejects(_rejects_path()))


def _rejects_path(name: str = "rejected-rows.csv") -> Path:
    return RetailSettings().table_path.with_name(name)


def _fold(_arguments: argparse.Namespace) -> int:
    from supermegaretail.fold_command import keep

    keep(RetailSettings())
    return 0


def known_sales() -> pl.DataFrame:
    """All that was imported, and all that arrived since; `Failed` where there is nothing."""
    from common.state.database import open_state
    from supermegaretail.book import whole_table
    from supermegaretail.ledger import Ledger

    settings = RetailSettings()
    table = whole_table(settings.table_path, Ledger(open_state(settings)))
    if table.is_empty():
        raise Failed("no sales are known yet: run `data demo` or `data import FILE` first")
    return table
