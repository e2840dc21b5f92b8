"""Who comes with which token: the operators by name, and whoever holds the admin token."""

from __future__ import annotations

from collections.abc import Mapping

from common.panel.operators import ADMIN, OperatorStore, stamp_of
from common.panel.roles import Actor
from common.service.admin_session import FailedTries
from common.service.auth import AdminGate, bearer, digest_of
from common.service.problems import Problem
from common.settings import ServiceSettings
from common.state.snapshot import Snapshot

API_TRIES = 600  # wrong tokens per minute and address, for programs; people at the sign-in have fewer


class Access:
    """Tells operators by their tokens, from memory; what changes elsewhere is known here within a second."""

    def __init__(self, settings: ServiceSettings, store: OperatorStore) -> None:
        gate = AdminGate(settings)
        self._admin = Actor(ADMIN, "release", stamp_of(gate.digest))
        self._admin_digest = gate.digest
        self._named = Snapshot[Mapping[str, Actor]]("operators", store.by_digest, first={})
        self._tries = FailedTries(tries=API_TRIES, of_all=None)

    @property
    def trouble(self) -> str | None:
        """Why an operator who was added or removed elsewhere may not be known here."""
        return self._named.trouble

    def refresh(self) -> None:
        """Reads the operators; for worker threads and for the start."""
        self._named.refresh()

    def of_token(self, token: str) -> Actor | None:
        """By hash: what is looked up says nothing about how near a wrong token is."""
        digest = digest_of(token)
        return self._admin if digest == self._admin_digest else self._named.value.get(digest)

    def of_session(self, name: str, stamp: str) -> Actor | None:
        """Who signed in under this name, if their token still counts; with the role that they have now."""
        everybody = (self._admin, *self._named.value.values())
        return next((actor for actor in everybody if (actor.name, actor.stamp) == (name, stamp)), None)

    def of_header(self, authorization: str | None, *, address: str) -> Actor:
        """`Problem` 401 without a token, 403 for a wrong one, 429 for one more after very many."""
        if (token := bearer(authorization)) is None:
            detail = "operators send Authorization: Bearer TOKEN"
            raise Problem(401, detail, headers={"WWW-Authenticate": "Bearer"})
        if (actor := self.of_token(token)) is not None:
            return actor
        if (wait_s := self._tries.wait_s(address)) > 0:
            raise Problem(429, "too many wrong tokens", headers={"Retry-After": str(wait_s)})
        self._tries.note(address)
        raise Problem(403, "this is not the admin token, nor that of an operator")
