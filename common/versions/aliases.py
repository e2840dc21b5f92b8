"""The names that move: champion, challenger, shadow; and every move they made: who, when, why.

COMPONENT/aliases.json       {"champion": "1.1.0"}: what holds, replaced in one step
COMPONENT/aliases.log.jsonl  a line per move, written before it; one that was cut short by a crash never took place

A line tells what the alias stood for before, so that a reader sees which moves took place: the next line, or what holds
now, begins where they ended.
"""

from __future__ import annotations

import fcntl
import getpass
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from common.durable import put_in_place
from common.versions.manifest import RegistryError

ALIASES = "aliases.json"
HISTORY = "aliases.log.jsonl"
LOCK = ".lock"
KEPT_MOVES = 1_000  # of each alias; its lines are cut to them when there are twice as many
LOCK_TIMEOUT_S = 10.0
LOCK_POLL_S = 0.005

Kind = Literal["point", "rollback"]


class Busy(RegistryError):
    """Another process has been changing the same component for too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """An alias went from one version to another; `was` is None for a new alias."""

    alias: str
    was: str | None
    version: str
    who: str
    at: str  # ISO 8601, UTC
    why: str = ""
    kind: Kind = "point"


@contextmanager
def changing(folder: Path) -> Iterator[None]:
    """One process at a time changes a component; the kernel ends the claim of one that dies. `Busy` after 10 s."""
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        until_s = time.monotonic() + LOCK_TIMEOUT_S
        while not _claimed(descriptor):
            if time.monotonic() > until_s:
                raise Busy(f"{folder.name}: another process has been changing it for {LOCK_TIMEOUT_S:.0f} s")
            time.sleep(LOCK_POLL_S)
        yield
    finally:
        os.close(descriptor)


def read(folder: Path) -> dict[str, str]:
    """What holds; raises `OSError`, `ValueError` or `AttributeError` for a damaged file."""
    try:
        return {str(alias): str(version) for alias, version in json.loads((folder / ALIASES).read_text()).items()}
    except FileNotFoundError:
        return {}


def move(
    folder: Path, alias: str, version: str, *, who: str | None = None, why: str = "", kind: Kind = "point"
) -> Move | None:
    """Moves it, durably and at once for all readers; None if it is there already. Only within `changing`."""
    aliases = read(folder)
    if aliases.get(alias) == version:
        return None
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    made = Move(alias=alias, was=aliases.get(alias), version=version, who=who or this_user(), at=at, why=why, kind=kind)
    _append(folder / HISTORY, made)
    with put_in_place(folder / ALIASES) as draft:
        draft.write_text(json.dumps(aliases | {alias: version}, indent=1, sort_keys=True))
    return made


def history(folder: Path, alias: str) -> list[Move]:
    """The moves of an alias that took place, oldest first; the last `KEPT_MOVES` at least."""
    moves = [one for one in _moves(folder / HISTORY) if one.alias == alias]
    ends = [*(one.was for one in moves[1:]), *([read(folder).get(alias)] if moves else [])]
    return [one for one, end in zip(moves, ends, strict=True) if one.version == end]


def before(moves: Sequence[Move]) -> str | None:
    """What an alias stood for before it came to stand for what it does; a second rollback goes one step further."""
    stood: list[str] = []
    for one in moves:
        if one.kind == "rollback" and one.version in stood:
            del stood[len(stood) - stood[::-1].index(one.version) :]
            continue
        if not stood and one.was is not None:
            stood.append(one.was)
        stood.append(one.version)
    return stood[-2] if len(stood) > 1 else None


def this_user() -> str:
    """Who runs this process, for the record."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number that has no name
        return f"uid {os.getuid()}"


def _claimed(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _moves(path: Path) -> list[Move]:
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    return [one for line in lines if (one := _move(line)) is not None]


def _move(line: bytes) -> Move | None:
    """None for a line that was torn by a crash."""
    try:
        fields: Mapping[str, str] = json.loads(line)
        return Move(**fields)  # type: ignore[arg-type]  # `kind` is one of two words
    except (ValueError, TypeError):
        return None


def _append(path: Path, made: Move) -> None:
    moves = _moves(path)
    own = [number for number, one in enumerate(moves) if one.alias == made.alias]
    if len(own) >= 2 * KEPT_MOVES:
        old = set(own[:-KEPT_MOVES])
        kept = (json.dumps(asdict(one)) for number, one in enumerate(moves) if number not in old)
        with put_in_place(path) as draft:
            draft.write_text("".join(f"{line}\n" for line in kept))
    with path.open("ab") as file:
        file.write(b"\n" + json.dumps(asdict(made)).encode() + b"\n")  # apart from a line that was torn
        file.flush()
        os.fsync(file.fileno())
