"""A service whose new encoder takes over goes on following what other processes do."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from common.state.database import open_state
from common.versions.registry import Registry
from photostock.app import create_app
from photostock.catalogue import Catalogue, Photo
from photostock.index.graph_files import GraphFiles
from photostock.library import Library
from photostock.settings import PhotoSettings
from tests.waiting import eventually


async def test_while_an_encoder_takes_over_a_service_sees_what_others_add_change_and_delete(
    registry: Registry, var_dir: Path
) -> None:
    settings = PhotoSettings.model_validate({"var_dir": var_dir, "reranker_url": "http://127.0.0.1:1"})
    slow_disk = GraphFiles(settings.index_dir)._place("1.0.0")  # whoever reads this waits until it is written to
    app = create_app(settings)
    library: Library = app.state.engine.library
    state = open_state(settings)
    try:
        async with app.router.lifespan_context(app):
            elsewhere = Catalogue(state)
            elsewhere.add([Photo("changed", "A dog"), Photo("deleted", "A cat")])
            slow_disk.parent.mkdir(parents=True, exist_ok=True)
            os.mkfifo(slow_disk)
            settings.registry_dir.parent.mkdir(parents=True, exist_ok=True)
            settings.registry_dir.symlink_to(registry.root)
            try:
                await eventually(lambda: seen(lambda: library.preparing))
                elsewhere.add([Photo("changed", "A horse"), Photo("added", "A bird")])
                elsewhere.delete("deleted")
                await eventually(lambda: seen(lambda: library.find("deleted") is None and library.find("added")))
                assert library.find("changed") == elsewhere.get("changed")
                assert library.preparing
            finally:
                written = os.open(slow_disk, os.O_RDWR | os.O_NONBLOCK)  # waits for nobody, also where nobody reads it
                slow_disk.unlink()
                os.close(written)
            assert await eventually(lambda: seen(lambda: library.encoder))
            assert len(library.vectors) == 2
    finally:
        state.dispose()


def seen(look: Callable[[], object]) -> Awaitable[object]:
    async def looked() -> object:
        return look()

    return looked()
