"""One run of the automatic release at a terminal or under a scheduler: what it reads, writes and prints."""

from __future__ import annotations

import argparse
import fcntl
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from common.command_line import Failed
from common.progress import progress
from common.releases.commands import OpenDesk
from common.releases.desk import ReleaseDesk
from common.releases.gate import show
from common.releases.store import OPEN, ReleaseRecord, State
from common.state.database import open_state
from common.versions.registry import Registry
from common.versions.slots import CHAMPION
from supermegaretail.book import whole_table
from supermegaretail.decisions import labels_in_force
from supermegaretail.imports import load_rejects
from supermegaretail.label_command import propose_of_champion
from supermegaretail.ledger import Ledger
from supermegaretail.quality.check import check
from supermegaretail.releasing.auto import AutomaticRelease, Ended
from supermegaretail.settings import RetailSettings

REPORT = "automatic-release.json"  # of the last run, beside the sales
LOOK_EVERY_S = 2.0


def follow(
    desk: ReleaseDesk,
    release: ReleaseRecord,
    *,
    at_most_s: float,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> ReleaseRecord:
    """The release when it is over, or as it stands when the time is."""
    ends_s = clock() + at_most_s
    with progress(f"rolling out {release.component} {release.to_version}") as report:
        while release.state in OPEN and clock() < ends_s:
            report.say(f"{release.state}, {release.share:.0%} of the traffic" + (", paused" if release.paused else ""))
            sleep(LOOK_EVERY_S)
            release = desk.store.find(release.id) or release
    return release


def run(arguments: argparse.Namespace, open_desk: OpenDesk) -> int:
    """The exit code: 0 unless a person has to look. `Failed` while another run is under way."""
    settings, desk = RetailSettings(), open_desk()
    with _alone(settings.table_path.with_name(".automatic-release.lock")):
        ended = _ended(arguments, settings, desk)
        found = json.dumps(ended.as_json(), indent=1, ensure_ascii=False, allow_nan=False)
        for path in (settings.table_path.with_name(REPORT), arguments.json):
            if path is not None:
                path.write_text(found)
    if ended.findings:
        show(ended.findings, Console())
    print(ended.told)
    good = ended.good
    if ended.ending == "started" and arguments.wait and ended.release is not None:
        over = follow(desk, ended.release, at_most_s=3_600 * arguments.wait_hours)
        print(f"release {over.id} is {over.state}: {desk.store.events(over.id)[-1].why}")
        good = over.state == State.PROMOTED
    if ended.ending != "frozen":  # else these may be sales that nobody should conclude anything from
        propose_of_champion(settings)
    return 0 if good else 1


def _ended(arguments: argparse.Namespace, settings: RetailSettings, desk: ReleaseDesk) -> Ended:
    state, registry = open_state(settings), Registry(settings.registry_dir)
    table = whole_table(settings.table_path, Ledger(state))
    if table.is_empty():
        raise Failed("no sales are known yet: run `data demo` or `data import FILE` first")
    with progress("checking the sales"):
        quality = check(table, rejects=load_rejects(settings.table_path.with_name("rejected-rows.csv")))
    _, labels = labels_in_force(registry, state, version=CHAMPION, now=datetime.now(UTC))
    release = AutomaticRelease(
        desk=desk,
        registry=registry,
        labels=labels,
        seed=arguments.seed,
        threads=arguments.threads,
        rows=arguments.rows,
        dry_run=arguments.dry_run,
    )
    return release.run(table, quality)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Two at once would judge each other's candidates."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Failed("another automatic release is under way") from error
        yield
