"""With which overrides the newest model agrees by itself, so that they may go; kept beside the overrides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Boolean, Column, Engine, Float, Integer, MetaData, String, Table, delete, insert, select

from common.state.database import create_tables

MOST_KEPT = 20_000
FIGURES = ("version", "compared", "ratio", "agrees", "known", "mean_error", "mean_error_overridden")

metadata = MetaData()
agreements = Table(
    "override_agreements",
    metadata,
    Column("scope", String(64), primary_key=True),
    Column("override_id", String(32), primary_key=True),
    Column("version", String(64), nullable=False),  # of the model that was asked
    Column("compared", Integer, nullable=False),
    Column("ratio", Float, nullable=False),
    Column("agrees", Boolean, nullable=False),
    Column("known", Integer, nullable=False),
    Column("mean_error", Float),
    Column("mean_error_overridden", Float),
)


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a model says without the override ÷ what the override says, summed over `compared` items and days.

    The errors are those of the model on the `known` items and days whose truth is known, as it is and with the
    override applied to it; None where there are none.
    """

    override_id: str
    version: str
    compared: int
    ratio: float
    agrees: bool  # by the service's tolerance, and errs no more without the override
    known: int = 0
    mean_error: float | None = None
    mean_error_overridden: float | None = None


class Agreements:
    """Of one service; methods block."""

    def __init__(self, engine: Engine, scope: str) -> None:
        create_tables(engine, metadata)
        self._engine = engine
        self._scope = scope

    def replace(self, found: Sequence[Agreement]) -> None:
        """The newest comparison takes the place of the one before."""
        with self._engine.begin() as connection:
            connection.execute(delete(agreements).where(agreements.c.scope == self._scope))
            if found:
                rows = [{**asdict(one), "scope": self._scope} for one in found[:MOST_KEPT]]
                connection.execute(insert(agreements), rows)

    def all(self) -> Mapping[str, dict[str, Any]]:
        """By override: what the API tells of it."""
        query = select(agreements).where(agreements.c.scope == self._scope)
        with self._engine.connect() as connection:
            return {
                row["override_id"]: {name: row[name] for name in FIGURES}
                for row in connection.execute(query).mappings()
            }


def sentence(agreement: Mapping[str, Any]) -> str:
    """What `Agreements.all` tells of an override, in words."""
    told = f"{agreement['version']} says {agreement['ratio']:.2f} of it by itself"
    if agreement["known"] == 0:
        return told if agreement["agrees"] else f"{told}; no truth is known yet"
    errors = "{mean_error:.3f} without it, {mean_error_overridden:.3f} with it".format_map(agreement)
    return f"{told}; mean error over {agreement['known']:,} known days: {errors}"
