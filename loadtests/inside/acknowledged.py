"""What a service acknowledged, to be compared with what it knows after its death."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import dataclass, field

GONE = None  # what is there of a thing that was deleted, or never made


@dataclass(slots=True)
class Ledger:
    """What each thing may be, by what was acknowledged; more than one value where an answer is missing."""

    may_be: dict[str, set[str | None]] = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)  # since the last `rest`
    acknowledged_of: Counter[str] = field(default_factory=Counter)  # by the first part of the keys
    unanswered: int = 0
    refused: int = 0
    broken: list[str] = field(default_factory=list)

    @property
    def acknowledged(self) -> int:
        return self.acknowledged_of.total()

    def begin(self, becomes: Mapping[str, str | None]) -> Mapping[str, Set[str | None]]:
        """A request that would make these things so is about to be sent; returns what they may have been before."""
        before = {key: frozenset(self.may_be.get(key, {GONE})) for key in becomes}
        for key, value in becomes.items():
            self.may_be[key] = {*before[key], value}
            self.touched.add(key)
        return before

    def acknowledge(self, kind: str, became: Mapping[str, str | None]) -> None:
        for key, value in became.items():
            self.may_be[key] = {value}
        self.acknowledged_of[kind] += 1

    def refuse(self, before: Mapping[str, Set[str | None]]) -> None:
        """Nothing was done: all is as it was."""
        for key, values in before.items():
            self.may_be[key] = set(values)
        self.refused += 1

    def known(self, key: str) -> str | None:
        """What it is, or any of what it may be."""
        return next(iter(self.may_be.get(key, {GONE})))

    def is_sure(self, key: str) -> bool:
        return len(self.may_be.get(key, {GONE})) == 1

    def see(self, key: str, value: str | None, when: str) -> None:
        """Compares; from now on it can only be what was seen."""
        if value not in self.may_be.get(key, {GONE}):
            wanted = " or ".join(sorted(map(said, self.may_be.get(key, {GONE}))))
            self.broken.append(f"{when}: {key} is {said(value)}, and it should be {wanted}")
        self.may_be[key] = {value}

    def rest(self) -> set[str]:
        """What was touched since the last time."""
        touched, self.touched = self.touched, set()
        return touched


def said(value: str | None) -> str:
    return "gone" if value is GONE else repr(value)
