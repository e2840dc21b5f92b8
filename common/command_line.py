"""What the command lines share: exit codes 0 (done), 1 (failed), 2 (wrong usage), and errors in one plain line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from pydantic import ValidationError

Run = Callable[[argparse.Namespace], int]


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
    return code
