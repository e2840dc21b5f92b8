"""Files that faults spoil: only those that are meant, and as they were afterwards."""

from __future__ import annotations

import json
from pathlib import Path

from loadtests.inside.artifacts import corrupt, models_with, own_files_with, truncated
from loadtests.inside.kept_files import in_place_of
from loadtests.murphy.house import House, own_services
from loadtests.murphy.trial import RETAIL
from loadtests.processes import Fleet, Program


class NoFleet(Fleet):
    """Starts nothing, and notes what it should start."""

    started: tuple[str, ...] = ()

    def start(self, program: Program) -> None:
        self.started += (program.name,)

    async def ready(self, program: Program, **_: object) -> None: ...


def published(var_dir: Path, *components: str) -> dict[str, Path]:
    """The file of a version of each of these components."""
    models = {name: var_dir / "registry" / name / "1.0.0" / "model" for name in components}
    for model in models.values():
        model.parent.mkdir(parents=True)
        model.with_name("manifest.json").write_text(json.dumps({"version": "1.0.0"}))
        model.write_bytes(b"whole")
    return models


def test_another_content_has_the_name_and_then_the_one_from_before(tmp_path: Path) -> None:
    path = tmp_path / "sales.parquet"
    path.write_bytes(b"a table")
    before = path.stat()
    with in_place_of(path, b"garbage"):
        assert path.read_bytes() == b"garbage"
    assert path.read_bytes() == b"a table"
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert list(tmp_path.iterdir()) == [path]


def test_a_name_that_was_free_is_free_again(tmp_path: Path) -> None:
    path = tmp_path / "index" / "a.graph"
    with in_place_of(path, b"garbage"):
        assert path.read_bytes() == b"garbage"
    assert list(path.parent.iterdir()) == []


async def test_only_the_models_of_the_services_at_fault_are_spoiled_and_start_anew(tmp_path: Path) -> None:
    models = published(tmp_path, "core", "reranker")
    fleet = NoFleet(tmp_path / "logs")
    house = House(own_services({}, tmp_path), var_dir=tmp_path, fleet=fleet)
    async with models_with(house, corrupt, (RETAIL,)):
        contents = {name: model.read_bytes() for name, model in models.items()}
        assert contents["core"] != b"whole"
        assert contents["reranker"] == b"whole"
    assert fleet.started == ("supermegaretail-model-moved",)
    assert models["core"].read_bytes() == b"whole"


async def test_what_runs_inside_photostock_is_spoiled_for_its_api_alone(tmp_path: Path) -> None:
    models = published(tmp_path, "encoder", "filter", "reranker")
    fleet = NoFleet(tmp_path / "logs")
    house = House(own_services({}, tmp_path), var_dir=tmp_path, fleet=fleet)
    async with own_files_with(house, truncated):
        contents = {name: model.read_bytes() for name, model in models.items()}
    assert contents == {"encoder": b"wh", "filter": b"wh", "reranker": b"whole"}
    assert fleet.started == ("photostock-api",)
    assert {model.read_bytes() for model in models.values()} == {b"whole"}
