"""A real PostgreSQL that is thrown away afterwards, from Debian's package."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from loadtests.processes import free_port

START_S = 30
LOOK_EVERY_S = 0.1
STOP_S = 30
DEBIAN = Path("/usr/lib/postgresql")  # its folder of versions, none of which is on the PATH
SOMEBODY = "nobody"  # the server refuses to run as root


@contextmanager
def postgres_server() -> Iterator[str]:
    """Yields its SQLAlchemy URL. Without the package the test is skipped loudly, and fails where CI is set."""
    programs = _programs()
    if programs is None:
        if os.environ.get("CI"):
            pytest.fail("postgresql is not installed; .ci/run installs it")
        pytest.skip("NOT TESTED: postgresql is not installed (Debian: apt-get install postgresql)")
    user = SOMEBODY if os.geteuid() == 0 else None
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        data = Path(folder) / "data"
        if user is not None:
            shutil.chown(folder, user)
        options = ("--username", "murphy", "--auth", "trust", "--encoding", "UTF8", "--no-sync")
        initdb = (programs / "initdb", "--pgdata", data, *options)
        subprocess.run(initdb, user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        with (Path(folder) / "log").open("wb") as log:
            server = subprocess.Popen(
                [programs / "postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", "", "-F"],
                user=user,
                cwd=folder,
                stderr=log,
            )
        try:
            url = f"postgresql+psycopg://murphy@127.0.0.1:{port}/postgres"
            _wait_for(url)
            yield url
        finally:
            server.send_signal(signal.SIGINT)  # connections are cut, and what was written is kept
            server.wait(STOP_S)


def _programs() -> Path | None:
    """The folder with `initdb` and `postgres`."""
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else sorted(DEBIAN.glob("*/bin"), key=lambda path: int(path.parent.name))
    return next((folder for folder in reversed(folders) if (folder / "postgres").exists()), None)


def _wait_for(url: str) -> None:
    engine, until_s = create_engine(url), time.monotonic() + START_S
    try:
        while True:
            try:
                with engine.connect() as connection:
                    connection.execute(text("SELECT 1"))
            except OperationalError:
                if time.monotonic() > until_s:
                    raise
                time.sleep(LOOK_EVERY_S)
            else:
                return
    finally:
        engine.dispose()
