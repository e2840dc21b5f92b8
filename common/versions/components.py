"""What has a version of its own: where its code begins, which libraries shape its numbers, and how to ask it.

A package declares its components in one module, as `COMPONENTS`, and pyproject.toml lists these modules:

[tool.murphy]
components = ["supermegaretail.components", "photostock.components"]
"""

from __future__ import annotations

import hashlib
import importlib
import json
import math
import sys
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.versions.fingerprint import combined, modules_of
from common.versions.manifest import Release, installed

PROBE_DIGITS = 9  # of a number: less than what another processor's last bits change, more than any real change
HASH_DIGITS = 16


class ComponentsError(Exception):
    """The components can't be found or asked; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """Something whose behaviour may only change together with its version.

    What is a reference, `package.module:NAME`, is imported only when it is needed: to declare costs nothing.

    Args:
        version: itself, or a reference to where the code tells it.
        entries: modules where its code begins, `package.*` for all of a package; imports are followed from there.
        stop: modules and packages that are not its own, beside those where other components begin and `common`.
        follow: false if `entries` are all of it.
        libraries: distributions that shape its numbers.
        probe: a reference to `() -> dict[str, Any]`: answers of fixed questions by name, as JSON has them. It runs in
            a second, reads and writes nothing.
        load: a reference to `(Release) -> object`, with all that is checked before a published version serves; none for
            what is code alone.
    """

    name: str
    version: str
    entries: tuple[str, ...]
    stop: tuple[str, ...] = ()
    follow: bool = True
    libraries: tuple[str, ...] = ()
    probe: str = ""
    load: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What a component is on this checkout, with these libraries."""

    version: str
    code: dict[str, str]  # module -> fingerprint
    libraries: dict[str, str]
    answers: dict[str, str]  # question -> hash of the answer

    @property
    def fingerprint(self) -> str:
        return combined(self.code)


def components_of(root: Path) -> list[Component]:
    """All that the project under `root` declares, in order; `ComponentsError` if it declares none."""
    try:
        declared = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["murphy"]["components"]
    except (OSError, KeyError, TypeError, tomllib.TOMLDecodeError) as error:
        raise ComponentsError(f"{root / 'pyproject.toml'} lists no [tool.murphy] components: {error!r}") from error
    found: list[Component] = []
    for name in declared:
        found += _import(root, str(name)).COMPONENTS
    return found


def code_of(root: Path, component: Component, *, among: Sequence[Component]) -> dict[str, str]:
    """Module to fingerprint of all that is the component's own."""
    others = [entry for other in among if other is not component for entry in other.entries]
    stop = [*component.stop, *(entry for entry in others if entry not in component.entries), "common"]
    return modules_of(root, component.entries, stop=stop, follow=component.follow)


def fingerprint_of(name: str, among: Sequence[Component], *, root: Path) -> str:
    """What a manifest says of the code of the component with this name."""
    component = next(one for one in among if one.name == name)
    return combined(code_of(root, component, among=among))


def state_of(root: Path, component: Component, *, among: Sequence[Component]) -> State:
    """The component as it is now; `ComponentsError` when its code is not there or its probe fails."""
    try:
        code = code_of(root, component, among=among)
        version = referred(component.version) if ":" in component.version else component.version
        answers = referred(component.probe)() if component.probe else {}
    except Exception as error:  # whatever a probe raises: the component does not behave as it did
        raise ComponentsError(f"{component.name}: {type(error).__name__}: {error}") from error
    return State(
        version=str(version),
        code=code,
        libraries=installed(component.libraries),
        answers={question: answer_hash(answer) for question, answer in answers.items()},
    )


def referred(reference: str) -> Any:
    """What `package.module:NAME` or `package.module:Class.method` refers to."""
    module, _, path = reference.partition(":")
    found: Any = importlib.import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    return found


def loader_of(component: Component) -> Callable[[Release], object] | None:
    """What loads a published version of it, if anything does."""
    if not component.load:
        return None
    load: Callable[[Release], object] = referred(component.load)
    return load


def answer_hash(answer: Any) -> str:
    """Of an answer's JSON with numbers of 9 digits, so that the last bits of another processor don't count."""
    text = json.dumps(_rounded(answer), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:HASH_DIGITS]


def _rounded(answer: Any) -> Any:
    if isinstance(answer, float):
        return f"{answer:.{PROBE_DIGITS}g}" if math.isfinite(answer) else None
    if isinstance(answer, dict):
        return {str(key): _rounded(value) for key, value in answer.items()}
    if isinstance(answer, list | tuple):
        return [_rounded(value) for value in answer]
    return answer


def _import(root: Path, name: str) -> Any:
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        raise ComponentsError(f"{name} can't be imported: {error}; is its extra installed?") from error
    origin = Path(module.__file__ or "").resolve()
    if not origin.is_relative_to(root.resolve()):
        raise ComponentsError(f"{name} comes from {origin}, not from {root}")
    return module
