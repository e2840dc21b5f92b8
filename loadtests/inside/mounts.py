"""File systems that refuse: a file that can only be read, a disk with no space. Root mounts them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loadtests.processes import ProcessError

FILLING_BYTES = 1 << 16  # at a time
BALLAST = "ballast"


def can_mount() -> bool:
    return os.geteuid() == 0 and shutil.which("mount") is not None


@contextmanager
def only_to_be_read(path: Path) -> Iterator[None]:
    """Whoever opens this file now can't write to it; permissions do not stop root, a mount does."""
    if not can_mount():
        mode = path.stat().st_mode
        path.chmod(0o444)
        try:
            yield
        finally:
            path.chmod(mode)
        return
    with _mounted(path, "--bind", str(path)):
        _run("mount", "-o", "remount,bind,ro", str(path))
        yield


@contextmanager
def small_disk(path: Path, size_bytes: int) -> Iterator[None]:
    """A file system of its own (tmpfs) at this empty folder."""
    with _mounted(path, "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs"):
        yield


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    """Not one byte more fits on it."""
    ballast = disk / BALLAST
    with ballast.open("wb", buffering=0) as file:
        for size in (FILLING_BYTES, 1):  # whole blocks first, then what is left of the last one
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue
    try:
        yield
    finally:
        ballast.unlink()


def size_of(folder: Path) -> int:
    """Of all files in it."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@contextmanager
def _mounted(where: Path, *options: str) -> Iterator[None]:
    _run("mount", *options, str(where))
    try:
        yield
    finally:
        _run("umount", "--lazy", str(where))  # a process may have a file open


def _run(*command: str) -> None:
    ended = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own arguments
    if ended.returncode:
        raise ProcessError(f"{' '.join(command)}: {ended.stderr.strip()}")
