"""What this service promises to its callers, for `python -m common openapi`."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from photostock.app import create_app
from photostock.settings import PhotoSettings


def openapi(var_dir: Path) -> dict[str, Any]:
    """The OpenAPI document of the API process; `var_dir` is an empty folder that may be thrown away afterwards."""
    settings = PhotoSettings(
        var_dir=var_dir,
        database_url=f"sqlite:///{var_dir / 'state.sqlite3'}",
        host="127.0.0.1",
        admin_token=secrets.token_urlsafe(),
    )
    return create_app(settings).openapi()
