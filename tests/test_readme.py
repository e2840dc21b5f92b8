"""What the README tells is there: every command has its help, every document can be reached."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
TOLD = sorted(set(re.findall(r"python -m (common|loadtests|supermegaretail|photostock) ([a-z-]+)", README)))


@pytest.mark.parametrize(("package", "name"), TOLD)
def test_every_command_of_the_readme_tells_how_it_is_used(
    package: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    parser: Callable[[], argparse.ArgumentParser] = import_module(f"{package}.__main__").parser
    with pytest.raises(SystemExit) as ended:
        parser().parse_args([name, "--help"])
    assert ended.value.code == 0
    assert "usage:" in capsys.readouterr().out


def test_every_document_can_be_reached_from_the_readme() -> None:
    reached = {Path("README.md")}
    waiting = list(reached)
    while waiting:
        page = waiting.pop()
        for link in re.findall(r"\]\(([^)#\s]+)", (ROOT / page).read_text()):
            found = (ROOT / page.parent / link).resolve()
            if "://" in link or not found.exists():
                continue
            inside = sorted(found.glob("*.md")) if found.is_dir() else [found]
            fresh = {one.relative_to(ROOT) for one in inside if one.suffix == ".md"} - reached
            reached |= fresh
            waiting += fresh
    there = {path.relative_to(ROOT) for path in (ROOT / "docs").rglob("*.md")}
    assert there - reached == set()
