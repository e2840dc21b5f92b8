"""The rules of the house that a reader relies on: which way imports point, and that the docs list what the code has."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from supermegaretail.columns import COLUMNS

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("common", "supermegaretail", "photostock", "loadtests")
MAY_IMPORT = {
    "common": set[str](),
    "supermegaretail": {"common"},
    "photostock": {"common"},
    "loadtests": {"common"},
}


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_one_way(package: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for module in imports_of(path)
        if module.split(".")[0] in set(PACKAGES) - {package} - MAY_IMPORT[package]
    ]
    assert wrong == []


def code() -> str:
    return "\n".join(path.read_text() for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def listed(heading: str) -> set[str]:
    text = (ROOT / "docs" / "architecture.md").read_text()
    section = text.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([a-z_.]+)`", row)}


def test_the_docs_list_every_log_event() -> None:
    events = set(re.findall(r'log\.(?:info|warning|error|exception)\(\s*"([a-z_.]+)"', code()))
    assert listed("What is logged") == events


def test_the_docs_list_every_metric() -> None:
    metrics = set(re.findall(r'(?:Counter|Gauge|Histogram)\(\s*"([a-z_]+)"', code()))
    assert listed("What is counted") == metrics


def test_the_docs_list_every_setting() -> None:
    text = (ROOT / "docs" / "settings.md").read_text()
    settings = "\n".join(
        (ROOT / package / "settings.py").read_text()
        for package in PACKAGES
        if (ROOT / package / "settings.py").exists()
    )
    fields = set(re.findall(r"^    ([a-z_]+): .* = ", settings, re.MULTILINE)) - {
        "model_config",
        "model_url",
        "model_url_green",
        "reranker_url",
        "reranker_url_green",
        "encoder_model",
        "shadow_url",
    }
    names = {name.upper() for name in fields} | set(re.findall(r'AliasChoices\("([A-Z_]+)"', settings))
    assert {name for name in names if f"`{name}`" not in text} == set()


def test_the_docs_list_every_column_of_the_sales_table() -> None:
    text = (ROOT / "docs" / "data.md").read_text()
    assert [column.name for column in COLUMNS if f"| `{column.name}` | {column.kind} |" not in text] == []
