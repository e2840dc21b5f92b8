"""The health check of the containers, as Docker runs it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

HEALTHY = Path(__file__).parents[2] / "docker" / "healthy.py"
NOBODY = "http://127.0.0.1:9"


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_a_container_is_as_healthy_as_its_service_is_ready_also_where_a_proxy_is_set(status: int, code: int) -> None:
    asked = []

    class Ready(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Ready) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        command = [sys.executable, str(HEALTHY), str(server.server_port)]
        done = subprocess.run(command, env={**os.environ, "http_proxy": NOBODY, "HTTP_PROXY": NOBODY}, timeout=60)
    assert (done.returncode, asked) == (code, ["/ready"])


def test_where_nobody_listens_a_container_is_not_healthy() -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        port = server.server_port
    assert subprocess.run([sys.executable, str(HEALTHY), str(port)], capture_output=True, timeout=60).returncode == 1
