"""The versions that the model process holds: a new champion is loaded and warm before the old one is dropped."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

import structlog

from common.outcome import Reason
from common.registry import Registry, RegistryError
from supermegaretail.core.model import CoreModel
from supermegaretail.correction.model import CorrectionModel

MAX_LOADED = 4  # versions in memory; the one that was longest not asked for goes first
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Models:
    """One core model and the correction that was made for it, if there is one that can be used."""

    core_version: str
    core: CoreModel
    correction_version: str | None = None
    correction: CorrectionModel | None = None
    correction_reason: str | None = Reason.NOT_LOADED


class LoadedModels:
    """Models by version. Lookups take no lock; loading is for worker threads."""

    def __init__(self, registry: Registry) -> None:
        self.trouble: str | None = "no model is loaded yet"
        self._registry = registry
        self._models: OrderedDict[str, Models] = OrderedDict()
        self._champion: Models | None = None
        self._loading = threading.Lock()

    def get(self, name: str) -> Models | None:
        """The models of a version or of `champion`, if they are in memory."""
        if name == "champion":
            return self._champion
        return self._models.get(name)

    def load(self, name: str) -> Models:
        """The models of a version or alias, from the registry if need be; raises `RegistryError`."""
        version = self._registry.resolve("core", name)
        with self._loading:
            models = self._models.get(version) or self._read(version)
            self._models[version] = models
            self._models.move_to_end(version)
            while len(self._models) > MAX_LOADED:
                self._models.popitem(last=False)
        return models

    def refresh(self) -> None:
        """Follows the champion alias; while a new champion can't be loaded the old one goes on serving."""
        try:
            version = self._registry.resolve("core", "champion")
            correction = self._correction_for(version)
            current = self._champion
            if current is None or (current.core_version, current.correction_version) != (version, correction):
                with self._loading:
                    self._models.pop(version, None)  # its correction may have changed
                self._champion = self.load(version)
                log.info("model.loaded", core=version, correction=self._champion.correction_version)
            self.trouble = None
        except (RegistryError, ValueError) as error:
            if self.trouble != str(error):
                log.warning("model.not_loaded", error=str(error))
            self.trouble = str(error)

    def versions(self) -> dict[str, str]:
        """What serves as champion now."""
        if self._champion is None:
            return {}
        correction = self._champion.correction_version
        return {"core": self._champion.core_version} | ({"correction": correction} if correction else {})

    def _read(self, version: str) -> Models:
        core = CoreModel.load(self._registry.load("core", version))
        correction = self._correction_for(version)
        if correction is None:
            return Models(version, core)
        try:
            loaded = CorrectionModel.load(self._registry.load("correction", correction))
        except (RegistryError, ValueError) as error:
            log.warning("correction.not_loaded", version=correction, error=str(error))
            return Models(version, core)
        return Models(version, core, correction, loaded, None)

    def _correction_for(self, core_version: str) -> str | None:
        """The newest correction made for this core; the champion first, if it was."""
        names = ["champion", *reversed(self._registry.versions("correction"))]
        for name in names:
            try:
                manifest = self._registry.manifest("correction", name)
            except RegistryError:
                continue
            if manifest.compatible_with.get("core") == core_version:
                return manifest.version
        return None
