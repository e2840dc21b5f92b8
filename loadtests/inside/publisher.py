"""`python -m loadtests.inside.publisher VAR_DIR`: publishes, promotes and goes back for ever, until it is killed.

It says `wants champion VERSION` before it moves the alias, `did champion VERSION` after it, and `did VERSION there` of
a version that it has published.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from common.versions.registry import CHAMPION, Registry

COMPONENT = "published"  # of nobody: no process serves it
FILES, FILE_BYTES = 4, 1 << 16


def main(registry: Registry) -> None:
    _say("ready")
    while True:
        files = {f"{number}.bin": os.urandom(FILE_BYTES) for number in range(FILES)}
        version, before = registry.publish(COMPONENT, files, alias=None).version, registry.champion(COMPONENT)
        _say("did", version, "there")
        for target in (version, before) if before is not None else (version,):
            _say("wants", CHAMPION, target)
            registry.point(COMPONENT, CHAMPION, target, why="somebody may die of it")
            _say("did", CHAMPION, target)


def _say(*words: str) -> None:
    print(*words, flush=True)


if __name__ == "__main__":
    main(Registry(Path(sys.argv[1]) / "registry"))
