"""Ways in which the files of a published model can be wrong when its process starts."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loadtests.murphy.house import House

SPOILED = ("core", "reranker")
MANIFEST = "manifest.json"
LIVES_WITHIN_S = 120.0

Spoil = Callable[[Path], None]  # the folder of one version


@asynccontextmanager
async def models_with(house: House, spoil: Spoil) -> AsyncIterator[None]:
    """The models start over spoiled files; the files are mended while they run."""
    kept = house.var_dir / "registry-as-it-was"
    registry = house.var_dir / "registry"
    await asyncio.to_thread(shutil.copytree, registry, kept)
    try:
        for component in SPOILED:
            for folder in sorted(path.parent for path in (registry / component).glob(f"*/{MANIFEST}")):
                spoil(folder)
        await house.kill(*house.models)
        for model in house.models:
            house.fleet.start(model)
        for model in house.models:
            await house.fleet.ready(model, path="/live", within_seconds=LIVES_WITHIN_S)
        yield
    finally:
        for component in SPOILED:
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
