"""Runs an application under uvicorn, the same way for every process, and stops it without losing a request."""

from __future__ import annotations

import os
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from common.logs.configure import configure_logs
from common.service.server import DrainingServer
from common.settings import ServiceSettings

MODEL_NICENESS = 10  # about a tenth of the processor time of a process that wants it as much
DRAIN_S = 5  # how long requests at work may take to finish once nothing new is accepted


def serve(create_app: Callable[[], FastAPI], settings: ServiceSettings, *, port: int, gives_way: bool = False) -> None:
    """Serves until SIGTERM or SIGINT, then drains.

    `gives_way` is for models: where cores are short, the API that has a substitute for them goes first.
    """
    configure_logs()
    if gives_way and hasattr(os, "nice"):
        os.nice(MODEL_NICENESS)
    app = create_app()
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=DRAIN_S,
        h11_max_incomplete_event_size=64 * 1024,
    )
    DrainingServer(config, drain=app.state.drain, notice_ms=settings.drain_notice_ms).run()
