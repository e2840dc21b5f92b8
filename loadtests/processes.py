"""Starts real processes, watches them, kills and freezes them, and never leaves one behind.

Three nets, because one is never enough: the `with` block, `atexit`, and (on Linux) the kernel, which kills every child
when this process dies, however it dies.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import aiohttp

GRACE_SECONDS = 5.0  # between the polite signal and SIGKILL
LAST_LINES = 15
POLL_SECONDS = 0.05
_PORTS = range(20_000, 32_000)

# Asks Linux to send SIGKILL when the parent dies (prctl PR_SET_PDEATHSIG = 1), then becomes the program itself. A
# launcher, because `preexec_fn` is not safe beside threads. A parent that is gone already is noticed by its id.
_LAUNCHER = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


class ProcessError(Exception):
    """A process could not be started, or ended on its own; the message says why and shows its last words."""


@dataclass(frozen=True, slots=True)
class Program:
    """A Python program that serves HTTP: `python ARGUMENTS` with `environment` on top of ours."""

    name: str
    arguments: tuple[str, ...]
    port: int
    host: str = "127.0.0.1"
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"


class Fleet:
    """The processes that were started here, by name. Leave the `with` block and they are dead."""

    def __init__(self, logs: Path, *, grace_seconds: float = GRACE_SECONDS) -> None:
        self._logs, self._grace_seconds = logs, grace_seconds
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._started: set[str] = set()

    def __enter__(self) -> Self:
        atexit.register(self.kill_all)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop_all()
        finally:
            self.kill_all()
            atexit.unregister(self.kill_all)

    def start(self, program: Program) -> None:
        """Start it in a process group of its own; call from the main thread, whose end its children do not survive."""
        _require_free_port(program)
        self._logs.mkdir(parents=True, exist_ok=True)
        with self.log_of(program.name).open("ab" if program.name in self._started else "wb") as log:
            self._running[program.name] = _spawn(program, log)
        self._started.add(program.name)

    async def ready(
        self, program: Program, *, path: str = "/ready", within_seconds: float = 60.0, wholly: bool = True
    ) -> None:
        """Wait for 200 on `path` and (`wholly`) no part that is unwell; else `ProcessError` with its last words."""
        until = time.monotonic() + within_seconds
        timeout = aiohttp.ClientTimeout(total=1.0)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while (trouble := await _trouble(session, program.url + path, wholly=wholly)) is not None:
                self._require_alive(program.name)
                if time.monotonic() > until:
                    raise self._error(program.name, f"is not ready after {within_seconds:.0f} s ({trouble})")
                await asyncio.sleep(POLL_SECONDS)

    def kill(self, *names: str) -> None:
        """SIGKILL: they are gone when this returns."""
        self._stop(names, signal.SIGKILL)

    def stop(self, *names: str) -> None:
        """SIGTERM, and SIGKILL to what is still there after the grace period."""
        self._stop(names, signal.SIGTERM)

    def freeze(self, name: str) -> None:
        """SIGSTOP: it keeps its port and answers nothing."""
        _signal(self._process(name), signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """SIGCONT: it goes on where it was."""
        _signal(self._process(name), signal.SIGCONT)

    def stop_all(self) -> None:
        self.stop(*self._running)

    def kill_all(self) -> None:
        self.kill(*self._running)

    def bury(self) -> list[str]:
        """A sentence for each process that ended though nobody stopped it; each is told once."""
        codes = {name: code for name, process in self._running.items() if (code := process.poll()) is not None}
        self.kill(*codes)
        return [f"{name} ended on its own with code {code}, see {self.log_of(name)}" for name, code in codes.items()]

    def pid(self, name: str) -> int:
        return self._process(name).pid

    def log_of(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def _stop(self, names: Sequence[str], how: signal.Signals) -> None:
        processes = {name: self._running[name] for name in names if name in self._running}
        for process in processes.values():
            _signal(process, how)
            _signal(process, signal.SIGCONT)  # a frozen one would never see the polite signal
        until = time.monotonic() + self._grace_seconds
        for name, process in processes.items():
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=max(0.0, until - time.monotonic()))
            _signal_group(process.pid, signal.SIGKILL)  # its children, too, though it may be dead itself
            process.wait()
            del self._running[name]

    def _process(self, name: str) -> subprocess.Popen[bytes]:
        if name not in self._running:
            raise self._error(name, "is not running")
        return self._running[name]

    def _require_alive(self, name: str) -> None:
        code = self._process(name).poll()
        if code is not None:
            raise self._error(name, f"ended with code {code} before it was ready")

    def _error(self, name: str, what: str) -> ProcessError:
        log = self.log_of(name)
        words = log.read_text(errors="replace").splitlines()[-LAST_LINES:] if log.exists() else []
        return ProcessError(
            "\n".join([f"{name} {what}; the end of {log}:", *(f"  {line}" for line in words or ["(nothing)"])])
        )


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nobody listens on now."""
    return free_ports(1, host)[0]


def free_ports(count: int, host: str = "127.0.0.1") -> list[int]:
    """As many different ports that nobody listens on now.

    They lie below the range from which Linux takes the ports of outgoing connections (32,768 and up), for one of those
    might take a port between our looking and your binding it.
    """
    with ExitStack() as probes:
        ports: list[int] = []
        for port in random.sample(_PORTS, len(_PORTS)):
            probe = probes.enter_context(socket.socket())
            with suppress(OSError):
                probe.bind((host, port))
                ports.append(port)
            if len(ports) == count:
                return ports
    raise ProcessError(f"no {count} free ports among {_PORTS[0]} to {_PORTS[-1]} of {host}")


def _spawn(program: Program, log: BinaryIO) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - our own interpreter and our own arguments
        [sys.executable, "-c", _LAUNCHER, str(os.getpid()), *program.arguments],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env={**os.environ, **program.environment},
        process_group=0,  # a Ctrl-C in the terminal is for us; we stop them in our order
    )


def _signal(process: subprocess.Popen[bytes], which: signal.Signals) -> None:
    """To the process and its children, as long as it lives."""
    if process.poll() is None:
        _signal_group(process.pid, which)


def _signal_group(group: int, which: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):  # nobody is left in it; macOS says it the second way
        os.killpg(group, which)


async def _trouble(session: aiohttp.ClientSession, url: str, *, wholly: bool) -> str | None:
    """Why it can't be called ready yet; `wholly`: with every part of it."""
    try:
        async with session.get(url) as response:
            told = await response.json(content_type=None)
            unwell = [f"{name}: {part['reason']}" for name, part in told.get("parts", {}).items() if part["reason"]]
            return (wholly and "; ".join(unwell)) or (None if response.status == 200 else f"status {response.status}")
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        return type(error).__name__
    except (ValueError, AttributeError, KeyError, TypeError):
        return f"{url} does not answer as agreed"


def _require_free_port(program: Program) -> None:
    with suppress(OSError), socket.create_connection((program.host, program.port), timeout=1.0):
        raise ProcessError(f"{program.name} can't have port {program.port}: something listens there already")
