"""`python -m loadtests.experiments.promoter VAR_DIR`: promotes and rolls back for ever, until it is killed."""

from __future__ import annotations

import sys
from pathlib import Path

from common.releases.canary import CanaryPolicy
from common.releases.desk import Refused, ReleaseDesk
from common.releases.policy import GoodHours, ReleasePolicy
from common.releases.store import Conflict, ReleaseStore, State
from common.settings import ServiceSettings
from common.state.database import open_state
from common.versions.registry import CHAMPION, Registry

COMPONENT = "core"
WHO = "the experiment"


def desk_in(var_dir: Path) -> ReleaseDesk:
    """A desk whose releases may begin at any hour."""
    settings = ServiceSettings(var_dir=var_dir, database_url=None)
    policy = ReleasePolicy(
        needs_approval=False, canary=CanaryPolicy(steps=(0.5, 1.0)), good_hours=GoodHours.of("always")
    )
    return ReleaseDesk(ReleaseStore(open_state(settings)), Registry(settings.registry_dir), {COMPONENT: policy})


def go_on(desk: ReleaseDesk, registry: Registry) -> None:
    """One release of a version that is not champion: to the end, and every other one back again."""
    desk.reconcile()
    champion = registry.resolve(COMPONENT, CHAMPION)
    other = next(version for version in registry.versions(COMPONENT) if version != champion)
    for release in desk.under_way().values():  # of a promoter that was killed
        desk.roll_back(release.id, who=WHO, why="left behind")
    left = next(iter(desk.store.listed(COMPONENT, states=(State.PROPOSED,))), None)
    release = left or desk.propose(COMPONENT, other, who=WHO, why="to and fro", report={})
    if release.to_version != other:
        desk.reject(release.id, who=WHO, why="it is the champion")
        return
    desk.start(release.id, who=WHO, why="to and fro")
    promoted = desk.promote(release.id, who=WHO, why="to and fro")
    if int(promoted.id, 16) % 2:
        desk.roll_back(promoted.id, who=WHO, why="to and fro")


def main(var_dir: Path) -> None:
    desk = desk_in(var_dir)
    registry = Registry(var_dir / "registry")
    print("ready", flush=True)
    while True:
        try:
            go_on(desk, registry)
        except (Conflict, Refused) as error:
            print(error, file=sys.stderr)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
