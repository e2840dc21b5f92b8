"""Model versions as plain folders that can be read, copied and checked with a shell.

VAR_DIR/registry/core/aliases.json        {"champion": "1.1.0"}; its moves are in aliases.log.jsonl
VAR_DIR/registry/core/1.1.0/model.txt     artifacts, never changed once published
VAR_DIR/registry/core/1.1.0/manifest.json written last: a version without it does not exist
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from common.durable import sync_folder
from common.versions import aliases as moving
from common.versions.aliases import ALIASES, Kind, Move
from common.versions.manifest import ArtifactError as ArtifactError
from common.versions.manifest import Manifest as Manifest
from common.versions.manifest import RegistryError as RegistryError
from common.versions.manifest import Release as Release
from common.versions.manifest import UnknownVersion as UnknownVersion

VERSION = re.compile(r"(\d{1,9})\.(\d{1,9})\.(\d{1,9})")
NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
MANIFEST = "manifest.json"
CHAMPION = "champion"


class Registry:
    """Publishes immutable versions, moves aliases, and hands out only what passes its checksums."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def components(self) -> list[str]:
        """Components that have a folder, in the order of their names."""
        folders = self.root.iterdir() if self.root.is_dir() else ()
        return sorted(folder.name for folder in folders if folder.is_dir() and NAME.fullmatch(folder.name))

    def versions(self, component: str) -> list[str]:
        """Published versions, oldest first."""
        found = (path.parent.name for path in self._folder(component).glob(f"*/{MANIFEST}"))
        return sorted((name for name in found if VERSION.fullmatch(name)), key=_order)

    def aliases(self, component: str) -> dict[str, str]:
        """Alias to version, for example `{"champion": "1.1.0"}`."""
        try:
            return moving.read(self._folder(component))
        except (OSError, ValueError, AttributeError) as error:
            raise ArtifactError(f"{component}: {ALIASES} can't be read: {error}") from error

    def has(self, component: str, version: str) -> bool:
        """Whether a version of this number is published."""
        return VERSION.fullmatch(version) is not None and (self._folder(component) / version / MANIFEST).is_file()

    def resolve(self, component: str, name: str) -> str:
        """The version that a version number or an alias stands for; `UnknownVersion` if there is none."""
        version = name if VERSION.fullmatch(name) else self.aliases(component).get(name)
        if version is None or not self.has(component, version):
            raise UnknownVersion(f"{component}: there is no version or alias {name!r}")
        return version

    def manifest(self, component: str, name: str = "champion") -> Manifest:
        """The manifest alone, without checking the artifacts."""
        version = self.resolve(component, name)
        try:
            manifest = Manifest.model_validate_json((self._folder(component) / version / MANIFEST).read_bytes())
        except (OSError, ValidationError) as error:
            raise ArtifactError(f"{component} {version}: {MANIFEST} can't be read: {error}") from error
        if (manifest.component, manifest.version) != (component, version):
            raise ArtifactError(
                f"{component} {version}: its manifest says {manifest.component} {manifest.version}; was it copied?"
            )
        return manifest

    def champion(self, component: str) -> str | None:
        """The version that serves, None where there is none yet."""
        try:
            return self.resolve(component, CHAMPION)
        except UnknownVersion:
            return None

    def made_for(self, component: str, name: str) -> dict[str, str]:
        """The versions of other components that a version was made for; none if its manifest can't be read."""
        try:
            return self.manifest(component, name).compatible_with
        except RegistryError:
            return {}

    def load(self, component: str, name: str = "champion") -> Release:
        """A version whose every artifact has the checksum of its manifest; `ArtifactError` if one has not."""
        manifest = self.manifest(component, name)
        folder = self._folder(component) / manifest.version
        for file, expected in manifest.artifacts.items():
            try:
                actual = sha256_of(folder / file)
            except OSError as error:
                raise ArtifactError(f"{component} {manifest.version}: {file} can't be read: {error}") from error
            if actual != expected:
                raise ArtifactError(f"{component} {manifest.version}: {file} is damaged (SHA-256 {actual[:12]}…)")
        return Release(manifest, folder)

    def publish(
        self,
        component: str,
        files: Mapping[str, bytes | Path],
        *,
        alias: str | None,
        features: Sequence[str] = (),
        parameters: Mapping[str, Any] | None = None,
        compatible_with: Mapping[str, str] | None = None,
        training: Mapping[str, Any] | None = None,
        metrics: Mapping[str, float] | None = None,
        libraries: Mapping[str, str] | None = None,
        code: str = "",
        defaults: Mapping[str, Any] | None = None,
        version: str | None = None,
        who: str | None = None,
        why: str = "",
    ) -> Manifest:
        """Makes a new version of `files` and points `alias` at it, unless None; `who` and `why` go into its history.

        Without `version` the next minor one is taken, unless a version with the same content exists: then that one
        is returned and nothing is written. A version that exists with other content is refused.
        """
        folder = self._folder(component)
        folder.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=folder))
        try:
            for name, content in files.items():
                _write(draft / name, content)
            with self._changing(component):
                manifest = Manifest(
                    component=component,
                    version=version or self._next_version(component),
                    artifacts={name: sha256_of(draft / name) for name in sorted(files)},
                    features=list(features),
                    parameters=dict(parameters or {}),
                    compatible_with=dict(compatible_with or {}),
                    training=dict(training or {}),
                    metrics=dict(metrics or {}),
                    libraries=dict(libraries or {}),
                    code=code,
                    defaults=dict(defaults or {}),
                )
                published = self._already_there(manifest, named=version is not None)
                if published is None:
                    _write(draft / MANIFEST, (manifest.model_dump_json(indent=1) + "\n").encode())
                    sync_folder(draft)
                    draft.chmod(0o755)
                    draft.rename(folder / manifest.version)
                    sync_folder(folder)
                    published = manifest
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        if alias is not None:
            self.point(component, alias, published.version, who=who, why=why or "published")
        return published

    def point(
        self,
        component: str,
        alias: str,
        version: str,
        *,
        who: str | None = None,
        why: str = "",
        kind: Kind = "point",
        only_if: Callable[[], bool] = lambda: True,
    ) -> Move | None:
        """Moves an alias, at once and for every process that shares the folder; None if it is there already.

        `who` is the user of this process unless told. `only_if` is asked while nobody else can move an alias of this
        component; if it says no, nothing moves. Crash-safe: the alias stands for its old version or for the new.
        """
        if not NAME.fullmatch(alias):
            raise RegistryError(f"{component}: {alias!r} is not a name for an alias")
        with self._changing(component):
            self.aliases(component)  # never overwrites what can't be read
            target = self.resolve(component, version)
            if not only_if():
                return None
            return moving.move(self._folder(component), alias, target, who=who, why=why, kind=kind)

    def rollback(self, component: str, alias: str = CHAMPION, *, who: str | None = None, why: str = "") -> Move:
        """Moves an alias back to what it stood for before; again, one step further back.

        Raises `RegistryError` where there is nothing before, or where that does not pass its checksums any more.
        """
        target = moving.before(self.history(component, alias))
        if target is None:
            raise RegistryError(f"{component}: {alias} has never stood for anything else")
        self.load(component, target)
        made = self.point(component, alias, target, who=who, why=why, kind="rollback")
        if made is None:
            raise RegistryError(f"{component}: {alias} was rolled back to {target} by somebody else just now")
        return made

    def history(self, component: str, alias: str) -> list[Move]:
        """Every move of an alias that took place, oldest first."""
        try:
            return moving.history(self._folder(component), alias)
        except (OSError, ValueError, AttributeError) as error:
            raise ArtifactError(f"{component}: the history of {alias} can't be read: {error}") from error

    @contextmanager
    def _changing(self, component: str) -> Iterator[None]:
        """One process at a time."""
        folder = self._folder(component)
        if not folder.is_dir():
            raise UnknownVersion(f"{component}: there is no version of it")
        with moving.changing(folder):
            yield

    def _folder(self, component: str) -> Path:
        if not NAME.fullmatch(component):
            raise RegistryError(f"{component!r} is not a name for a component")
        return self.root / component

    def _next_version(self, component: str) -> str:
        versions = self.versions(component)
        if not versions:
            return "1.0.0"
        major, minor, _ = _order(versions[-1])
        return f"{major}.{minor + 1}.0"

    def _already_there(self, manifest: Manifest, *, named: bool) -> Manifest | None:
        component = manifest.component
        if named:
            if manifest.version not in self.versions(component):
                return None
            existing = self.manifest(component, manifest.version)
            if not existing.same_content(manifest):
                raise RegistryError(f"{component} {manifest.version} exists with other content; give it a new version")
            return existing
        for version in self.versions(component):
            with suppress(ArtifactError):  # a damaged one is not the same as anything
                if (other := self.manifest(component, version)).same_content(manifest):
                    return other
        return None


def sha256_of(path: Path) -> str:
    """Hex digest of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _order(version: str) -> tuple[int, int, int]:
    match = VERSION.fullmatch(version)
    if match is None:
        raise RegistryError(f"{version!r} is not a version: three numbers with dots between them")
    major, minor, patch = match.groups()
    return int(major), int(minor), int(patch)


def _write(path: Path, content: bytes | Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        if isinstance(content, Path):
            with content.open("rb") as source:
                shutil.copyfileobj(source, file)
        else:
            file.write(content)
        file.flush()
        os.fsync(file.fileno())
