"""What the model process loads as one: a core model and the correction that was made for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import structlog

from common.outcome import Reason
from common.versions.registry import Registry, RegistryError
from common.versions.slots import CHAMPION, ModelSlots
from supermegaretail.core.model import CoreModel
from supermegaretail.correction.model import CorrectionModel
from supermegaretail.features import EXTENDED, STABLE

A_DAY = date(2026, 6, 28)  # any one
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Models:
    """The correction is optional: without it, `correction_reason` says why."""

    core_version: str
    core: CoreModel
    correction_wanted: str | None = None  # the version that the registry names for this core
    correction: CorrectionModel | None = None
    correction_reason: str | None = Reason.NOT_LOADED
    correction_trouble: str | None = "no correction was released for it"  # in plain words

    @property
    def correction_version(self) -> str | None:
        """Of the correction that serves."""
        return self.correction_wanted if self.correction is not None else None


def model_slots(registry: Registry) -> ModelSlots[Models]:
    """Both models by the version of the core; a correction released for the same core is picked up, too."""
    return ModelSlots(
        "core",
        registry,
        lambda version: read(registry, version),
        is_current=lambda models: correction_for(registry, models.core_version) == models.correction_wanted,
    )


def read(registry: Registry, version: str, *, corrected_by: str | None = None) -> Models:
    """Loads and warms a core and its correction; without a usable correction the core serves alone.

    Args:
        corrected_by: that version of the correction, instead of the one that the registry names.
    """
    core = CoreModel.load(registry.load("core", version))
    stable, extended = np.zeros((1, len(STABLE))), np.zeros((1, 1, len(EXTENDED)))
    demand = core.predict(stable, as_of=A_DAY, horizon_days=1)  # a first prediction takes many times the later ones
    wanted = corrected_by or correction_for(registry, version)
    if wanted is None:
        return Models(version, core)
    try:
        correction = CorrectionModel.load(registry.load("correction", wanted))
        correction.predict(stable, extended, demand, as_of=A_DAY, horizon_days=1)
    except (RegistryError, ValueError) as error:
        log.warning("model.not_loaded", component="correction", version=wanted, error=str(error))
        return Models(version, core, wanted, correction_trouble=str(error))
    return Models(version, core, wanted, correction, None, None)


def correction_for(registry: Registry, core_version: str) -> str | None:
    """The correction made for this core: the champion if it was, else the newest one that was."""
    for name in [CHAMPION, *reversed(registry.versions("correction"))]:
        try:
            manifest = registry.manifest("correction", name)
        except RegistryError:
            continue
        if manifest.compatible_with.get("core") == core_version:
            return manifest.version
    return None
