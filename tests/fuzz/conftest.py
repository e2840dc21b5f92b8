"""All four processes, real, with a little data: started once for the folder."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from hypothesis import HealthCheck, Phase, settings

from loadtests.hostile import log_troubles, programs
from loadtests.processes import Fleet, Program
from supermegaretail.table import save_table
from tests.photostock.conftest import PHOTOS
from tests.supermegaretail.conftest import small_table

OPERATOR = {"Authorization": "Bearer operator-token"}
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "2"))  # of each endpoint; for nights, thousands
SEARCHED = settings(
    max_examples=EXAMPLES,
    derandomize="FUZZ_EXAMPLES" not in os.environ,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
STATES = settings(SEARCHED, max_examples=4 * EXAMPLES, stateful_step_count=12)


@dataclass(frozen=True)
class House:
    """The processes by name, such as `supermegaretail-api`."""

    fleet: Fleet
    programs: dict[str, Program]

    def url(self, name: str) -> str:
        return self.programs[name].url

    def troubles(self, name: str) -> list[str]:
        """What the log of a process says that it should not."""
        return list(log_troubles(self.fleet.log_of(name)))


@pytest.fixture(scope="package")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    var_dir = tmp_path_factory.mktemp("house")
    save_table(small_table(), var_dir / "supermegaretail" / "sales.parquet")
    with Fleet(var_dir / "logs") as fleet:
        started = {program.name: program for program in programs(var_dir)}
        for program in started.values():
            fleet.start(program)
        asyncio.run(_ready(fleet, list(started.values())))
        photos = [{"id": photo.id, "title": photo.title, "tags": list(photo.tags)} for photo in PHOTOS]
        answer = httpx.post(f"{started['photostock-api'].url}/v1/photos", json={"photos": photos}, timeout=30)
        assert answer.status_code == 201, answer.text
        yield House(fleet, started)


async def _ready(fleet: Fleet, started: list[Program]) -> None:
    for program in started:
        await fleet.ready(program, path="/live")
