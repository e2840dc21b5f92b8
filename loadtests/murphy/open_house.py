"""`python -m loadtests house`: both services behind chaos proxies, and faults by name for whoever writes to it.

Each line on standard input is `NAME SECONDS`: that fault is brought on, stays for so long and is healed. What happens
is told on standard output, one JSON object a line: `{"ready": {"urls", "faults"}}`, `{"on": NAME, "seconds"}`,
`{"off": NAME}`, `{"error": SENTENCE}`. The end of its input is its end.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loadtests.murphy.command import add_running, cancel_on, needs_no_process
from loadtests.murphy.house import House, copy_of, own_services, running_services
from loadtests.murphy.menu import NOTHING, TRIALS
from loadtests.murphy.trial import Trial
from loadtests.processes import Fleet, ProcessError
from loadtests.services import var_dir

LONGEST_SECONDS = 120.0
CHANGE_SECONDS = 300.0  # to bring a fault on and to heal it


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options."""
    add_running(command)
    command.epilog = "Type NAME SECONDS to bring a fault on; `murphy --list` names them."


def run(arguments: argparse.Namespace) -> int:
    """0 at the end of the input or on SIGTERM; `ProcessError` if the services do not start."""
    with tempfile.TemporaryDirectory(prefix="house-") as folder, Fleet(Path(folder) / "logs") as fleet:
        if arguments.running:
            services = running_services(os.environ, arguments.proxy_ports, arguments.proxy_host)
            house = House(services, var_dir=var_dir(os.environ), fleet=fleet, owned=False)
        else:
            copy = copy_of(var_dir(os.environ), Path(folder) / "var")
            house = House(own_services(os.environ, copy), var_dir=copy, fleet=fleet)
        asyncio.run(_serve(house))
    return 0


def playable(*, owned: bool) -> dict[str, Trial]:
    """By name, what can be done to this house; the load is for others to make."""
    chosen = [trial for trial in TRIALS if trial is not NOTHING and trial.level != "load"]
    return {trial.name: trial for trial in chosen if owned or needs_no_process(trial)}


async def _serve(house: House) -> None:
    cancel_on(signal.SIGTERM, signal.SIGINT)
    menu = playable(owned=house.owned)
    try:
        async with house.open():
            urls = {name: service.api.url for name, service in house.services.items()}
            faults = [[trial.name, trial.level, trial.sentence] for trial in menu.values()]
            _tell({"ready": {"urls": urls, "faults": faults}})
            lines = asyncio.StreamReader()
            await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
            while line := await lines.readline():
                await _play(house, menu, line.decode(errors="replace").split())
    except asyncio.CancelledError:
        return


async def _play(house: House, menu: Mapping[str, Trial], words: list[str]) -> None:
    try:
        name, seconds = words[0], float(words[1])
        trial = menu[name]
        if not 0 < seconds <= LONGEST_SECONDS:
            raise ValueError(seconds)
    except (IndexError, KeyError, ValueError):
        _tell({"error": f"not a fault of the menu and up to {LONGEST_SECONDS:g} seconds: {' '.join(words)[:80]!r}"})
        return
    _tell({"on": name, "seconds": seconds})
    try:
        async with asyncio.timeout(seconds + CHANGE_SECONDS), trial.applied(house):
            await asyncio.sleep(seconds)
    except (ProcessError, OSError, TimeoutError) as error:
        _tell({"error": f"{name} could not be brought on or healed: {(str(error) or 'it took too long')[:200]}"})
    _tell({"off": name})


def _tell(what: Mapping[str, Any]) -> None:
    print(json.dumps(what), flush=True)
