"""Nothing changes without a version: what `registry verify` says of a checkout on which somebody changed one thing.

Each run changes one thing in each of several components of a copy, and expects just these components to be named.
"""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from common.versions.components import code_of, components_of
from common.versions.fingerprint import modules_of
from common.versions.registry import Registry

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("common", "supermegaretail", "photostock")
FED_BY_THESE = {"baseline", "core", "correction", "forecast-chain", "index"}  # by the features, and by the order


@dataclass(frozen=True, slots=True)
class Mutation:
    """One thing that somebody changes, and the component that behaves otherwise from then on."""

    component: str
    file: str
    old: str
    new: str


VISIBLE = (  # each moves the answers to a probe
    Mutation("features", "supermegaretail/features.py", "DECIMALS = 4", "DECIMALS = 3"),  # a rounding
    Mutation("core", "supermegaretail/core/model.py", "TRUST = 0.7", "TRUST = 0.71"),  # a constant
    Mutation(
        "baseline", "supermegaretail/baseline.py", "PLAUSIBLE_FACTOR = 10", "PLAUSIBLE_FACTOR = 11"
    ),  # a threshold
    Mutation("forecast-api", "supermegaretail/contract.py", "le=MAX_HORIZON_DAYS)] = 7", "le=MAX_HORIZON_DAYS)] = 14"),
    Mutation("forecast-chain", "supermegaretail/api.py", "DEMAND_DECIMALS = 4", "DEMAND_DECIMALS = 5"),
    Mutation("filter", "photostock/filter/colours.py", "RADIUS = 0.10", "RADIUS = 0.30"),
    Mutation("words", "photostock/words.py", '[^\\W_]+")', '\\w+\\b.?")'),  # a regular expression
    Mutation("hints", "photostock/hints/rewriting.py", "MAX_QUERY_CHARS = 600", "MAX_QUERY_CHARS = 12"),
    Mutation("catalogue", "photostock/photo.py", 'return ". ".join', 'return " ".join'),
    Mutation("order", "photostock/ranking.py", "np.lexsort((rows, -scores))", "np.lexsort((-rows, -scores))"),
)
HIDDEN = (  # hardly a probe sees these: the fingerprint of the code does
    Mutation("correction", "supermegaretail/correction/train.py", "trees=80", "trees=81"),
    Mutation("core", "supermegaretail/core/train.py", "seed=seed", "seed=seed + 1"),
    Mutation("words", "photostock/words.py", '"which", "while"', '"whichever", "while"'),  # a stop word
    Mutation("filter", "photostock/filter/filter.py", '("landscape", "portrait",', '("portrait", "landscape",'),
    Mutation("search-chain", "photostock/reranker/trust.py", "MAX_SCORE = 1_000.0", "MAX_SCORE = 2_000.0"),
    Mutation(
        "encoder", "photostock/index/encoder.py", "dtype=np.float32)\n        for", "dtype=np.float16)\n        for"
    ),
)
HARMLESS = (
    Mutation("", "photostock/popular.py", "np.zeros(1024)", "np.zeros((1024))"),
    Mutation("", "photostock/popular.py", '"""The last tier: photos', '"""The very last tier: photos'),
    Mutation("", "supermegaretail/baseline.py", "PLAUSIBLE_UNITS = 10", "# well\n\nPLAUSIBLE_UNITS=10"),
)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the packages with a record of its own."""
    copy = tmp_path_factory.mktemp("recorded")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    assert "components recorded" in registry(copy, "record")
    return copy


@pytest.fixture
def checkout(recorded: Path, tmp_path: Path) -> Path:
    shutil.copytree(recorded, tmp_path / "checkout")
    return tmp_path / "checkout"


def registry(checkout: Path, *arguments: str, code: int = 0) -> str:
    """What the command says, run as in that checkout."""
    ended = subprocess.run(
        [sys.executable, "-m", "common", "registry", *arguments],
        cwd=checkout,
        env={**os.environ, "VAR_DIR": str(checkout / "var")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == code, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def mutate(checkout: Path, mutations: Sequence[Mutation]) -> None:
    for one in mutations:
        path = checkout / one.file
        text = path.read_text()
        assert text.count(one.old) >= 1, f"{one.file} has no {one.old!r}"
        path.write_text(text.replace(one.old, one.new, 1))


def found(told: str) -> dict[str, str]:
    """Component to what is found about it."""
    words = [line.split(maxsplit=2) for line in told.splitlines() if " → " in line or ": " in line]
    return {line[0]: line[2] for line in words if len(line) == 3}


def test_nothing_is_found_on_an_unchanged_checkout_nor_after_a_changed_comment(checkout: Path) -> None:
    assert "as recorded" in registry(checkout, "verify")
    mutate(checkout, HARMLESS)
    assert "as recorded" in registry(checkout, "verify")


def test_every_component_that_answers_otherwise_is_named_and_can_not_be_recorded_without_a_new_version(
    checkout: Path,
) -> None:
    mutate(checkout, VISIBLE)
    told = found(registry(checkout, "verify", code=1))
    named = {one.component for one in VISIBLE}
    assert named <= set(told) <= named | FED_BY_THESE
    assert {component for component in named if "answers moved" not in told[component]} == set()
    before = (checkout / "versions.lock.json").read_bytes()
    assert "nothing was recorded" in registry(checkout, "record", code=1)
    assert (checkout / "versions.lock.json").read_bytes() == before
    registry(checkout, "record", "--despite", "never released")
    [reason] = json.loads((checkout / "versions.lock.json").read_text())["despite"]
    assert reason["why"] == "never released"
    assert set(reason["components"]) == set(told)
    registry(checkout, "verify")


def test_changed_code_that_no_probe_sees_and_a_changed_library_are_named_too(checkout: Path) -> None:
    mutate(checkout, HIDDEN)
    other = checkout / "polars-99.0.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: polars\nVersion: 99.0.0\n")
    told = found(registry(checkout, "verify", code=1))
    with_polars = {one.name for one in components_of(ROOT) if "polars" in one.libraries}
    assert {*(one.component for one in HIDDEN), *with_polars} == set(told) - {"reranker"}
    assert "polars" in told["features"]
    assert "→ 99.0.0" in told["features"]
    assert {component for component in told if "answers moved" in told[component]} <= {"words", "filter"}


def test_code_that_moved_without_a_new_version_is_recorded_for_a_reason_only_and_the_reasons_stay(
    checkout: Path,
) -> None:
    for trees, why in (("81", "not released yet"), ("82", "only slower")):
        path = checkout / "supermegaretail/correction/train.py"
        path.write_text(re.sub(r"trees=\d+", f"trees={trees}", path.read_text()))
        assert "nothing was recorded" in registry(checkout, "record", code=1)
        assert "nothing was recorded" in registry(checkout, "record", "--despite", " ", code=1)
        registry(checkout, "record", "--despite", why)
    registry(checkout, "verify")
    registry(checkout, "record")

    reasons = json.loads((checkout / "versions.lock.json").read_text())["despite"]
    assert reasons == [
        {"components": ["correction"], "why": "not released yet"},
        {"components": ["correction"], "why": "only slower"},
    ]


def test_a_new_version_may_behave_otherwise_but_must_be_recorded(checkout: Path) -> None:
    mutate(checkout, [one for one in VISIBLE if one.component == "filter"])
    mutate(checkout, [Mutation("filter", "photostock/filter/filter.py", "FILTER_VERSION =", "FILTER_VERSION = '9' or")])
    assert "→ 9" in found(registry(checkout, "verify", code=1))["filter"]
    registry(checkout, "record")
    registry(checkout, "verify")


def test_one_byte_of_an_artifact_and_answers_that_moved_are_found_in_the_registry(checkout: Path) -> None:
    published = Registry(checkout / "var" / "registry")
    published.publish("encoder", {"model.onnx": b"weights", "tokenizer.json": b"{}"}, alias=None)
    registry(checkout, "verify")
    (published.root / "encoder" / "1.0.0" / "tokenizer.json").write_bytes(b"[}")
    assert "tokenizer.json is damaged" in registry(checkout, "verify", code=1)


def test_a_probe_that_fails_is_a_finding_and_not_a_traceback(checkout: Path) -> None:
    mutate(checkout, [Mutation("hints", "photostock/hints/rewriting.py", "def rewrite(", "def rewritten(")])
    told = registry(checkout, "verify", code=1)
    assert "hints: ImportError" in told
    assert "Traceback" not in told


def test_every_module_belongs_to_a_component_or_is_harmless_for_a_reason() -> None:
    components = components_of(ROOT)
    harmless: dict[str, str] = {}
    for package in PACKAGES:
        harmless |= importlib.import_module(f"{package}.components").HARMLESS
    let_be = set(modules_of(ROOT, [*harmless], follow=False))
    owned = {module for one in components for module in code_of(ROOT, one, among=components)}
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if path.stem != "__init__" or len(ast.parse(path.read_text()).body) > 1  # more than a docstring
    }

    assert modules - owned - let_be == set()
    assert owned & let_be == set()
    assert all(harmless.values())


@pytest.mark.skipif("CI" not in os.environ, reason="while one works on a component, its record is behind")
def test_this_checkout_is_as_recorded(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "common", "registry", "verify", "--root", str(ROOT)],
        cwd=ROOT,
        env={**os.environ, "VAR_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
