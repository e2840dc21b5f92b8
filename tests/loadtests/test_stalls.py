"""Pauses of the machine are noticed, whether it was this process or a whole core that stood still."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from loadtests.stalls import StallWatch
from tests.waiting import eventually

NOWHERE = Path("/nowhere")


@asynccontextmanager
async def ticking(watch: StallWatch) -> AsyncIterator[None]:
    task = asyncio.create_task(watch.run())
    await asyncio.sleep(0.05)
    try:
        yield
    finally:
        task.cancel()


def tell(kernel: Path, *stolen: int) -> None:
    """As the kernel does it: first all cores together, then each; the eighth number is what was stolen."""
    lines = [f"cpu{core} 1 2 3 4 5 6 7 {ticks} 0 0" for core, ticks in enumerate(stolen)]
    kernel.write_text("\n".join(["cpu  1 2 3 4 5 6 7 999 0 0", *lines, "intr 5"]))


async def lost_lately(watch: StallWatch, at_least: float) -> float | None:
    """Seconds lost in the last ten, once they are so many; this machine may really stand still besides."""
    now = asyncio.get_running_loop().time()
    lost = watch.seconds_between(now - 10, now)
    return lost if lost >= at_least else None


async def test_a_stall_of_the_own_process_is_noticed() -> None:
    watch, clock = StallWatch(NOWHERE), asyncio.get_running_loop().time
    async with ticking(watch):
        start = clock()
        time.sleep(0.2)  # noqa: ASYNC251 - the stall
        end = clock()
        await watch.booked()
        assert 0.15 < watch.seconds_between(start, end) <= end - start
        assert watch.seconds_between(end - 0.05, end) == pytest.approx(0.05)


async def test_where_this_process_is_judged_its_own_stalls_do_not_excuse_it() -> None:
    watch, clock = StallWatch(NOWHERE, stolen_only=True), asyncio.get_running_loop().time
    async with ticking(watch):
        start = clock()
        time.sleep(0.1)  # noqa: ASYNC251 - the stall
        await watch.booked()
        assert watch.seconds_between(start, clock()) == 0


@pytest.mark.parametrize("stolen_only", [False, True])
async def test_a_core_that_the_hypervisor_took_away_is_noticed(tmp_path: Path, *, stolen_only: bool) -> None:
    kernel = tmp_path / "stat"
    tell(kernel, 100, 100)
    watch = StallWatch(kernel, stolen_only=stolen_only)
    async with ticking(watch):
        tell(kernel, 100, 400)
        assert await eventually(lambda: lost_lately(watch, 3)) == pytest.approx(3, abs=1)


async def test_of_cores_that_stood_still_together_only_the_longest_counts(tmp_path: Path) -> None:
    kernel = tmp_path / "stat"
    tell(kernel, 0, 0)
    watch = StallWatch(kernel)
    async with ticking(watch):
        tell(kernel, 250, 300)
        assert await eventually(lambda: lost_lately(watch, 3)) == pytest.approx(3, abs=1)
