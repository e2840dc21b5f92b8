"""`python -m loadtests`: the tour of the demo, the chaos proxy, the menu of faults, and clients put to the test."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

import loadtests.alerts.command as alerts
import loadtests.bench.command as bench
import loadtests.bench.forecasts as bench_forecasts
import loadtests.bench.index as bench_index
import loadtests.bench.overrides as bench_overrides
import loadtests.bench.photos as bench_photos
import loadtests.bench.reranker as bench_reranker
import loadtests.bench.throughput as bench_throughput
import loadtests.conformance.command as conformance
import loadtests.experiments.command as experiments
import loadtests.inside.command as inside
import loadtests.murphy.command as murphy
import loadtests.murphy.open_house as open_house
import loadtests.overload.command as overload
import loadtests.soak.command as soak
from common.command_line import seed
from common.versions.registry import RegistryError
from loadtests import hostile, request_ids
from loadtests.demo import run_demo
from loadtests.faults import MENU
from loadtests.numbers import per_second, port, seconds
from loadtests.processes import ProcessError
from loadtests.proxy import ChaosProxy
from loadtests.screen import Screen
from loadtests.services import api_key, photostock, supermegaretail, var_dir
from loadtests.tour import TourPlan
from loadtests.traffic import NoDemoError, read_subjects


def parser() -> argparse.ArgumentParser:
    """The commands; exit codes are 0 (all well), 1 (a promise broke, or it could not run) and 2 (wrong usage)."""
    whole = argparse.ArgumentParser(prog="python -m loadtests", description=__doc__)
    commands, plan = whole.add_subparsers(metavar="COMMAND", required=True), TourPlan()

    tour = _command(commands, "tour", _tour, "both services under load, while their models die, freeze and lie")
    tour.add_argument("--once", action="store_true", help="end after the tour, as with DEMO_ONCE=1")
    for option, kind, default, what in (
        ("--phase-seconds", seconds, plan.phase_seconds, "length of a phase"),
        ("--forecasts-per-second", per_second, plan.forecasts_per_second, "forecast requests"),
        ("--searches-per-second", per_second, plan.searches_per_second, "search requests"),
    ):
        tour.add_argument(option, type=kind, default=default, metavar="N", help=f"{what} (default: {default:g})")
    tour.add_argument("--seed", type=seed, default=plan.seed, metavar="N", help="of the traffic (default: %(default)s)")
    tour.add_argument("--subjects", type=Path, metavar="FILE", help="what to ask about (default: VAR_DIR/demo.json)")

    proxy = _command(commands, "proxy", _proxy, "stand between a client and a server, and misbehave")
    proxy.add_argument("--port", type=port, required=True, help="where to listen")
    proxy.add_argument("--host", default="127.0.0.1", help="where to listen (default: %(default)s)")
    proxy.add_argument("--upstream", metavar="URL", help="the healthy server; without one a canned answer is spoiled")
    names = [fault.name for fault in MENU if fault.kind != "process"]
    proxy.add_argument("--fault", choices=names, metavar="NAME", help="see `faults`; without one it only forwards")

    _command(commands, "faults", _faults, "list the menu of faults")
    alerts.add_arguments(_command(commands, "alerts", alerts.run, "does each fault raise its alert, and no other?"))
    murphy.add_arguments(_command(commands, "murphy", murphy.run, "both services under load and every fault there is"))
    soak.add_arguments(_command(commands, "soak", soak.run, "an hour's worth of traffic, and whether anything grows"))
    open_house.add_arguments(_command(commands, "house", open_house.run, "both services, and faults by name on demand"))
    inside.add_arguments(_command(commands, "kill-loop", inside.run, "SIGKILL at random moments, and what is lost"))
    conformance.add_arguments(_command(commands, "conformance", conformance.run, "clients under every fault"))
    bench.add_arguments(_command(commands, "bench-client", bench.run, "what a call costs on a healthy server"))
    bench_forecasts.add_arguments(
        _command(commands, "bench-forecasts", bench_forecasts.run, "the processor time that a forecast request costs")
    )
    bench_overrides.add_arguments(
        _command(commands, "bench-overrides", bench_overrides.run, "what 10,000 overrides cost a forecast request")
    )
    bench_photos.add_arguments(
        _command(commands, "bench-photos", bench_photos.run, "the processor time that a search costs")
    )
    bench_reranker.add_arguments(
        _command(
            commands, "bench-reranker", bench_reranker.run, "the processor time of scoring, next to the bare model"
        )
    )
    bench_throughput.add_arguments(
        _command(commands, "bench-throughput", bench_throughput.run, "requests per second of a core, next to FastAPI")
    )
    bench_index.add_arguments(
        _command(commands, "bench-index", bench_index.run, "speed, recall and memory of the vector index by size")
    )
    overload.add_arguments(_command(commands, "overload", overload.run, "many times what one core can do"))
    experiments.add_arguments(
        _command(commands, "experiment", experiments.run, "claims of the client and the services, put to the test")
    )
    request_ids.add_arguments(
        _command(commands, "request-ids", request_ids.command, "does every log line carry the id of its own request?")
    )
    hostile.add_arguments(_command(commands, "hostile", hostile.run, "what an attacker sends, to real processes"))
    return whole


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], int],
    text: str,
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=text)
    command.set_defaults(run=run)
    return command


def main(arguments: Sequence[str] | None = None) -> int:
    """Parses and runs; what a person can mend is told in one plain line."""
    parsed = parser().parse_args(arguments)
    try:
        code: int = parsed.run(parsed)
    except (ProcessError, NoDemoError, RegistryError, OSError) as error:
        print(f"python -m loadtests: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return code


def _tour(arguments: argparse.Namespace) -> int:
    subjects = read_subjects(arguments.subjects or var_dir(os.environ) / "demo.json")
    plan = TourPlan(
        phase_seconds=arguments.phase_seconds,
        forecasts_per_second=arguments.forecasts_per_second,
        searches_per_second=arguments.searches_per_second,
        seed=arguments.seed,
        api_key=api_key(os.environ),
    )
    return run_demo(
        supermegaretail(os.environ),
        photostock(os.environ),
        plan=plan,
        subjects=subjects,
        logs=var_dir(os.environ) / "logs",
        screen=Screen(Console()),
        once=arguments.once or os.environ.get("DEMO_ONCE") == "1",
    )


def _proxy(arguments: argparse.Namespace) -> int:
    proxy = ChaosProxy(upstream=arguments.upstream, host=arguments.host, port=arguments.port, fault=arguments.fault)
    asyncio.run(_serve(proxy))
    return 0


async def _serve(proxy: ChaosProxy) -> None:
    """Until Ctrl-C; a line on standard input switches the fault, an empty one heals."""
    await proxy.start()
    print(f"listening on {proxy.url}, fault: {proxy.fault or 'none'}; type the name of another, or nothing to heal")
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    try:
        while line := await lines.readline():
            try:
                await proxy.set_fault(line.decode(errors="replace").strip() or None)
                print(f"fault: {proxy.fault or 'none'}")
            except ValueError as error:
                print(error)
        await asyncio.Event().wait()  # standard input is closed: nothing more will be typed
    finally:
        await proxy.stop()


def _faults(_: argparse.Namespace) -> int:
    for fault in MENU:
        print(f"{fault.name:<20} {fault.kind:<11} {fault.sentence}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
