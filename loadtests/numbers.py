"""Numbers on the command lines of load tests, with their bounds."""

from __future__ import annotations

from common.command_line import between

seconds = between(float, 0.01, 86_400.0)
minutes = between(float, 0.01, 1_440.0)
per_second = between(float, 0.01, 100_000.0)
share = between(float, 0.001, 1.0)
times = between(float, 0.01, 1_000.0)  # the load
port = between(int, 1, 65_535)
