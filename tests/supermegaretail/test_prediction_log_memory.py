"""Joining a day's files of the prediction log costs little beside a service that answers meanwhile."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path

import polars as pl

from supermegaretail.monitoring.partitions import JOINED_BYTES, JOINED_ROWS, Partitions
from supermegaretail.monitoring.records import table_of
from tests.supermegaretail.test_prediction_log import answered, one

DAY, REQUESTS, FILES = date(2026, 6, 29), 700, 24
MOST_MIB = 150

# In a process of its own, for the most that a process has ever held is all that the system tells.
JOIN = """
import resource, sys
from datetime import date
from pathlib import Path
from supermegaretail.monitoring.partitions import Partitions
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
Partitions(Path(sys.argv[1]), most_bytes=2**30, most_days=36_500).join(today=date(2026, 6, 30))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def test_joining_a_quarter_of_a_million_rows_takes_little_memory(tmp_path: Path) -> None:
    partitions = Partitions(tmp_path, most_bytes=2**30, most_days=36_500)
    one_request = table_of(answered("r", *(one(f"sku-{number}") for number in range(7))))
    for file in range(FILES):
        told = [one_request.with_columns(request_id=pl.lit(f"{file}-{number:08}")) for number in range(REQUESTS)]
        partitions.write(pl.concat(told), DAY)
    rows = partitions.read(lambda rows: rows.select(pl.len())).item()
    assert rows == FILES * REQUESTS * one_request.height > 200_000
    took = subprocess.run(
        [sys.executable, "-c", JOIN, str(tmp_path)], capture_output=True, text=True, check=True, timeout=300
    )
    assert float(took.stdout) < MOST_MIB
    assert len(partitions.files()) < FILES
    assert partitions.read(lambda rows: rows.select(pl.len())).item() == rows


def test_a_file_with_many_rows_is_not_written_again_and_looked_at_once_however_few_bytes_they_take(
    tmp_path: Path,
) -> None:
    partitions = Partitions(tmp_path, most_bytes=2**30, most_days=36_500)
    partitions.write(table_of(answered()).sample(JOINED_ROWS - 1_000, with_replacement=True), DAY)
    (full,) = partitions.files()
    assert full.size < JOINED_BYTES // 2
    partitions.write(table_of(answered("r-2")), DAY)
    before = partitions.files()
    partitions.join(today=date(2026, 6, 30))
    assert partitions.files() == before
    full.path.write_bytes(b"")  # who looks at it again finds no rows
    partitions.join(today=date(2026, 6, 30))
    assert {stored.path for stored in partitions.files()} == {stored.path for stored in before}
