"""The committed record of what every component was when somebody last looked: `versions.lock.json`.

A component whose code, libraries or answers differ from the record has moved. That is allowed with a new version; with
the old one only for a reason that a person gives, and the record keeps the last of these.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from common.durable import put_in_place
from common.versions.components import Component, ComponentsError, State, state_of

LOCK_FILE = "versions.lock.json"
SHOWN = 4  # names in a sentence
KEPT_REASONS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something about a component that is not as recorded."""

    component: str
    version: str
    what: str
    what_to_do: str
    moved: bool = False  # under the same version: it may answer otherwise


def states(root: Path, components: Sequence[Component]) -> tuple[dict[str, State], list[Finding]]:
    """Every component as it is now, and those that can't be asked."""
    found: dict[str, State] = {}
    broken: list[Finding] = []
    for component in components:
        try:
            found[component.name] = state_of(root, component, among=components)
        except ComponentsError as error:
            mend = "mend it, or its declaration"
            broken.append(
                Finding(component=component.name, version=component.version, what=str(error), what_to_do=mend)
            )
    return found, broken


def read_lock(root: Path) -> dict[str, State]:
    """What was recorded; `ComponentsError` if that can't be read."""
    path = root / LOCK_FILE
    try:
        document = json.loads(path.read_text())
        return {name: State(**fields) for name, fields in document["components"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ComponentsError(f"{path} can't be read: {error!r}") from error


def read_reasons(root: Path) -> list[dict[str, Any]]:
    """Why what moved was recorded under the same version, oldest first: the last `KEPT_REASONS`."""
    try:
        reasons: list[dict[str, Any]] = json.loads((root / LOCK_FILE).read_text()).get("despite", [])
    except (OSError, ValueError):
        return []
    return reasons


def write_lock(root: Path, found: Mapping[str, State], *, reason: Mapping[str, Any] | None = None) -> None:
    """Records these states; `reason` is for what moved under the same version."""
    reasons = [*read_reasons(root), *([reason] if reason is not None else [])][-KEPT_REASONS:]
    document = {"components": {name: asdict(state) for name, state in sorted(found.items())}, "despite": reasons}
    with put_in_place(root / LOCK_FILE) as draft:
        draft.write_text(json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def differences(recorded: Mapping[str, State], now: Mapping[str, State]) -> list[Finding]:
    """Every component that is not as recorded, by name."""
    found: list[Finding] = []
    for name in sorted({*recorded, *now}):
        if name not in now:
            found.append(_finding(name, recorded[name], "is recorded, but not declared any more", "record it"))
        elif name not in recorded:
            found.append(_finding(name, now[name], "was never recorded", "record it"))
        elif recorded[name] != now[name]:
            found.append(_difference(name, recorded[name], now[name]))
    return found


def _difference(name: str, old: State, new: State) -> Finding:
    answers = _changed(old.answers, new.answers)
    parts = [
        f"version {old.version} → {new.version}" if new.version != old.version else "",
        f"answers moved: {_some(answers)}" if answers else "",
        f"code: {_some(_changed(old.code, new.code))}" if old.code != new.code else "",
        f"libraries: {_some(_arrows(old.libraries, new.libraries))}" if old.libraries != new.libraries else "",
    ]
    what = "; ".join(part for part in parts if part)
    if new.version != old.version:
        return _finding(name, new, what, "record it")
    rather = "" if answers else ", or record it with --despite REASON where it can't behave otherwise"
    return _finding(name, new, what, f"give it a new version, then record it{rather}", moved=True)


def _finding(name: str, state: State, what: str, what_to_do: str, *, moved: bool = False) -> Finding:
    return Finding(component=name, version=state.version, what=what, what_to_do=what_to_do, moved=moved)


def _changed(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    return sorted(key for key in {*old, *new} if old.get(key) != new.get(key))


def _arrows(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    return [f"{name} {old.get(name, 'none')} → {new.get(name, 'none')}" for name in _changed(old, new)]


def _some(names: Sequence[str]) -> str:
    rest = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")
