"""Versions of one model in the memory of a process: load the new one, warm it, swap, and only then drop the old."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeAlias, TypeVar

import structlog

from common.versions.aliases import before
from common.versions.collecting import note_use
from common.versions.registry import CHAMPION as CHAMPION
from common.versions.registry import Registry, RegistryError

Model = TypeVar("Model")
Stamp: TypeAlias = frozenset[tuple[str, int, int]]  # of files: name, bytes, last change in ns
RETRY_AFTER_S = 0.8
MAX_LOADED = 4  # versions in memory beside those that are kept; the one that was longest not asked for goes first
MAX_KEPT = 4  # champion, what it was before, and the other aliases in the order of their names
AHEAD_AGAIN_AFTER_S = 60.0
NOTE_USE_EVERY_S = 3_600.0
log = structlog.get_logger(__name__)


class ModelSlots(Generic[Model]):
    """Models by version. `get` takes no lock and never waits; `load` and `refresh` are for worker threads.

    Whatever an alias stands for, and what the champion was before, is read ahead and kept: to promote the challenger,
    or to go back, is only to serve what is in memory already.

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
        self._kept: tuple[str, ...] = ()
        self._former: tuple[str, str | None] | None = None  # the champion, and who was it before
        self._champion: tuple[str, Model] | None = None
        self._failures: dict[str, tuple[float, Stamp, Exception]] = {}
        self._noted: dict[str, float] = {}
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
            self._drop_what_is_too_much()
        return version, model

    def refresh(self) -> None:
        """Follows the champion alias; while a new champion can't be loaded the old one goes on serving.

        Then reads ahead what the other aliases stand for; what of that can't be read is told by who asks for it.
        """
        try:
            version = self._registry.resolve(self.component, CHAMPION)
            just_started = self._champion is None  # then requests wait for the champion alone
            if self._champion is None or self._champion[0] != version or not self._is_current(self._champion[1]):
                self._champion = self.load(version)
                log.info("model.loaded", component=self.component, version=version)
            if not just_started:
                self._read_ahead(version)
        except (RegistryError, ValueError) as error:
            if self.trouble != str(error):
                log.warning("model.not_loaded", component=self.component, error=str(error))
            self.trouble = str(error)
        else:
            self.trouble = None

    def versions(self) -> dict[str, str]:
        """What serves as champion now."""
        return {} if self._champion is None else {self.component: self._champion[0]}

    def _read_ahead(self, champion: str) -> None:
        aliases = self._registry.aliases(self.component)
        if self._former is None or self._former[0] != champion:  # the history is long, and moves with the champion
            self._former = champion, before(self._registry.history(self.component, CHAMPION))
        former = self._former[1]
        others = [version for _, version in sorted(aliases.items()) if version != champion]
        wanted = dict.fromkeys([champion, *([former] if former is not None else []), *others])
        self._kept = tuple(wanted)[:MAX_KEPT]
        for version in self._kept[1:]:
            failed = self._failures.get(version)
            if failed is None or time.monotonic() - failed[0] >= AHEAD_AGAIN_AFTER_S:
                with suppress(RegistryError, ValueError):
                    self.load(version)
        self._note_use()

    def _read_unless_it_just_failed(self, version: str) -> Model:
        """A damaged version is not read again for every request that asks for it, but at once when it is mended."""
        stamp = self._stamp(version)
        if (failed := self._failures.get(version)) is not None:
            failed_at_s, stamp_then, error = failed
            if stamp == stamp_then and time.monotonic() - failed_at_s < RETRY_AFTER_S:
                raise error
        try:
            model = self._read(version)
        except (RegistryError, ValueError) as failure:
            self._failures[version] = time.monotonic(), stamp, failure
            raise
        self._failures.pop(version, None)
        return model

    def _stamp(self, version: str) -> Stamp:
        """Changes with the files of a version."""
        try:
            files = [(file.name, file.stat()) for file in (self._registry.root / self.component / version).iterdir()]
        except OSError:
            return frozenset()
        return frozenset((name, told.st_size, told.st_mtime_ns) for name, told in files)

    def _drop_what_is_too_much(self) -> None:
        dear = set(self._kept)
        others = [version for version in self._models if version not in dear]
        for version in others[: max(0, len(others) - MAX_LOADED)]:
            del self._models[version]

    def _note_use(self) -> None:
        """Once an hour, so that nothing is collected as garbage that is in memory somewhere."""
        now_s, noted = time.monotonic(), self._noted
        self._noted = {version: noted.get(version, now_s - NOTE_USE_EVERY_S) for version in list(self._models)}
        for version, noted_s in self._noted.items():
            if now_s - noted_s >= NOTE_USE_EVERY_S:
                self._noted[version] = now_s
                note_use(self._registry, self.component, version)
