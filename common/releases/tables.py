"""The tables of releases in the state database.

Two indexes decide where two people act at the same moment: a component has one rollout at a time, and a version one
release that is open.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from sqlalchemy import Boolean, Column, Float, Index, Integer, MetaData, String, Table, Text


class State(StrEnum):
    """How a release stands; `promoting` and `rolling_back` last for the moment in which the alias is moved."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"
    CANARY = "canary"
    PROMOTING = "promoting"
    PROMOTED = "promoted"
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"


OPEN = (State.PROPOSED, State.APPROVED, State.CANARY, State.PROMOTING, State.ROLLING_BACK)
UNDER_WAY = (State.CANARY, State.PROMOTING, State.ROLLING_BACK)
# By service: the row of a release does not tell whose it is.
COMPONENTS_OF: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"supermegaretail": ("core", "correction"), "photostock": ("encoder", "filter", "reranker")}
)

metadata = MetaData()
releases = Table(
    "releases",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("component", String(64), nullable=False, index=True),
    Column("from_version", String(64)),
    Column("to_version", String(64), nullable=False),
    Column("state", String(20), nullable=False, index=True),
    Column("share", Float, nullable=False),
    Column("paused", Boolean, nullable=False),
    Column("report", Text, nullable=False),  # JSON
    Column("created_at", String(40), nullable=False, index=True),
)
for _name, _columns, _states in (
    ("one_open_release_of_a_version", (releases.c.component, releases.c.to_version), OPEN),
    ("one_rollout_of_a_component", (releases.c.component,), UNDER_WAY),
):
    _condition = releases.c.state.in_(_states)
    Index(_name, *_columns, unique=True, sqlite_where=_condition, postgresql_where=_condition)
events = Table(
    "release_events",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("release_id", String(32), nullable=False, index=True),
    Column("at", String(40), nullable=False),
    Column("who", String(200), nullable=False),
    Column("what", String(40), nullable=False),
    Column("why", Text, nullable=False),
    Column("insist", Text),  # the reason to do it at a bad moment
)
freezes = Table(
    "release_freezes",
    metadata,
    Column("component", String(64), primary_key=True),
    Column("since", String(40), nullable=False),
    Column("why", Text, nullable=False),
)
freeze_events = Table(
    "release_freeze_events",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("component", String(64), nullable=False, index=True),
    Column("at", String(40), nullable=False),
    Column("who", String(200), nullable=False),
    Column("what", String(40), nullable=False),
    Column("why", Text, nullable=False),
)
