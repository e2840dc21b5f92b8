"""The forecaster's champion rolled forward and back under load: does any caller notice?

Two versions of the core whose numbers differ, each with a correction of its own, are served by one model process, and
the alias goes to and fro. Every answer is held against what one version says alone: a number of the other one, or a
version that does not belong to the rest, is a mixed answer. Rounds with and without rolling alternate, so that whatever
else the machine does disturbs both; the API has 3 s for its model, so that a busy machine is not taken for a bad swap.
The promise: no answer fails or is mixed, and at most 0.2 points more fall back than without. Of speed it says little:
p99 may be anything in half of the rounds, and in the others 1.2 times that of the round without before it, plus 5 ms,
which at 10 ms is 1.7 times. So the plain ratio of both is told, too, and its worst round.

Works on a copy of the registry and the sales in VAR_DIR: `make train` makes them.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from statistics import median

import aiohttp
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from common.command_line import positive_int, seed
from common.progress import Reporter, progress
from common.versions.probes import PROBES
from common.versions.registry import Registry, RegistryError
from loadtests.experiments.rolling_load import DEGRADED, Asker, Round
from loadtests.experiments.verdict import counts, verdict
from loadtests.numbers import per_second, seconds
from loadtests.processes import Fleet, ProcessError, Program, free_ports
from loadtests.services import var_dir
from loadtests.traffic import read_subjects

P99_RATIO, P99_SLACK_MS = 1.2, 5.0
MORE_DEGRADED = 0.002
MOVES_PER_ROUND = 4
START_SECONDS = 60.0
OTHER_START = 1.02  # by which the second core's numbers differ
PROCESSES = ("model", "api")


@dataclass(frozen=True, slots=True)
class Rolled:
    """What was seen."""

    moves: int
    still: list[Round]
    rolling: list[Round]


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.add_argument(
        "--times", type=positive_int, default=100, metavar="N", help="moves of the alias (default: %(default)s)"
    )
    command.add_argument(
        "--rate", type=per_second, default=30.0, metavar="N", help="requests a second (default: %(default)g)"
    )
    command.add_argument(
        "--every-seconds", type=seconds, default=1.3, metavar="N", help="between two moves (default: %(default)g)"
    )
    command.add_argument("--seed", type=seed, default=7, metavar="N", help="of the questions (default: %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Rolls and shows; 1 if somebody noticed."""
    source = var_dir(os.environ)
    items = read_subjects(source / "demo.json").items
    with tempfile.TemporaryDirectory() as folder, progress("rolling", arguments.times) as reporter:
        copy = Path(folder)
        try:
            pair = two_versions(source, copy)
        except (RegistryError, OSError) as error:
            raise ProcessError(f"there is nothing to roll in {source}: {error}; `make train` makes it") from error
        rolled = asyncio.run(_rolled(copy, pair, items, arguments, reporter))
    return show(rolled, Console())


def two_versions(source: Path, copy: Path, *, other_start: float = OTHER_START) -> tuple[str, str]:
    """Copies what the processes need, and publishes a second core that says so much more, with its own correction."""
    table = Path("supermegaretail") / "sales.parquet"
    (copy / table).parent.mkdir(parents=True)
    shutil.copy(source / table, copy / table)
    for component in ("core", "correction"):
        shutil.copytree(source / "registry" / component, copy / "registry" / component)
    registry = Registry(copy / "registry")
    return registry.resolve("core", "champion"), another_core(registry, start=other_start)


def another_core(registry: Registry, *, start: float) -> str:
    """Publishes the champion once more, with numbers that start so many times higher, and a correction for it."""
    first, correction = registry.load("core"), registry.load("correction")
    told = first.manifest
    second = registry.publish(
        "core",
        {name: first.path(name) for name in told.artifacts if name != PROBES},
        features=told.features,
        parameters=told.parameters | {"start": start * float(told.parameters.get("start", 1.0))},
        compatible_with=told.compatible_with,
        libraries=told.libraries,
        alias=None,
    )
    registry.publish(
        "correction",
        {name: correction.path(name) for name in correction.manifest.artifacts},
        features=correction.manifest.features,
        compatible_with=correction.manifest.compatible_with | {"core": second.version},
        libraries=correction.manifest.libraries,
        alias=None,
    )
    return second.version


