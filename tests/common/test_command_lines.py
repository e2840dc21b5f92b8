"""The command lines of all packages."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("package", ["common", "photostock", "supermegaretail"])
def test_reading_a_command_line_imports_no_web_framework(package: str) -> None:
    program = f"import sys; from {package}.__main__ import parser; parser(); print('fastapi' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)

    assert told.stdout.strip() == "False"
