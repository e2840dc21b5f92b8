"""`python -m common report daily`: what a day came to, as a page and as data."""

from __future__ import annotations

import argparse
from datetime import UTC, date, datetime
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from common.command_line import Failed, command
from common.daily.tables import day_of

SERVICES = ("supermegaretail", "photostock")
WHERE = "{}.reporting"  # the module whose `settings` and `sources` a report is made with


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The one command."""
    commands = parser.add_subparsers(metavar="COMMAND")
    daily = command(commands, "daily", _daily, "a page and a parquet file per service")
    daily.add_argument("--day", type=_day, default=None, help="in UTC, such as 2026-11-22 (default: today so far)")
    daily.add_argument("--service", choices=SERVICES, action="append", help="(default: both)")
    daily.add_argument("--out", type=Path, required=True, metavar="DIR")


def _daily(arguments: argparse.Namespace) -> int:
    day = arguments.day or datetime.now(UTC).date()
    for service in arguments.service or SERVICES:
        if find_spec(service) is None:
            raise Failed(f"{service} is not installed")
        for path in _saved(service, day, arguments.out):
            print(path)
    return 0


def _saved(service: str, day: date, folder: Path) -> list[Path]:
    from common.daily.report import daily_report, save
    from common.state.database import open_state

    module = import_module(WHERE.format(service))
    settings = module.settings()
    engine = open_state(settings)
    try:
        report = daily_report(engine, module.sources(), day, cost_per_cpu_hour=settings.cost_per_cpu_hour)
        return save(report, folder)
    except (SQLAlchemyError, OSError, ImportError) as error:
        raise Failed(f"{service}: {type(error).__name__}: {error}") from error
    finally:
        engine.dispose()


def _day(text: str) -> date:
    try:
        return day_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