async def _rolled(
    copy: Path,
    pair: tuple[str, str],
    items: Sequence[tuple[str, str]],
    arguments: argparse.Namespace,
    reporter: Reporter,
) -> Rolled:
    ports = dict(zip(PROCESSES, free_ports(len(PROCESSES)), strict=True))
    shared = {"VAR_DIR": str(copy), "HOST": "127.0.0.1", "API_KEYS": "", "DATABASE_URL": ""} | {
        "LOW_TIMEOUT_MS": "3000",
        "SUPERMEGARETAIL_PORT": str(ports["api"]),
        "SUPERMEGARETAIL_MODEL_PORT": str(ports["model"]),
        "SUPERMEGARETAIL_MODEL_URL": f"http://127.0.0.1:{ports['model']}",
    }
    programs = [Program(name, ("-m", "supermegaretail", name), ports[name], environment=shared) for name in PROCESSES]
    with Fleet(copy / "logs") as fleet:
        for program in programs:
            fleet.start(program)
            await fleet.ready(program, within_seconds=START_SECONDS)
        async with aiohttp.ClientSession() as session:
            asker = Asker(session, programs[-1].url, items, seed=arguments.seed)
            registry = Registry(copy / "registry")
            for version in pair:
                await asker.learn(version, within_seconds=START_SECONDS)
            for version in reversed(pair):  # the API follows one that it never heard of only after a while
                registry.point("core", "champion", version, who="experiment", why="first time")
                await asker.champion_is(version, within_seconds=START_SECONDS)
            return await _rounds(asker, registry, pair, arguments, reporter)


async def _rounds(
    asker: Asker, registry: Registry, pair: tuple[str, str], arguments: argparse.Namespace, reporter: Reporter
) -> Rolled:
    targets = cycle((pair[1], pair[0]))
    rolled = Rolled(arguments.times, [], [])
    for start in range(0, arguments.times, MOVES_PER_ROUND):
        moves = min(MOVES_PER_ROUND, arguments.times - start)
        seconds = moves * arguments.every_seconds
        rolled.still.append(await asker.load(seconds, per_second=arguments.rate))
        load = asyncio.create_task(asker.load(seconds, per_second=arguments.rate))
        for _ in range(moves):
            await asyncio.to_thread(registry.point, "core", "champion", next(targets), who="experiment", why="rolling")
            await asyncio.sleep(arguments.every_seconds)
            reporter.advance()
        rolled.rolling.append(await load)
    return rolled


def broken(rolled: Rolled) -> list[str]:
    """A sentence for each part of the promise that was not kept."""
    wrong = sum((one.wrong for one in (*rolled.still, *rolled.rolling)), Counter[str]())
    worse = Counter({what: number for what, number in wrong.items() if not what.startswith(DEGRADED)})
    sentences = [f"{worse.total()} answers were not as one version gives them: {counts(worse)}"] if worse else []
    still, rolling = (_degraded(rounds) for rounds in (rolled.still, rolled.rolling))
    if rolling > still + MORE_DEGRADED:
        sentences.append(f"{rolling:.1%} of the answers fell back while rolling, {still:.1%} without")
    versions = sum((one.answers for one in rolled.rolling), Counter[str]())
    if len(versions) < 2:
        sentences.append(f"nothing rolled: only {counts(versions)} answered")
    pairs_ms = _p99_pairs_ms(rolled)
    over = sum(rolling_ms > P99_RATIO * still_ms + P99_SLACK_MS for still_ms, rolling_ms in pairs_ms)
    if 2 * over > len(pairs_ms):
        promised = f"{P99_RATIO} times that without rolling plus {P99_SLACK_MS:g} ms"
        sentences.append(f"p99 is over {promised} in {over} of {len(pairs_ms)} rounds")
    return sentences


def p99_told(rolled: Rolled) -> str:
    """How much slower the slowest answers were while rolling, without any allowance."""
    ratios = [rolling_ms / still_ms for still_ms, rolling_ms in _p99_pairs_ms(rolled) if still_ms > 0]
    if not ratios:
        return "p99 was not measured"
    over = sum(ratio > P99_RATIO for ratio in ratios)
    return (
        f"p99 while rolling ÷ without: median {median(ratios):.2f}, worst round {max(ratios):.2f}; "
        f"over {P99_RATIO} in {over} of {len(ratios)} rounds"
    )


def _p99_pairs_ms(rolled: Rolled) -> list[tuple[float, float]]:
    """Of each round without rolling, and of the one after it."""
    return [(one.p99_ms, other.p99_ms) for one, other in zip(rolled.still, rolled.rolling, strict=True)]


def _degraded(rounds: Sequence[Round]) -> float:
    """The share of answers that fell back."""
    fell_back = sum(number for one in rounds for what, number in one.wrong.items() if what.startswith(DEGRADED))
    return fell_back / max(1, sum(one.asked for one in rounds))


def show(rolled: Rolled, console: Console) -> int:
    """A table and the verdict; 1 if somebody noticed."""
    table = Table("", "answers", "wrong", "p50 ms", "p99 ms", "by version", box=SIMPLE_HEAD)
    for name, rounds in (("still", rolled.still), (f"{rolled.moves} moves", rolled.rolling)):
        answers = sum((one.answers for one in rounds), Counter[str]())
        table.add_row(
            name,
            str(answers.total()),
            str(sum(one.wrong.total() for one in rounds)),
            f"{median(median(one.took_ms) for one in rounds):.1f}",
            f"{median(one.p99_ms for one in rounds):.1f}",
            ", ".join(f"{version}: {number}" for version, number in sorted(answers.items())),
        )
    console.print(table)
    console.print(p99_told(rolled), soft_wrap=True)
    return verdict(broken(rolled), console)
