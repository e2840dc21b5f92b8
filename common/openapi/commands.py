"""`python -m common openapi check|record`: is what the code promises still what was published?"""

from __future__ import annotations

import argparse
import json
import tempfile
import tomllib
from pathlib import Path

from common.command_line import Failed, command
from common.openapi.changes import Change, Json
from common.openapi.documents import compare, published
from common.versions.components import referred

FOLDER = Path("docs") / "openapi"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the commands."""
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    texts = {"check": "refuse what would break callers, and what is not recorded", "record": "publish what is additive"}
    for name, text in texts.items():
        run = _check if name == "check" else _record
        one = command(commands, name, run, text)
        one.add_argument("--root", type=Path, default=Path(), help="the checkout (default: here)")


def current(root: Path) -> dict[str, Json]:
    """The document of each service as its code is now, by the service's name; `Failed` where none is declared.

    pyproject.toml tells who makes them: `[tool.murphy.openapi]`, service = "package.module:function", a function
    that takes an empty folder for the service's state.
    """
    try:
        declared = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["murphy"]["openapi"]
    except (OSError, KeyError, tomllib.TOMLDecodeError) as error:
        raise Failed(f"{root / 'pyproject.toml'} lists no [tool.murphy.openapi]: {error!r}") from error
    documents = {}
    for service, reference in declared.items():
        with tempfile.TemporaryDirectory() as folder:
            documents[service] = published(referred(str(reference))(Path(folder)), "v1")
    return documents


def recorded(root: Path, service: str) -> Json | None:
    """The published document; None before the first."""
    path = root / FOLDER / f"{service}.json"
    if not path.exists():
        return None
    document: Json = json.loads(path.read_text())
    return document


def changes(root: Path) -> dict[str, list[Change]]:
    """What differs from the published documents, by service."""
    return {service: compare(recorded(root, service) or {}, document) for service, document in current(root).items()}


def _check(arguments: argparse.Namespace) -> int:
    found = changes(arguments.root)
    _show(found)
    if any(change.breaking for change in _all(found)):
        raise Failed("callers of /v1 would break: keep the old beside the new, or make it a /v2")
    if any(_all(found)):
        raise Failed("additive, but not published yet: python -m common openapi record")
    print("every service promises what was published")
    return 0


def _record(arguments: argparse.Namespace) -> int:
    found = changes(arguments.root)
    _show(found)
    if any(change.breaking for change in _all(found)):
        raise Failed("nothing was recorded: callers of /v1 would break")
    (arguments.root / FOLDER).mkdir(parents=True, exist_ok=True)
    for service, document in current(arguments.root).items():
        text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        (arguments.root / FOLDER / f"{service}.json").write_text(text)
    print(f"recorded in {FOLDER}")
    return 0


def _all(found: dict[str, list[Change]]) -> list[Change]:
    return [change for some in found.values() for change in some]


def _show(found: dict[str, list[Change]]) -> None:
    for service, some in found.items():
        for change in sorted(some, key=lambda one: not one.breaking):
            print(f"{'BREAKS' if change.breaking else 'adds  '} {service} {change}")
