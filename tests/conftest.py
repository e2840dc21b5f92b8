"""For all tests: log lines are plain, because drawing tracebacks for nobody takes seconds."""

from __future__ import annotations

import pytest
import structlog


@pytest.fixture(autouse=True)
def plain_logs() -> None:
    """Undoes whatever a test before set up."""
    structlog.reset_defaults()
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()])
