"""What can happen to the files that the APIs keep beside their database: the sales table, the graph of the index."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from common.versions.registry import Registry
from loadtests.inside.storage import REGISTRY
from loadtests.murphy.trial import PHOTOS, RETAIL
from loadtests.processes import ProcessError

if TYPE_CHECKING:
    from loadtests.murphy.house import House

TABLE = Path(RETAIL) / "sales.parquet"
GRAPHS = Path(PHOTOS) / "index"
GARBAGE = bytes(range(256)) * 16


@asynccontextmanager
async def table_damaged(house: House) -> AsyncIterator[None]:
    """Garbage takes the place of the sales table while Supermegaretail's API runs, and goes again."""
    with in_place_of(house.var_dir / TABLE, GARBAGE):
        yield


@asynccontextmanager
async def table_damaged_at_the_start(house: House) -> AsyncIterator[None]:
    """Supermegaretail's API starts over half of its table; the whole one comes while it runs."""
    whole = await asyncio.to_thread((house.var_dir / TABLE).read_bytes)
    with in_place_of(house.var_dir / TABLE, whole[: len(whole) // 2]):
        await house.restart(house.services[RETAIL].api, wholly=False)
        yield


@asynccontextmanager
async def graph_damaged(house: House) -> AsyncIterator[None]:
    """PhotoStock's API starts over garbage where the graph of its encoder's index has its place."""
    encoder = Registry(house.var_dir / REGISTRY).champion("encoder")
    if encoder is None:
        raise ProcessError("there is no encoder, and so no index; `make train` makes it")
    name = hashlib.sha256(encoder.encode()).hexdigest()[:16]
    with in_place_of(house.var_dir / GRAPHS / f"{name}.graph", GARBAGE):
        await house.restart(house.services[PHOTOS].api)
        yield


@contextmanager
def in_place_of(path: Path, content: bytes) -> Iterator[None]:
    """A file of this content has the name, in one step; then the one from before has it again, if there was one."""
    before, other = path.with_suffix(".before"), path.with_suffix(".other")
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        before.hardlink_to(path)
    other.write_bytes(content)
    other.replace(path)
    try:
        yield
    finally:
        if before.exists():
            before.replace(path)
        else:
            path.unlink(missing_ok=True)
