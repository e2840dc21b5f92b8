"""Runs an application under uvicorn, the same way for every process, and stops it without losing a request."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import uvicorn
from fastapi import FastAPI

from common.logs.configure import configure_logs
from common.service.refusing import ServedProtocol
from common.service.server import DrainingServer, settle_memory
from common.settings import ServiceSettings

MODEL_NICENESS = 10  # about a tenth of the processor time of a process that wants it as much
# After each of its callbacks the event loop has to get the interpreter back from the threads that work. 50 small
# messages beside two busy threads took 0.03 to 1.2 s with Python's 5 ms, and 0.02 to 0.08 s with this.
SWITCH_S = 0.0002
MOST_FILES = 8_192  # a usual soft limit is 1,024
DRAIN_S = 5  # how long requests at work may take to finish once nothing new is accepted


def serve(create_app: Callable[[], FastAPI], settings: ServiceSettings, *, port: int, gives_way: bool = False) -> None:
    """Serves until SIGTERM or SIGINT, then drains.

    `gives_way` is for models: where cores are short, the API that has a substitute for them goes first.
    """
    configure_logs()
    if gives_way and hasattr(os, "nice"):
        os.nice(MODEL_NICENESS)
    sys.setswitchinterval(SWITCH_S)
    _allow_files()
    app = create_app()
    service = app.state.service
    service.before_listening = settle_memory
    protocol = partial(ServedProtocol, admission=service.admission, metrics=service.http_metrics, drain=service.drain)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=port,
        http=protocol,  # type: ignore[arg-type]  # uvicorn only calls it
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=DRAIN_S,
    )
    DrainingServer(config, drain=service.drain, notice_ms=settings.drain_notice_ms).run()


def _allow_files() -> None:
    """As many as the system lets us open, within reason."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):  # some systems have a bound of their own
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
