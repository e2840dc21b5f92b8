"""What the command lines share: exit codes 0 (done), 1 (failed), 2 (wrong usage), and errors in one plain line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from typing import TypeVar

from pydantic import ValidationError

Run = Callable[[argparse.Namespace], int]
Measure = TypeVar("Measure", int, float, date)


class Failed(Exception):
    """A command could not do its work; the message is for the person who typed it."""


def command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, run: Run, text: str
) -> argparse.ArgumentParser:
    """Adds a command whose `run` returns the exit code."""
    parser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(run=run)
    return parser


@contextmanager
def by_the_way(what: str, *, command: str) -> Iterator[None]:
    """What follows the work of a command: if it fails, that is one plain line, and the work is done all the same."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  a database's, a model library's or our own: nothing here undoes the work
        why = str(error).partition("\n")[0]
        print(f"{what} was not found out: {type(error).__name__}: {why}; `{command}` asks again", file=sys.stderr)


def main(parser: argparse.ArgumentParser, arguments: Sequence[str] | None = None) -> int:
    """Parses and runs; never shows a traceback for something that the user can mend."""
    parsed = parser.parse_args(arguments)
    if not hasattr(parsed, "run"):
        parser.print_help()
        return 2
    try:
        code: int = parsed.run(parsed)
    except Failed as failed:
        print(f"{parser.prog}: {failed}", file=sys.stderr)
        return 1
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            where = ".".join(map(str, problem["loc"])).upper()
            print(f"{parser.prog}: setting {where or 'environment'}: {problem['msg']}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except OSError as error:  # a path that was named, a full disk, a port that is taken
        print(f"{parser.prog}: {str(error) or type(error).__name__}", file=sys.stderr)
        return 1
    except Exception as error:
        if (why := _of_database(error)) is None:
            raise
        print(f"{parser.prog}: the state database can't be used: {why}", file=sys.stderr)
        return 1
    return code


def between(read: Callable[[str], Measure], low: Measure, high: Measure) -> Callable[[str], Measure]:
    """An argument's type: what `read` makes of the text, from `low` to `high`; NaN lies nowhere."""

    def value_of(text: str) -> Measure:
        with suppress(ValueError):
            if low <= (value := read(text)) <= high:
                return value
        raise argparse.ArgumentTypeError(f"{text[:40]!r} does not lie between {low} and {high}")

    return value_of


positive_int = between(int, 1, 1_000_000_000)
seed = between(int, 0, 2_000_000_000)  # as far as every library can follow


def _of_database(error: Exception) -> str | None:
    """What a database that is locked, gone or no database said; None for any other error, and one of our own SQL."""
    from sqlalchemy.exc import DatabaseError, OperationalError  # here: most commands need no database

    # SQLite tells a wrong statement as it tells a locked file, but by another code.
    ours = getattr(getattr(error, "orig", None), "sqlite_errorname", None) == "SQLITE_ERROR"
    if (isinstance(error, OperationalError) and not ours) or type(error) is DatabaseError:
        return str(error.orig).partition("\n")[0]
    return None
