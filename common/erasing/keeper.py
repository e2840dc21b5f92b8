"""What an erasure asks of a service: what it has of a person, and how that goes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sqlalchemy import Connection

from common.erasing.person import Person


@dataclass(slots=True)
class Belongings:
    """What a service has of a person: ids of things, and of their pictures the names and what finds copies of them."""

    things: list[str] = field(default_factory=list)
    pictures: list[str] = field(default_factory=list)
    pieces: list[bytes] = field(default_factory=list)  # bytes that no other picture has; fewer, if there are none
    wholes: list[str] = field(default_factory=list)  # SHA-256 of all its bytes
    decisions: list[str] = field(default_factory=list)  # ids; they stay, without the name, but models learnt from them

    @property
    def even(self) -> int:
        """Pictures of which no bytes can be looked for: too even, so that others have the same, or without a file."""
        return len(self.pictures) - len(self.pieces)


class Keeper(Protocol):
    """What a service knows of its own data."""

    scope: str
    events_table: str  # what people did
    forget_in_memory: Callable[[], None]

    @property
    def counted(self) -> Sequence[str]:
        """Tables with rows of people."""

    @property
    def kept_apart(self) -> Sequence[str]:
        """Tables whose texts only the service itself may change; in a copy of the database anybody may."""

    @property
    def left_alone(self) -> Sequence[str]:
        """Tables whose texts stay, also in copies: they name things."""

    @property
    def decisions_found_by(self) -> Collection[str]:
        """Columns of overrides whose texts stay: they name things."""

    def belongings(self, connection: Connection, person: Person) -> Belongings:
        """Ids of things and their pictures; from here on nobody else adds any in this transaction's time."""

    def remove(self, connection: Connection, person: Person, belongings: Belongings) -> dict[str, int]:
        """Rows that went, by table."""

    def remove_files(self, pictures: Sequence[str], *, removed: Mapping[str, int]) -> dict[str, int]:
        """Files that went, by kind; again is safe. `removed`: rows by table."""

    def rename_in_texts(self, people: Sequence[Person]) -> dict[str, Counter[str]]:
        """By hash of a person, rows of others by table, in tables that are kept apart, that named them."""

    def remove_answers(self, people: Sequence[Person]) -> int:
        """Kept answers that went."""

    def retrain(self, belongings: Belongings, *, events: int) -> list[dict[str, str]]:
        """Versions that learnt, or may have learnt, from what goes."""
