"""Writes plain data as YAML for people to read; every YAML parser reads it back."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

Plain: TypeAlias = "Mapping[str, Plain] | Sequence[Plain] | str | int | float | bool"
NEEDS_NO_QUOTES = re.compile(r"[A-Za-z/][A-Za-z0-9 ._/-]*[A-Za-z0-9_]|[0-9]+[smhd]")
READ_AS_OTHERS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


def yaml_of(value: Plain, indent: int = 0) -> str:
    """The document, or the part of one at this indentation, with a line break at its end."""
    space = " " * indent
    if isinstance(value, Mapping) and value:
        return "".join(f"{space}{key}:{_beside(entry, indent)}" for key, entry in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str) and value:
        return "".join(f"{space}- {yaml_of(entry, indent + 2).lstrip(' ')}" for entry in value)
    return f"{space}{_scalar(value)}\n"


def _beside(value: Plain, indent: int) -> str:
    if isinstance(value, str) and ("\n" in value or '"' in value):
        lines = "".join(f"{' ' * (indent + 2)}{line}\n" for line in value.split("\n"))
        return f" |-\n{lines}"
    if isinstance(value, Mapping) and value:
        return "\n" + yaml_of(value, indent + 2)
    if isinstance(value, Sequence) and not isinstance(value, str) and value:
        if all(isinstance(entry, str) for entry in value):
            return f" [{', '.join(map(_scalar, value))}]\n"
        return "\n" + yaml_of(value, indent + 2)
    return f" {_scalar(value)}\n"


def _scalar(value: Plain) -> str:
    if isinstance(value, str) and NEEDS_NO_QUOTES.fullmatch(value) and value.lower() not in READ_AS_OTHERS:
        return value
    return json.dumps(value, ensure_ascii=False)
