"""`release propose COMPONENT [VERSION]`: the service compares, the desk takes the report, the samples go to a file."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.command_line import Failed, command
from common.releases.commands import OpenDesk, add_who, told
from common.releases.desk import ReleaseDesk
from common.releases.store import ReleaseRecord
from common.versions.registry import CHAMPION, Registry

SAMPLES = "samples.jsonl"
MOST_SAMPLES = 20_000

Review = Callable[[str, str | None], "Proposal"]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A version that may be released, what a reviewer is told about it, and every sample behind that."""

    component: str
    version: str
    report: Mapping[str, Any]
    samples: Iterable[Mapping[str, Any]]


def add_propose(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    open_desk: OpenDesk,
    review: Review,
    *,
    releases_dir: Callable[[], Path],
    components: tuple[str, ...],
) -> None:
    """Adds `propose` to the commands that `add_arguments` returned.

    Args:
        review: component and version (None for the newest) to the proposal; raises `Failed`.
        releases_dir: where each release has a folder for what is too large for the database.
        components: that can be compared.
    """
    proposed = command(
        commands,
        "propose",
        lambda a: told(lambda: _propose(open_desk(), review(a.component, a.version), a, releases_dir())),
        "compare a version with the champion, and ask for a decision",
    )
    proposed.add_argument("component", choices=components)
    proposed.add_argument("version", nargs="?", help="default: the newest that is not champion")
    add_who(proposed)


def candidate_of(registry: Registry, component: str, version: str | None) -> str:
    """The version that is meant; without one the newest that is not champion. `Failed` where there is none."""
    champion = registry.aliases(component).get(CHAMPION)
    if champion is None:
        raise Failed(f"there is no {component} to compare with: run `train` first")
    if version is not None:
        return registry.resolve(component, version)
    newest = [number for number in registry.versions(component) if number != champion][-1:]
    if not newest:
        raise Failed(f"there is no {component} beside the champion {champion}: run `train` first")
    return newest[0]


def propose(desk: ReleaseDesk, proposal: Proposal, *, who: str, why: str, releases_dir: Path) -> ReleaseRecord:
    """Stores the proposal; every sample goes to a file beside it."""
    release = desk.propose(proposal.component, proposal.version, who=who, why=why, report=proposal.report)
    path = releases_dir / release.id / SAMPLES
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        for number, sample in enumerate(proposal.samples):
            if number == MOST_SAMPLES:
                break
            file.write(json.dumps(sample, ensure_ascii=False, allow_nan=False) + "\n")
    return release


def _propose(desk: ReleaseDesk, proposal: Proposal, arguments: argparse.Namespace, releases_dir: Path) -> int:
    release = propose(desk, proposal, who=arguments.who, why=arguments.why, releases_dir=releases_dir)
    print(proposal.report["sentence"])
    print(f"{proposal.report['outcome']}: {'; '.join(proposal.report['reasons'])}")
    print(f"release {release.id} is {release.state}; look at it under /admin/releases/{release.id},")
    print(f"every sample is in {releases_dir / release.id / SAMPLES}")
    return 0
