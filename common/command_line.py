"""What the command lines share: exit codes 0 (done), 1 (failed), 2 (wrong usage), and errors in one plain line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

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
