"""The command lines of all packages."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.exc import OperationalError, ProgrammingError

from common.command_line import command, main


@pytest.mark.parametrize("package", ["common", "photostock", "supermegaretail"])
def test_reading_a_command_line_imports_no_web_framework(package: str) -> None:
    program = f"import sys; from {package}.__main__ import parser; parser(); print('fastapi' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)

    assert told.stdout.strip() == "False"


def a_command(run: Callable[[], object]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="it")

    def tried(_arguments: argparse.Namespace) -> int:
        run()
        return 0

    command(parser.add_subparsers(), "try", tried, "what a test does")
    return parser


def tables_of(path: Path) -> list[str]:
    return inspect(create_engine(f"sqlite:///{path}")).get_table_names()


def test_a_path_and_a_database_that_cannot_be_used_are_one_line_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "no such folder" / "page.html"
    assert main(a_command(page.read_text), ["try"]) == 1
    assert capsys.readouterr().err == f"it: [Errno 2] No such file or directory: '{page}'\n"
    (tmp_path / "notes.txt").write_text("no database" * 100)
    for path, why in ((tmp_path, "unable to open database file"), (tmp_path / "notes.txt", "file is not a database")):
        assert main(a_command(partial(tables_of, path)), ["try"]) == 1
        assert capsys.readouterr().err == f"it: the state database can't be used: {why}\n"


def test_an_error_that_says_nothing_is_told_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    def late() -> None:
        raise TimeoutError

    assert main(a_command(late), ["try"]) == 1
    assert capsys.readouterr().err == "it: TimeoutError\n"


def test_an_error_of_our_own_is_shown_as_it_is() -> None:
    def wrong() -> None:
        raise ProgrammingError("SELECT", {}, ValueError("ours"))

    with pytest.raises(ProgrammingError):
        main(a_command(wrong), ["try"])

    def mistyped() -> None:  # which SQLite tells by the same class as a locked file
        with create_engine("sqlite://").connect() as connection:
            connection.execute(text("selct 1"))

    with pytest.raises(OperationalError):
        main(a_command(mistyped), ["try"])
