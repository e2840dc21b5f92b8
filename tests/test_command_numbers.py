"""A number that no command can work with is one plain line and exit code 2."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterator

import pytest

PACKAGES = ("common", "photostock", "supermegaretail", "loadtests")
WITHOUT_BOUNDS = (int, float)  # as an argument's type


def commands_of(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for one in action.choices.values():
                yield from commands_of(one)


def parser_of(package: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = importlib.import_module(f"{package}.__main__").parser()
    return parser


@pytest.mark.parametrize("package", PACKAGES)
def test_every_number_on_a_command_line_has_its_bounds(package: str) -> None:
    without = [
        f"{one.prog} {action.option_strings[0]}"
        for one in commands_of(parser_of(package))
        for action in one._actions
        if action.type in WITHOUT_BOUNDS and action.choices is None
    ]
    assert without == []


@pytest.mark.parametrize(
    "line",
    [
        "supermegaretail train --seed -1",
        "supermegaretail train --seed 99999999999999999999",
        "supermegaretail train --threads 0",
        "supermegaretail data demo --seed nan",
        "supermegaretail benchmark --series 0",
        "supermegaretail benchmark --series 1000000000",
        "supermegaretail evaluate --origins 1000000000",
        "supermegaretail forecast --all --as-of 9999-12-31",
        "supermegaretail forecast --all --quantiles nan",
        "supermegaretail release auto --rows 0",
        "supermegaretail release auto --wait-hours nan",
        "photostock train --minutes inf",
        "photostock train --layers 0",
        "photostock train --layers 50",
        "photostock evaluate --max-queries -5",
        "photostock catalogue demo --count 0",
        "common audit list --before 99999999999999999999999",
        "common decommission --quiet-days 99999999999",
        "common registry gc --unused-days nan",
    ],
)
def test_a_number_out_of_bounds_is_told_in_one_line(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    package, *arguments = line.split()
    with pytest.raises(SystemExit) as ended:
        parser_of(package).parse_args(arguments)
    assert ended.value.code == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert ": error: argument --" in told
    assert arguments[-1][:40] in told
