"""Versions of one model in the memory of a process: load the new one, warm it, swap, and only then drop the old."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

import structlog

from common.versions.registry import Registry, RegistryError

Model = TypeVar("Model")
RETRY_AFTER_S = 0.8
MAX_LOADED = 4  # versions in memory; the one that was longest not asked for goes first
CHAMPION = "champion"
log = structlog.get_logger(__name__)


class ModelSlots(Generic[Model]):
    """Models by version. `get` takes no lock and never waits; `load` and `refresh` are for worker threads.

    Args:
        read: makes a model, ready to serve, from a version; raises `RegistryError` or `ValueError` when that can't be.
        is_current: false when something that was read along with the champion has been released anew since.
    """

    def __init__(
        self,
        component: str,
        registry: Registry,
        read: Callable[[str], Model],
        *,
        is_current: Callable[[Model], bool] = lambda _model: True,
    ) -> None:
        self.component = component
        self.trouble: str | None = "no model is loaded yet"  # why the newest champion does not serve
        self._registry = registry
        self._read = read
        self._is_current = is_current
        self._models: OrderedDict[str, Model] = OrderedDict()
        self._champion: tuple[str, Model] | None = None
        self._failures: dict[str, tuple[float, Exception]] = {}
        self._loading = threading.Lock()

    def get(self, name: str) -> tuple[str, Model] | None:
        """Version and model, if they are in memory."""
        if name == CHAMPION:
            return self._champion
        model = self._models.get(name)
        return None if model is None else (name, model)

    def load(self, name: str) -> tuple[str, Model]:
        """Version and model behind a version or an alias, read from the registry if need be."""
        version = self._registry.resolve(self.component, name)
        with self._loading:
            model = self._models.get(version)
            if model is None or not self._is_current(model):
                model = self._models[version] = self._read_unless_it_just_failed(version)
            self._models.move_to_end(version)
            while len(self._models) > MAX_LOADED:
                self._models.popitem(last=False)
        return version, model

    def refresh(self) -> None:
        """Follows the champion alias; while a new champion can't be loaded the old one goes on serving."""
        try:
            version = self._registry.resolve(self.component, CHAMPION)
            if self._champion is None or self._champion[0] != version or not self._is_current(self._champion[1]):
                self._champion = self.load(version)
                log.info("model.loaded", component=self.component, version=version)
        except (RegistryError, ValueError) as error:
            if self.trouble != str(error):
                log.warning("model.not_loaded", component=self.component, error=str(error))
            self.trouble = str(error)
        else:
            self.trouble = None

    def _read_unless_it_just_failed(self, version: str) -> Model:
        """A damaged version is not read again for every request that asks for it."""
        failed_at_s, error = self._failures.get(version, (0.0, RegistryError()))
        if time.monotonic() - failed_at_s < RETRY_AFTER_S:
            raise error
        try:
            model = self._read(version)
        except (RegistryError, ValueError) as failure:
            self._failures[version] = time.monotonic(), failure
            raise
        self._failures.pop(version, None)
        return model

    def versions(self) -> dict[str, str]:
        """What serves as champion now."""
        return {} if self._champion is None else {self.component: self._champion[0]}
