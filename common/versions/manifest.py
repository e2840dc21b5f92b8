"""What a version says of itself, and what can be wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict


class RegistryError(Exception):
    """Something is wrong with a version or an alias; the message says what and where."""


class UnknownVersion(RegistryError):
    """Neither a published version nor an alias of the component."""


class ArtifactError(RegistryError):
    """A published version is missing, truncated or corrupt on disk, or not what it was when it was published."""


class Manifest(BaseModel):
    """What one version is made of: enough to check it, to load it and to say where it came from."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    component: str
    version: str
    artifacts: dict[str, str]  # file name -> SHA-256; golden probes are one of them
    features: list[str] = []  # names in the order in which the model was trained
    parameters: dict[str, Any] = {}
    compatible_with: dict[str, str] = {}  # other component -> its version
    training: dict[str, Any] = {}  # fingerprint of the data, seeds, how much was learnt from
    metrics: dict[str, float] = {}
    libraries: dict[str, str] = {}  # those that shape the numbers
    code: str = ""  # fingerprint of what is done before and after the model
    defaults: dict[str, Any] = {}  # the answer without the model, and the thresholds beside it

    def same_content(self, other: Manifest) -> bool:
        """Whether two versions would behave alike; metrics describe a version, they do not make it."""
        ignored = {"version", "metrics"}
        return self.model_dump(exclude=ignored) == other.model_dump(exclude=ignored)


@dataclass(frozen=True, slots=True)
class Release:
    """A version whose artifacts were found whole."""

    manifest: Manifest
    folder: Path

    def path(self, name: str) -> Path:
        return self.folder / name


def installed(names: list[str] | tuple[str, ...]) -> dict[str, str]:
    """The versions of distributions that are installed here; "absent" for one that is not."""
    found = {}
    for name in names:
        try:
            found[name] = installed_version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def check_libraries(manifest: Manifest, *, serving: tuple[str, ...]) -> None:
    """Raises `ArtifactError` when one of the libraries that serve the model is here in another major version.

    Smaller differences are for the golden probes to judge.
    """
    for name, here in installed(serving).items():
        made_with = manifest.libraries.get(name)
        if made_with is not None and _major(made_with) != _major(here):
            raise ArtifactError(
                f"{manifest.component} {manifest.version} was made with {name} {made_with}; here is {here}"
            )


def _major(version: str) -> str:
    return version.partition(".")[0]
