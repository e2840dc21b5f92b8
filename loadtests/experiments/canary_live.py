"""A bad challenger released for real: does the service take it back by itself?

Real processes, real models: the core of VAR_DIR is published once more with numbers that are 15 % too high, and gets
half of the requests. The promise: it is taken back and frozen without anybody's help, no answer fails or mixes two
versions meanwhile, and afterwards the champion serves everybody.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from rich.console import Console

from common.releases.store import State
from loadtests.experiments.promoter import COMPONENT, WHO, desk_in
from loadtests.experiments.rolling import two_versions
from loadtests.experiments.verdict import counts, verdict
from loadtests.processes import Fleet, ProcessError, Program, free_ports
from loadtests.services import var_dir
from loadtests.traffic import read_subjects

TOO_HIGH = 1.15
WITHIN_S = 120.0
START_SECONDS = 60.0
HORIZON_DAYS = 7
AFTER = 50  # requests once it is taken back
PATIENCE_S = 5.0


@dataclass(slots=True)
class Seen:
    """`answers` are by version of the core."""

    answers: Counter[str] = field(default_factory=Counter)
    after: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    taken_back_s: float | None = None
    why: str = ""


def add_arguments(_command: argparse.ArgumentParser) -> None:
    """It has no options."""


def run(_arguments: argparse.Namespace) -> int:
    """Releases and shows; 1 if it was not taken back."""
    source = var_dir(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        try:
            champion, challenger = two_versions(source, copy, other_start=TOO_HIGH)
            items = read_subjects(source / "demo.json").items
        except OSError as error:
            raise ProcessError(f"there is nothing to release in {source}: {error}; `make train` makes it") from error
        seen = asyncio.run(_released(copy, challenger, items))
    console = Console()
    console.print(
        f"answers: {counts(seen.answers)}; taken back after {seen.taken_back_s or WITHIN_S:.1f} s: {seen.why}"
    )
    return verdict(broken(seen, champion), console)


def broken(seen: Seen, champion: str) -> list[str]:
    """A sentence for each part of the promise that was not kept."""
    sentences = [] if seen.taken_back_s is not None else [f"it was not taken back within {WITHIN_S:.0f} s"]
    if seen.wrong:
        sentences.append(f"not every answer was whole: {counts(seen.wrong)}")
    if set(seen.after) - {champion}:
        sentences.append(f"afterwards others than {champion} answered: {counts(seen.after)}")
    return sentences


async def _released(folder: Path, challenger: str, items: Sequence[tuple[str, str]]) -> Seen:
    ports = dict(zip(("model", "api"), free_ports(2), strict=True))
    environment = {"VAR_DIR": str(folder), "HOST": "127.0.0.1", "API_KEYS": "", "DATABASE_URL": ""} | {
        "LOW_TIMEOUT_MS": "3000",
        "RELEASE_STEPS": "0.5, 1",
        "RELEASE_STEP_REQUESTS": "100000",
        "SUPERMEGARETAIL_PORT": str(ports["api"]),
        "SUPERMEGARETAIL_MODEL_PORT": str(ports["model"]),
        "SUPERMEGARETAIL_MODEL_URL": f"http://127.0.0.1:{ports['model']}",
    }
    programs = [
        Program(name, ("-m", "supermegaretail", name), port, environment=environment) for name, port in ports.items()
    ]
    desk = desk_in(folder)
    with Fleet(folder / "logs") as fleet:
        for program in programs:
            fleet.start(program)
            await fleet.ready(program, within_seconds=START_SECONDS)
        release = await asyncio.to_thread(desk.propose, COMPONENT, challenger, who=WHO, why="15 % too high", report={})
        await asyncio.to_thread(desk.start, release.id, who=WHO, why="to see it taken back")
        began_s, seen, number = time.monotonic(), Seen(), 0
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE_S)) as session:
            while time.monotonic() - began_s < WITHIN_S:
                number += 1
                await _ask(session, programs[-1].url, items[number % len(items)], seen, seen.answers)
                found = await asyncio.to_thread(desk.store.find, release.id)
                if found is not None and found.state == State.ROLLED_BACK:
                    seen.taken_back_s = time.monotonic() - began_s
                    seen.why = desk.store.frozen(COMPONENT) or "and not frozen"
                    break
            for number in range(AFTER):
                await _ask(session, programs[-1].url, items[number % len(items)], seen, seen.after)
        return seen


async def _ask(
    session: aiohttp.ClientSession, url: str, item: tuple[str, str], seen: Seen, answers: Counter[str]
) -> None:
    store, sku = item
    question = {"items": [{"store": store, "sku": sku}], "horizon_days": HORIZON_DAYS}
    try:
        async with session.post(f"{url}/v1/forecasts", json=question) as response:
            document = await response.json()
            if response.status != 200:
                seen.wrong[f"status {response.status}"] += 1
            elif COMPONENT not in document["versions"]:
                seen.wrong[f"without the core: {document['forecasts'][0]['reason']}"] += 1
            else:
                answers[document["versions"][COMPONENT]] += 1
    except (aiohttp.ClientError, TimeoutError) as error:
        seen.wrong[type(error).__name__] += 1
