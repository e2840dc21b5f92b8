"""Ways in which the files of a published model can be wrong when its process starts."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadtests.murphy.trial import PHOTOS, RETAIL

if TYPE_CHECKING:
    from loadtests.murphy.house import House

SPOILED: Mapping[str, str] = {RETAIL: "core", PHOTOS: "reranker"}  # by service, what its model process serves
INSIDE_PHOTOSTOCK = ("encoder", "filter")  # what its API reads itself
MANIFEST = "manifest.json"

Spoil = Callable[[Path], None]  # the folder of one version


@asynccontextmanager
async def models_with(house: House, spoil: Spoil, services: Sequence[str]) -> AsyncIterator[None]:
    """The models of these services start over spoiled files; the files are mended while they run."""
    own = [service for name, service in house.services.items() if name in services]
    models = [service.moved_model for service in own]
    async with _spoiled(house, spoil, [SPOILED[service.name] for service in own]):
        await house.kill(*models)
        await house.start(*models, path="/live")
        yield


@asynccontextmanager
async def own_files_with(house: House, spoil: Spoil) -> AsyncIterator[None]:
    """PhotoStock's API starts over spoiled files of what runs inside it: likewise."""
    async with _spoiled(house, spoil, INSIDE_PHOTOSTOCK):
        await house.restart(house.services[PHOTOS].api, wholly=False)
        yield


@asynccontextmanager
async def _spoiled(house: House, spoil: Spoil, components: Sequence[str]) -> AsyncIterator[None]:
    """All versions of these components are spoiled for the length of a block."""
    kept = house.var_dir / "registry-as-it-was"
    registry = house.var_dir / "registry"
    await asyncio.to_thread(shutil.copytree, registry, kept)
    try:
        for component in components:
            for folder in sorted(path.parent for path in (registry / component).glob(f"*/{MANIFEST}")):
                spoil(folder)
        yield
    finally:
        for component in components:
            await asyncio.to_thread(_put_back, kept / component, registry / component)
        await asyncio.to_thread(shutil.rmtree, kept)


def missing(folder: Path) -> None:
    for path in _artifacts(folder):
        path.unlink()


def truncated(folder: Path) -> None:
    for path in _artifacts(folder):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def corrupt(folder: Path) -> None:
    for path in _artifacts(folder):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0xFF
        path.write_bytes(bytes(content))


def of_another_version(folder: Path) -> None:
    _declare(folder, {"version": "99.0.0"})


def of_another_feature_order(folder: Path) -> None:
    told = json.loads((folder / MANIFEST).read_text())
    _declare(folder, {"features": [*reversed(told["features"]), "of-nobody"]})


def of_another_library(folder: Path) -> None:
    told = json.loads((folder / MANIFEST).read_text())
    _declare(folder, {"libraries": dict.fromkeys(told["libraries"], "0.0.1")})


def _declare(folder: Path, changed: dict[str, Any]) -> None:
    path = folder / MANIFEST
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))


def _artifacts(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != MANIFEST]


def _put_back(kept: Path, component: Path) -> None:
    """Over what is there, so that nobody ever sees a version without its folder."""
    if kept.exists():
        shutil.copytree(kept, component, dirs_exist_ok=True)
