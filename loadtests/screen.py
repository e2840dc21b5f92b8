"""What the tour shows: a live table on a terminal, a few plain lines per phase anywhere else."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from loadtests.figures import Figures
from loadtests.promises import PhaseResult


class Screen:
    """One tour on one console."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._started_at = time.monotonic()
        self._name = self._sentence = ""

    @contextmanager
    def live(self) -> Iterator[None]:
        """Keeps the current phase's table at the bottom for the length of a block; only a terminal can."""
        if not self._console.is_terminal:
            yield
            return
        with Live(console=self._console, auto_refresh=False, transient=True) as self._live:
            yield
        self._live = None

    @contextmanager
    def working(self, on: str) -> Iterator[None]:
        """Something that takes a while and has no figures: a spinner on a terminal, and a line when it is done."""
        started = time.monotonic()
        with self._console.status(on) if self._console.is_terminal else nullcontext():
            yield
        self.say(f"{on}: done in {time.monotonic() - started:.1f} s")

    def say(self, text: str, *, style: str = "") -> None:
        """One line."""
        self._console.print(Text(text, style=style), soft_wrap=not self._console.is_terminal)

    def begin(self, name: str, sentence: str) -> None:
        """A phase begins."""
        self._name, self._sentence = name, sentence
        if self._live is None:
            self.say(f"[{self._clock()}] {name}: {sentence}")

    def explain(self, sentence: str) -> None:
        """Something changed within the phase; plain output leaves it out."""
        self._sentence = sentence

    def show(self, figures: Mapping[str, Figures]) -> None:
        """The figures of the current phase so far."""
        if self._live is not None:
            table = _table()
            for service, row in figures.items():
                table.add_row(service, *_cells(row))
            title = Text.assemble((f"[{self._clock()}] ", "dim"), (self._name, "bold"), f": {self._sentence}")
            reasons = [Text(f"{service}: {_reasons(row)}", "dim") for service, row in figures.items() if row.reasons]
            self._live.update(Group(title, table, *reasons), refresh=True)

    def end(self, result: PhaseResult) -> None:
        """A phase is over."""
        if self._live is None:
            for service, figures in result.figures.items():
                self.say(f"          {service}: {in_words(figures)}")
            if result.expected == "recovery":
                self.say(f"          {_recovery(result)}")
        else:
            quality = _recovery(result) if result.expected == "recovery" else in_short(result.figures.values())
            self.say(f"[{self._clock()}] {result.name}: {quality}", style="dim")

    def summary(self, phases: Sequence[PhaseResult]) -> None:
        """The table of all phases."""
        table = _table()
        for phase in phases:
            table.add_row(Text(phase.name, "bold"), "", "", "", "", _recovery_cell(phase), "")
            for service, figures in phase.figures.items():
                table.add_row(service, *_cells(figures))
        self._console.print(table)
        rows = [figures for phase in phases for figures in phase.figures.values()]
        if excused := sum(row.excused for row in rows):
            longest_ms = max(row.longest_stall_ms for row in rows)
            self.say(
                f"{excused} answers count as in budget although they were read later: the machine itself stood still "
                f"meanwhile, for up to {longest_ms:.0f} ms of an answer."
            )

    def _clock(self) -> str:
        return f"{time.monotonic() - self._started_at:5.1f} s"


def in_words(figures: Figures) -> str:
    """A row of the table as a line of text."""
    because = f" ({_reasons(figures)})" if figures.reasons else ""
    return (
        f"{figures.requests:,} requests, {figures.in_budget:,} in budget, {figures.well_formed:,} well-formed, "
        f"{_percent(figures.degraded_share)} degraded{because}; served by {_tiers(figures, ', ')}; "
        f"p50/p95/p99 {_percentiles(figures)} ms"
    )


def in_short(rows: Iterable[Figures]) -> str:
    """All services together, in a few words."""
    rows = list(rows)
    requests, in_budget = sum(row.requests for row in rows), sum(row.in_budget for row in rows)
    degraded = sum(row.degraded for row in rows) / max(1, requests)
    return f"{in_budget:,} of {requests:,} answered in budget, {_percent(degraded)} degraded"


def _table() -> Table:
    """No wider than 80 columns."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=0)
    table.add_column("", no_wrap=True, min_width=15)
    for title in ("requests", "in\nbudget", "well-\nformed", "degraded"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("served by", min_width=20)
    table.add_column("p50/p95/p99\nms", justify="right", no_wrap=True, min_width=11)
    return table


def _cells(figures: Figures) -> tuple[Text | str, ...]:
    kept = "green" if figures.requests else "dim"
    return (
        f"{figures.requests:,}",
        Text(f"{figures.in_budget:,}", kept if figures.in_budget == figures.requests else "bold yellow"),
        Text(f"{figures.well_formed:,}", kept if figures.well_formed == figures.requests else "bold red"),
        Text(_percent(figures.degraded_share), "yellow" if figures.degraded else ""),
        _tiers(figures, "\n"),
        _percentiles(figures),
    )


def _tiers(figures: Figures, between: str) -> str:
    return _listed(figures.tiers, between) or "-"


def _reasons(figures: Figures) -> str:
    """The two commonest reasons why better tiers did not serve."""
    return f"because {_listed(figures.reasons[:2], ', ')}"


def _listed(shares: Iterable[tuple[str, float]], between: str) -> str:
    return between.join(f"{name} {_percent(share)}" for name, share in shares)


def _percent(share: float) -> str:
    """Rounded, but never to a 0 or a 100 that is not one."""
    if 0 < share < 0.005:
        return "<1%"
    return ">99%" if 0.995 <= share < 1 else f"{share:.0%}"


def _percentiles(figures: Figures) -> str:
    if not figures.requests:
        return "-"
    return "/".join(f"{value:.0f}" for value in (figures.p50_ms, figures.p95_ms, figures.p99_ms))


def _recovery(result: PhaseResult) -> str:
    seconds = result.full_quality_after_seconds
    return "full quality did not return" if seconds is None else f"full quality after {seconds:.1f} s"


def _recovery_cell(result: PhaseResult) -> Text:
    if result.expected != "recovery":
        return Text("")
    seconds = result.full_quality_after_seconds
    return Text("not at full quality", "red") if seconds is None else Text(f"full quality: {seconds:.1f} s", "dim")
