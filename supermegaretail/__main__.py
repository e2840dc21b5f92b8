"""`python -m supermegaretail`: the two processes, and what is done offline."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import polars as pl

from common.command_line import Failed, command, main
from common.progress import progress
from supermegaretail.settings import RetailSettings


def parser() -> argparse.ArgumentParser:
    """The commands; each imports what it needs when it runs, so that the API process never loads LightGBM."""
    whole = argparse.ArgumentParser(prog="python -m supermegaretail", description=__doc__)
    commands = whole.add_subparsers(metavar="COMMAND")
    command(commands, "api", _api, "serve forecasts: answers with every other process dead")
    command(commands, "model", _model, "serve the LightGBM models to the API")
    train = command(commands, "train", _train, "train core and correction on all sales, and publish them")
    train.add_argument("--seed", type=int, default=1)
    train.add_argument("--threads", type=int, default=2)
    evaluate = command(commands, "evaluate", _evaluate, "compare the tiers on held-out weeks")
    evaluate.add_argument("--horizon-days", type=int, default=28, choices=range(1, 29), metavar="1..28")
    evaluate.add_argument("--origins", type=int, default=3, help="how many rolling origins (default: 3)")
    evaluate.add_argument("--seed", type=int, default=1)
    data = command(commands, "data", lambda _: _usage(data), "make or import sales")
    kinds = data.add_subparsers(metavar="KIND")
    demo = command(kinds, "demo", _demo, "make the synthetic chain of shops")
    demo.add_argument("--seed", type=int, default=7)
    imported = command(kinds, "import", _import, "import M5's folder of CSV files, or a canonical table")
    imported.add_argument("path", type=Path, help="folder, .csv or .parquet")
    imported.add_argument("--store", action="append", default=[], help="of M5 only this store; may be repeated")
    imported.add_argument("--replace", action="store_true", help="forget what was imported before, demo data too")
    return whole


def _usage(usage_of: argparse.ArgumentParser) -> int:
    usage_of.print_help()
    return 2


def _api(_arguments: argparse.Namespace) -> int:
    from common.service.serve import serve
    from supermegaretail.app import create_app

    settings = RetailSettings()
    serve(lambda: create_app(settings), settings, port=settings.supermegaretail_port)
    return 0


def _model(_arguments: argparse.Namespace) -> int:
    from common.service.serve import serve
    from supermegaretail.model_server import create_app

    settings = RetailSettings()
    serve(lambda: create_app(settings), settings, port=settings.supermegaretail_model_port, gives_way=True)
    return 0


def _demo(arguments: argparse.Namespace) -> int:
    from common.demo import remember
    from supermegaretail.demo_data import demo_table

    with progress("making the demo chain's sales"):
        rows = demo_table(seed=arguments.seed)
    _keep(rows)
    items = rows.filter(pl.col("sales").is_not_null()).select("store", "sku").unique().sort("store", "sku")
    remember(RetailSettings().var_dir, "items", items.to_dicts())
    return 0


def _import(arguments: argparse.Namespace) -> int:
    from supermegaretail.imports import ImportProblem, read_any, save_rejects, summary

    try:
        with progress(f"reading {arguments.path}"):
            imported = read_any(arguments.path, stores=arguments.store)
    except ImportProblem as problem:
        raise Failed(str(problem)) from problem
    print(summary(imported))
    if imported.rejects.height:
        rejects = RetailSettings().table_path.with_name("rejected-rows.csv")
        save_rejects(imported, rejects)
        print(f"all {imported.rejects.height} rejected rows with line and reason: {rejects}")
    if imported.rows.is_empty():
        raise Failed("there is not one good row")
    _keep(imported.rows, replace=arguments.replace)
    return 0


def _keep(rows: pl.DataFrame, *, replace: bool = False) -> None:
    from supermegaretail.table import load_table, merge, save_table

    path = RetailSettings().table_path
    old = load_table(path) if path.exists() and not replace else None
    with progress("saving"):
        table = merge(old, rows)
        save_table(table, path)
    print(f"{path}: {table.height:,} rows, {table.select('store', 'sku').n_unique():,} series")


def _sales() -> pl.DataFrame:
    from common.state.database import open_state
    from supermegaretail.book import whole_table
    from supermegaretail.ledger import Ledger

    settings = RetailSettings()
    table = whole_table(settings.table_path, Ledger(open_state(settings)))
    if table.is_empty():
        raise Failed("no sales are known yet: run `data demo` or `data import FILE` first")
    return table


def _train(arguments: argparse.Namespace) -> int:
    from common.versions.registry import Registry
    from supermegaretail.training import train

    trained = train(_sales(), Registry(RetailSettings().registry_dir), seed=arguments.seed, threads=arguments.threads)
    for manifest in trained:
        metrics = ", ".join(f"{name} {value:.4g}" for name, value in manifest.metrics.items())
        print(f"{manifest.component} {manifest.version} is champion ({metrics})")
    return 0


def _evaluate(arguments: argparse.Namespace) -> int:
    from supermegaretail.evaluate import evaluate, render

    horizon_days, origins = arguments.horizon_days, arguments.origins
    render(evaluate(_sales(), horizon_days=horizon_days, origins=origins, seed=arguments.seed))
    return 0


if __name__ == "__main__":
    sys.exit(main(parser()))
