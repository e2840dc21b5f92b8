"""Operators by name: each with a role and a token, of which only the hash is kept."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast, get_args

from sqlalchemy import Column, Engine, MetaData, String, Table, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from common.panel.roles import Actor, Role
from common.service.auth import digest_of
from common.state.database import create_tables

ADMIN = "admin"  # who comes with ADMIN_TOKEN
MOST_OPERATORS = 200
NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")

metadata = MetaData()
operators = Table(
    "operators",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("role", String(16), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("added_at", String(40), nullable=False),
    Column("added_by", String(200), nullable=False),
)


class OperatorStore:
    """The operators in the state database; all services and replicas share them."""

    def __init__(self, engine: Engine) -> None:
        create_tables(engine, metadata)
        self._engine = engine

    def add(self, name: str, role: Role, *, added_by: str) -> str:
        """Their token, which nobody is told again; raises `ValueError` for a name that is taken or can't be given."""
        if not NAME.fullmatch(name) or name == ADMIN:
            raise ValueError(f"a name is a letter and up to 31 of a-z, 0-9 and -, and not {ADMIN}")
        token = secrets.token_urlsafe(24)
        row = {
            "name": name,
            "role": role,
            "digest": digest_of(token),
            "added_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "added_by": added_by[:200],
        }
        try:
            with self._engine.begin() as connection:
                connection.execute(insert(operators), row)
                if connection.execute(select(func.count()).select_from(operators)).scalar_one() > MOST_OPERATORS:
                    raise ValueError(f"there are {MOST_OPERATORS} operators already")
        except IntegrityError as error:
            raise ValueError(f"there is an operator named {name}; remove it first") from error
        return token

    def change(self, name: str, role: Role) -> bool:
        """Their token and their sessions may what the role says within a second; False if there was nobody."""
        with self._engine.begin() as connection:
            changed = update(operators).where(operators.c.name == name).values(role=role)
            return connection.execute(changed).rowcount > 0

    def remove(self, name: str) -> bool:
        """Their token and their sessions are worth nothing within a second; False if there was nobody."""
        with self._engine.begin() as connection:
            return connection.execute(delete(operators).where(operators.c.name == name)).rowcount > 0

    def listed(self) -> list[dict[str, Any]]:
        """Without what they prove themselves by."""
        shown = (operators.c.name, operators.c.role, operators.c.added_at, operators.c.added_by)
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(select(*shown).order_by(operators.c.name)).mappings()]

    def by_digest(self) -> Mapping[str, Actor]:
        """Everybody, by the hash of their token."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(operators)).mappings().all()
        return {
            row["digest"]: Actor(row["name"], cast(Role, row["role"]), stamp_of(row["digest"]))
            for row in rows
            if row["role"] in get_args(Role)
        }


def stamp_of(digest: str) -> str:
    """Changes with the token, and says nothing about it."""
    return hashlib.sha256(f"stamp of {digest}".encode()).hexdigest()[:12]
