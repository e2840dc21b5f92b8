"""For all tests: log lines are plain, because drawing tracebacks for nobody takes seconds; examples take their time."""

from __future__ import annotations

import pytest
import structlog
from hypothesis import settings


def pytest_configure() -> None:
    """A machine that stands still for a moment makes no example wrong."""
    settings.register_profile("no deadline", deadline=None)
    settings.load_profile("no deadline")


@pytest.fixture(autouse=True)
def plain_logs() -> None:
    """Undoes whatever a test before set up."""
    structlog.reset_defaults()
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()])
