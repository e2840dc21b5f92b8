"""What a model process answers when its model can't."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest

from common.deadline import Deadline
from common.errors import PoolFull
from common.service.model_host import ModelHost
from common.service.problems import Problem
from common.versions.registry import ArtifactError, UnknownVersion
from common.versions.slots import ModelSlots
from common.workers import WorkerPool

ERRORS = {"gone": UnknownVersion("gone"), "damaged": ArtifactError("damaged"), "odd": ValueError("odd")}


class Slots:
    """One version in memory, one on disk, and errors under the names of others."""

    def get(self, name: str) -> tuple[str, str] | None:
        return ("1.0.0", "the champion") if name == "champion" else None

    def load(self, name: str) -> tuple[str, str]:
        if name in ERRORS:
            raise ERRORS[name]
        return name, "from disk"


@pytest.fixture
def host() -> Iterator[ModelHost[str]]:
    pool = WorkerPool("test", threads=1, queue=1)
    yield ModelHost(cast(ModelSlots[str], Slots()), pool)
    pool.close()


async def test_a_version_is_taken_from_memory_or_else_loaded(host: ModelHost[str]) -> None:
    assert await host.model("champion", Deadline.after_ms(5_000)) == ("1.0.0", "the champion")
    assert await host.model("0.9.0", Deadline.after_ms(5_000)) == ("0.9.0", "from disk")


@pytest.mark.parametrize(("name", "status"), [("gone", 404), ("damaged", 503), ("odd", 503)])
async def test_a_version_that_can_not_be_had_is_a_problem(host: ModelHost[str], name: str, status: int) -> None:
    with pytest.raises(Problem) as raised:
        await host.model(name, Deadline.after_ms(5_000))
    assert raised.value.status == status


@pytest.mark.parametrize("error", [PoolFull, TimeoutError])
async def test_work_that_there_is_no_time_for_may_be_sent_again(host: ModelHost[str], error: type[Exception]) -> None:
    def work() -> None:
        raise error

    with pytest.raises(Problem) as raised:
        await host.run(work, deadline=Deadline.after_ms(5_000))
    assert (raised.value.status, raised.value.headers["Retry-After"]) == (503, "1")


async def test_what_the_work_itself_finds_wrong_is_for_the_route_to_tell(host: ModelHost[str]) -> None:
    with pytest.raises(ValueError, match="features"):
        await host.run(_refuse, deadline=Deadline.after_ms(5_000))


def _refuse() -> None:
    raise ValueError("features of another shape")
