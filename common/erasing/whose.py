"""Whose a table, a decision or a folder is, where services share a database and a `VAR_DIR`.

A service takes names out of what is its own and what all share. The rest is left to the service that has it, for only
that one knows what must change together: each has to be given the id.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

SERVICES = ("photostock", "supermegaretail")
NAMED_OTHERWISE: Mapping[str, str] = MappingProxyType(
    {"override_answers": "supermegaretail", "release_alarms_seen": "supermegaretail"}
)


def service_of(table: str) -> str | None:
    """The service that has a table for itself; None if it is shared."""
    return NAMED_OTHERWISE.get(table) or next((name for name in SERVICES if table.startswith(f"{name}_")), None)


def decided_in(service: str, scope: str) -> bool:
    """Whether decisions of this scope are the service's: its own, or those of a part, as "photostock.switches"."""
    return scope == service or scope.startswith(f"{service}.")


def of_others(service: str, tables: Iterable[str]) -> set[str]:
    """Of these tables those that another service has for itself."""
    return {table for table in tables if service_of(table) not in (None, service)}


def folders_of_others(service: str, var_dir: Path) -> list[Path]:
    """Where other services keep their files."""
    return [var_dir / name for name in SERVICES if name != service]


def others_here(service: str, var_dir: Path, tables: Iterable[str]) -> Sequence[str]:
    """Services that share this database or folder."""
    having = {service_of(table) for table in tables}
    return [name for name in SERVICES if name != service and (name in having or (var_dir / name).is_dir())]
