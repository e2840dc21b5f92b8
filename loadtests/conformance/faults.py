"""The rows of the suite: the healthy call, everything on the menu, and two addresses where nobody can be."""

from __future__ import annotations

from dataclasses import dataclass

from loadtests.faults import MENU


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that happens to a client; `kind` says how the runner brings it about."""

    name: str
    kind: str  # of the menu; "healthy" or "address" beside those
    sentence: str
    address: str = ""  # in place of the server's, for the kind "address"


HEALTHY = Row("ok", "healthy", "Nothing is wrong: the right answer must come through.")
ROWS: tuple[Row, ...] = (
    HEALTHY,
    Row("unknown_host", "address", "The name does not exist.", "http://no-such-host.invalid"),
    Row("no_route", "address", "No route leads to the address (multicast: TCP refuses it).", "http://224.0.0.1"),
    *(Row(fault.name, fault.kind, fault.sentence) for fault in MENU),
)


def row_of(name: str) -> Row:
    """The row of this name."""
    return next(row for row in ROWS if row.name == name)
