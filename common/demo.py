"""What a visitor can ask the demo about: a small file that the load generator reads, since it sees the services only
from outside."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FILE = "demo.json"


def remember(var_dir: Path, name: str, values: Sequence[Any]) -> None:
    """Puts `values` under `name` into the file, beside what other services put there."""
    path = var_dir / FILE
    document = json.loads(path.read_text()) if path.exists() else {}
    document[name] = list(values)
    var_dir.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1))
