"""Progress of long work: a bar on a terminal, a line at the start and at the end in a log file."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


class Reporter(Protocol):
    """What long work tells about itself."""

    def advance(self, n: int = 1) -> None: ...

    def say(self, text: str) -> None: ...


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Reporter]:
    """Shows that `what` is under way on standard error; `total` counts its steps, where that is known."""
    started = time.monotonic()
    if sys.stderr.isatty():
        with _bar(what, total) as reporter:
            yield reporter
    else:
        _line(f"{what} …")
        yield _Lines()
    _line(f"{what}: done in {time.monotonic() - started:.1f} s")


@contextmanager
def _bar(what: str, total: int | None) -> Iterator[Reporter]:
    counted = [BarColumn(), MofNCompleteColumn()] if total is not None else []
    columns = [SpinnerColumn(), TextColumn("{task.description}"), *counted, TimeElapsedColumn()]
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield _Bar(bar, what, total)


class _Bar:
    def __init__(self, bar: Progress, what: str, total: int | None) -> None:
        self._bar, self._what = bar, what
        self._task = bar.add_task(what, total=total)

    def advance(self, n: int = 1) -> None:
        self._bar.advance(self._task, n)

    def say(self, text: str) -> None:
        self._bar.update(self._task, description=f"{self._what}: {text}")


class _Lines:
    def advance(self, n: int = 1) -> None:
        """A log file is not flooded with steps."""

    def say(self, text: str) -> None:
        """Nor with remarks on them."""


def _line(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
