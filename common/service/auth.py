"""Who may call: API keys for callers, one token for operators. Secrets are known by their hashes alone."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
import sys
from pathlib import Path

from common.service.problems import Problem
from common.settings import ServiceSettings

ANYBODY = "anonymous"
TOKEN_FILE = "admin-token.sha256"  # noqa: S105  the name of a file, not a secret


class Callers:
    """Maps API keys to names. Without any keys the service is open, which only a loopback address allows."""

    def __init__(self, api_keys: dict[str, str]) -> None:
        self._open = not api_keys
        self._keyless = next((name for name, key in api_keys.items() if not key), None)
        self._names = {digest_of(key): name for name, key in api_keys.items() if key}

    def identify(self, authorization: str | None) -> str:
        """The caller's name; `Problem` 401 for a missing or unknown key."""
        if self._open:
            return ANYBODY
        name = self.known(authorization)
        if name is None and self._keyless is not None and _key(authorization) is None:
            return self._keyless
        if name is None:
            raise Problem(
                401, "send a known API key: Authorization: Bearer KEY", headers={"WWW-Authenticate": "Bearer"}
            )
        return name

    def known(self, authorization: str | None) -> str | None:
        """Whose key this is; None if it is nobody's."""
        key = _key(authorization) if self._names else None
        return None if key is None else self._names.get(digest_of(key))


class AdminGate:
    """Knows the admin token. It is made at the first start, printed once, and kept only as a hash."""

    def __init__(self, settings: ServiceSettings) -> None:
        self.digest = digest_of(settings.admin_token) if settings.admin_token else _stored_digest(settings.var_dir)


def bearer(authorization: str | None) -> str | None:
    """The credentials of a `Bearer` header, None if there are none."""
    scheme, _, credentials = (authorization or "").partition(" ")
    return credentials.strip() or None if scheme.lower() == "bearer" else None


def basic_password(authorization: str | None) -> str | None:
    """The password of a `Basic` header, which is what a browser sends; None if there is none."""
    scheme, _, credentials = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(credentials.strip(), validate=True).decode().partition(":")[2] or None
    except (binascii.Error, UnicodeDecodeError):
        return None


def _key(authorization: str | None) -> str | None:
    return bearer(authorization) or basic_password(authorization)


def _stored_digest(var_dir: Path) -> str:
    """The hash of the token in `var_dir`; two services that start together agree on one file."""
    var_dir.mkdir(parents=True, exist_ok=True)
    path = var_dir / TOKEN_FILE
    token = secrets.token_urlsafe(24)
    draft = var_dir / f".{TOKEN_FILE}.{os.getpid()}"
    draft.write_text(digest_of(token))
    draft.chmod(0o600)
    try:
        os.link(draft, path)
    except FileExistsError:
        return path.read_text().strip()
    else:
        print(f"ADMIN_TOKEN (shown once, only its hash is kept): {token}", file=sys.stderr, flush=True)
        return digest_of(token)
    finally:
        draft.unlink()


def digest_of(secret: str) -> str:
    """What is looked up in place of a secret: how near a wrong one is shows in no time that is measured."""
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()
