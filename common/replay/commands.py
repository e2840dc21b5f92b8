"""`python -m common replay REQUEST_ID`: finds the service that answered, and makes the answer again."""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import sqlite3
import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from common.command_line import Failed

SERVICES = {"supermegaretail": "RetailSettings", "photostock": "PhotoSettings"}


def add_arguments(replay: argparse.ArgumentParser) -> None:
    """The options; exit code 1 where the bytes are not the same."""
    replay.set_defaults(run=run)
    replay.add_argument("request_id", metavar="REQUEST_ID")
    replay.add_argument("--service", choices=SERVICES, help="whose answer, where both have one under this id")
    replay.add_argument(
        "--with", dest="with_", action="append", default=[], metavar="version=X", help="or COMPONENT=X: another version"
    )
    replay.add_argument(
        "--without", action="append", default=[], metavar="override=ID", help="or hint=ID, or the name of a tier"
    )
    replay.add_argument("--as", dest="as_", metavar="CALLER", help="the same request now, as that caller would see it")
    replay.add_argument("--json", action="store_true", help="all of it, with the answers")


def run(arguments: argparse.Namespace) -> int:
    """Replays and shows."""
    from common.logs.configure import configure_logs
    from common.replay.again import in_words

    configure_logs()  # to standard error: the answer goes to standard output
    document = asyncio.run(replayed(arguments))
    print(json.dumps(document, indent=2) if arguments.json else in_words(document))
    return 0 if document["same_bytes"] else 1


async def replayed(arguments: argparse.Namespace) -> dict[str, Any]:
    """The answer made again, by the service that has it; nothing is noted or counted."""
    from common.replay.store import STORE_FILE, ReplayStore
    from common.service.problems import Problem

    having = dict[str, Any]()  # the settings of the services that have it
    for name, settings_name in SERVICES.items():
        if find_spec(name) is None or arguments.service not in (None, name):
            continue
        settings = getattr(import_module(f"{name}.settings"), settings_name)(admin_token=secrets.token_urlsafe())
        store = ReplayStore(settings.replays_dir / STORE_FILE, most_bytes=0, most_days=settings.replay_log_days)
        try:
            if store.path.exists() and store.find(arguments.request_id) is not None:
                having[name] = settings
        except (OSError, sqlite3.Error) as error:
            print(f"what is kept of the answers of {name} can't be read: {error}", file=sys.stderr)
    if not having:
        raise Failed(f"no answer is kept under request id {arguments.request_id[:128]!r}")
    if len(having) > 1:
        raise Failed(f"both services answered under request id {arguments.request_id[:128]!r}: say --service")
    [(name, settings)] = having.items()
    app = import_module(f"{name}.app").create_app(settings, serves=False)
    async with app.router.lifespan_context(app):
        replayer = app.state.engine.replays.replayer
        try:
            found: dict[str, Any] = await replayer.replay(
                arguments.request_id, with_=arguments.with_, without=arguments.without, as_=arguments.as_
            )
        except Problem as problem:
            raise Failed(problem.detail) from problem
        return found
