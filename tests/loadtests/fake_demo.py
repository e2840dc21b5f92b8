"""The demo over the fake services: `python fake_demo.py LOGS [--once] [options of fake_services.py]`."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console

from loadtests.demo import run_demo
from loadtests.processes import Program, free_ports
from loadtests.promises import Thresholds
from loadtests.screen import Screen
from loadtests.services import Service
from loadtests.tour import TourPlan
from loadtests.traffic import Subjects

SERVICES = str(Path(__file__).with_name("fake_services.py"))
# Whether answers are on time is for the real services on a quiet machine, not for these on a busy one.
ANY_SPEED = Thresholds(budget_ms=1500, limit_ms=5000, healthy_degraded_share=0.9, full_quality_within_seconds=60)
PLAN = TourPlan(phase_seconds=0.5, forecasts_per_second=40, searches_per_second=40, thresholds=ANY_SPEED)


def fake(name: str, options: list[str]) -> Service:
    """A service and its model on ports that are free now."""
    api, model, moved = free_ports(3)
    print("ports", api, model, moved, flush=True)
    return Service(
        name,
        Program(f"{name}-api", (SERVICES, "api", str(api), str(model), *options), api),
        Program(f"{name}-model", (SERVICES, "model", str(model), "0"), model),
        Program(f"{name}-moved", (SERVICES, "model", str(moved), "0"), moved),
    )


def main() -> int:
    """The exit code of the demo."""
    options = [option for option in sys.argv[2:] if option != "--once"]
    return run_demo(
        fake("supermegaretail", options),
        fake("photostock", options),
        plan=PLAN,
        subjects=Subjects((("CA_1", "A"), ("CA_1", "B")), ("dog", "beach")),
        logs=Path(sys.argv[1]),
        screen=Screen(Console()),
        once="--once" in sys.argv,
    )


if __name__ == "__main__":
    sys.exit(main())
