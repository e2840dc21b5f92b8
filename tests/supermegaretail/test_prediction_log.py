"""The prediction log: what is written, that nothing waits for it or fails with it, and that it stays within bounds."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from supermegaretail.contract import Forecast, ForecastAnswer
from supermegaretail.history import SalesHistory
from supermegaretail.monitoring.partitions import Partitions
from supermegaretail.monitoring.prediction_log import PredictionLog
from supermegaretail.monitoring.records import SCHEMA, Answered, table_of
from tests.supermegaretail.conftest import LAST_DAY

MADE_AT = datetime(2026, 6, 29, 8, tzinfo=UTC)


def one(sku: str = "milk", **fields: Any) -> Forecast:
    told: dict[str, Any] = {
        "store": "north",
        "sku": sku,
        "dates": [LAST_DAY + timedelta(days=ahead) for ahead in (1, 2)],
        "demand": [3.0, 4.5],
        "quantiles": None,
        "served_by": "correction",
        "degraded": False,
        "reason": None,
        "override_id": None,
    }
    return Forecast(**(told | fields))


def answered(request_id: str = "r-1", *forecasts: Forecast, made_at: datetime = MADE_AT) -> Answered:
    answer = ForecastAnswer.model_construct(
        forecasts=list(forecasts) or [one()],
        as_of=LAST_DAY,
        seed=42,
        versions={"core": "1.0.0", "correction": "1.1.0", "features": "2", "api": "0.1.0"},
        degraded=False,
        request_id=request_id,
    )
    return Answered(answer, "champion", "planner", made_at, SalesHistory.build(pl.DataFrame()))


def partitions_in(folder: Path, *, most_bytes: int = 2**24, most_days: int = 36_500) -> Partitions:
    return Partitions(folder, most_bytes=most_bytes, most_days=most_days)


@contextmanager
def a_log(folder: Path, **options: Any) -> Iterator[tuple[PredictionLog, CollectorRegistry]]:
    registry = CollectorRegistry()
    log = PredictionLog(partitions_in(folder), registry, flush_every_s=0.05, **options)
    log.start()
    try:
        yield log, registry
    finally:
        log.close()


def dropped(registry: CollectorRegistry) -> float:
    return registry.get_sample_value("prediction_log_dropped_total") or 0.0


def test_each_item_and_day_is_a_row_with_everything_that_was_told(tmp_path: Path) -> None:
    quantiles = {"0.5": [2.5, 4.0], "0.95": [6.0, 8.0]}
    with a_log(tmp_path) as (log, _):
        log.put(answered("r-1", one(quantiles=quantiles), one("bread", served_by="constant", reason="core:timeout")))
        rows = log.find("r-1")
    assert dict(rows.schema) == SCHEMA
    told = rows.select("sku", "day", "horizon_days", "demand", "quantile_values", "served_by", "reason").rows()
    assert told == [
        ("milk", LAST_DAY + timedelta(days=1), 1, 3.0, [2.5, 6.0], "correction", None),
        ("milk", LAST_DAY + timedelta(days=2), 2, 4.5, [4.0, 8.0], "correction", None),
        ("bread", LAST_DAY + timedelta(days=1), 1, 3.0, [], "constant", "core:timeout"),
        ("bread", LAST_DAY + timedelta(days=2), 2, 4.5, [], "constant", "core:timeout"),
    ]
    first = rows.row(0, named=True)
    assert (first["made_at"], first["caller"], first["seed"], first["as_of"]) == (MADE_AT, "planner", 42, LAST_DAY)
    assert (first["core_version"], first["correction_version"]) == ("1.0.0", "1.1.0")


def test_requests_of_many_shapes_are_written_together_in_their_order() -> None:
    one_day = one("eggs", dates=[LAST_DAY + timedelta(days=1)], demand=[7.0], quantiles={"0.9": [9.0]})
    asked = [answered("r-1", one(), one("bread")), answered("r-2", one_day), answered("r-3", one(demand=[1.0, 2.0]))]
    together = table_of(*asked)
    assert together.equals(pl.concat([table_of(request) for request in asked]))
    assert together["request_id"].to_list() == ["r-1"] * 4 + ["r-2"] + ["r-3"] * 2
    assert together["sku"].to_list() == ["milk", "milk", "bread", "bread", "eggs", "milk", "milk"]


def test_closing_writes_what_is_waiting_into_the_partition_of_its_day(tmp_path: Path) -> None:
    with a_log(tmp_path) as (log, _):
        log.put(answered())
    assert [path.parent.name for path in tmp_path.rglob("*.parquet")] == ["day=2026-06-29"]


def test_a_request_id_used_twice_names_the_last_request(tmp_path: Path) -> None:
    with a_log(tmp_path) as (log, _):
        log.put(answered("r-1", one(demand=[1.0, 1.0])))
        log.put(answered("r-1", one(demand=[2.0, 2.0]), made_at=MADE_AT + timedelta(minutes=1)))
        assert log.find("r-1")["demand"].to_list() == [2.0, 2.0]
        assert log.find("r-2").is_empty()


def test_a_full_queue_drops_and_counts(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    log = PredictionLog(partitions_in(tmp_path), registry, most_waiting_rows=3)
    log.put(answered("kept"))
    log.put(answered("lost"))
    assert dropped(registry) == 2
    log.start()
    assert len(log.find("kept")) == 2
    assert log.find("lost").is_empty()
    log.close()


def test_a_folder_that_cannot_be_made_costs_rows_and_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "predictions"
    folder.write_text("a file stands where the folder should be")
    with a_log(folder) as (log, registry):
        log.put(answered())
        assert log.flush(5)
        assert log.trouble is not None
        assert dropped(registry) == 2
        folder.unlink()
        log.put(answered("later"))
        assert len(log.find("later")) == 2
        assert log.trouble is None


def test_a_folder_that_vanished_is_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "predictions"
    with a_log(folder) as (log, registry):
        log.put(answered("before"))
        assert log.flush(5)
        for path in folder.rglob("*.parquet"):
            path.unlink()
        for path in folder.iterdir():
            path.rmdir()
        folder.rmdir()
        log.put(answered("after"))
        assert len(log.find("after")) == 2
        assert dropped(registry) == 0


def test_putting_takes_no_time_while_the_writer_is_stuck(tmp_path: Path) -> None:
    log = PredictionLog(partitions_in(tmp_path), CollectorRegistry())  # not started: it never writes
    many = answered("r", *[one(f"sku {place}") for place in range(1_000)])
    began_s = time.perf_counter()
    for _ in range(100):
        log.put(many)
    assert time.perf_counter() - began_s < 0.1


def test_readers_never_see_a_part_of_a_file(tmp_path: Path) -> None:
    partitions = partitions_in(tmp_path)
    partitions.write(table_of(answered()), date(2026, 6, 29))
    (tmp_path / "day=2026-06-29" / ".half.part").write_bytes(b"PAR1 and no more")
    assert partitions.read(lambda rows: rows).height == 2


def test_replicas_write_into_one_folder_without_overwriting_each_other(tmp_path: Path) -> None:
    for replica in range(3):
        partitions_in(tmp_path).write(table_of(answered(f"r-{replica}")), date(2026, 6, 29))
    assert partitions_in(tmp_path).read(lambda rows: rows.select("request_id").unique()).height == 3


def test_small_files_of_a_past_day_become_one_with_the_same_rows(tmp_path: Path) -> None:
    partitions = partitions_in(tmp_path)
    for place in range(5):
        partitions.write(table_of(answered(f"r-{place}")), date(2026, 6, 29))
    partitions.write(table_of(answered("today")), date(2026, 6, 30))
    before = partitions.read(lambda rows: rows).sort("request_id", "horizon_days")
    partitions.join(today=date(2026, 6, 30))
    assert [stored.day.day for stored in partitions.files()] == [29, 30]
    assert partitions.read(lambda rows: rows).sort("request_id", "horizon_days").equals(before)


def test_joining_after_a_crash_that_left_rows_twice_keeps_each_once(tmp_path: Path) -> None:
    partitions = partitions_in(tmp_path)
    for _ in range(2):
        partitions.write(table_of(answered("r-1")), date(2026, 6, 29))
    partitions.join(today=date(2026, 6, 30))
    assert partitions.read(lambda rows: rows).height == 2


@pytest.mark.parametrize(
    ("most_bytes", "most_days", "kept"), [(2**24, 2, [28, 29]), (1, 90, []), (2**24, 90, [27, 28, 29])]
)
def test_the_oldest_partitions_go_first(tmp_path: Path, most_bytes: int, most_days: int, kept: list[int]) -> None:
    partitions = partitions_in(tmp_path, most_bytes=most_bytes, most_days=most_days)
    for day in (27, 28, 29):
        partitions.write(table_of(answered(f"r-{day}")), date(2026, 6, day))
    partitions.tidy(today=date(2026, 6, 29))
    assert [stored.day.day for stored in partitions.files()] == kept


def test_the_size_is_bounded_file_by_file(tmp_path: Path) -> None:
    for day in (27, 28, 29):
        partitions_in(tmp_path).write(table_of(answered(f"r-{day}")), date(2026, 6, day))
    size = max(stored.size for stored in partitions_in(tmp_path).files())
    partitions_in(tmp_path, most_bytes=2 * size).tidy(today=date(2026, 6, 29))
    assert [stored.day.day for stored in partitions_in(tmp_path).files()] == [28, 29]


def whole_file() -> bytes:
    opened = io.BytesIO()
    table_of(answered("damaged")).write_parquet(opened)
    return opened.getvalue()


DAMAGES = {
    "empty": b"",
    "cut off": whole_file()[:-100],
    "three bytes": b"PAR",
    "four bytes": b"PAR1",
    "zeros": bytes(4_096),
    "only the ends are right": b"PAR1" + bytes(4_096) + b"PAR1",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_set_aside_and_all_others_are_read(tmp_path: Path, damage: bytes) -> None:
    with a_log(tmp_path) as (log, registry), capture_logs() as lines:
        log.put(answered("whole"))
        assert len(log.find("whole")) == 2
        (tmp_path / "day=2026-06-29" / "0.parquet").write_bytes(damage)
        assert len(log.find("whole")) == 2
        assert len(log.find("whole")) == 2
        assert registry.get_sample_value("prediction_log_damaged_files_total") == 1
    assert [line["event"] for line in lines] == ["prediction_log.damaged_file"]
    assert (tmp_path / "day=2026-06-29" / "0.damaged").read_bytes() == damage


def test_a_damaged_file_does_not_keep_the_others_from_being_joined(tmp_path: Path) -> None:
    partitions = partitions_in(tmp_path)
    for place in range(3):
        partitions.write(table_of(answered(f"r-{place}")), date(2026, 6, 29))
    (tmp_path / "day=2026-06-29" / "0.parquet").write_bytes(b"")
    for _ in range(2):
        partitions.join(today=date(2026, 6, 30))
    assert len(partitions.files()) == 1
    assert partitions.read(lambda rows: rows).height == 6


def test_a_damaged_file_goes_with_its_day(tmp_path: Path) -> None:
    damaged = tmp_path / "day=2026-06-27" / "0.damaged"
    damaged.parent.mkdir()
    damaged.write_bytes(b"")
    os.utime(damaged, (0, 0))
    partitions_in(tmp_path, most_days=3).tidy(today=date(2026, 6, 29))
    assert damaged.exists()
    partitions_in(tmp_path, most_days=2).tidy(today=date(2026, 6, 29))
    assert not damaged.exists()


def test_a_wrong_question_is_an_error_and_sets_no_file_aside(tmp_path: Path) -> None:
    partitions = partitions_in(tmp_path)
    partitions.write(table_of(answered()), date(2026, 6, 29))
    with pytest.raises(pl.exceptions.PolarsError):
        partitions.read(lambda rows: rows.filter(pl.col("no such column") == 1))
    assert len(partitions.files()) == 1


def test_a_quiet_service_forgets_what_is_too_old(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    log = PredictionLog(partitions_in(tmp_path, most_days=2), registry, tidy_every_s=0.05)
    log.start()
    try:
        log.partitions.write(table_of(answered()), date(2026, 1, 1))
        deadline_s = time.monotonic() + 5
        while log.partitions.files() and time.monotonic() < deadline_s:
            time.sleep(0.01)
        assert log.partitions.files() == []
    finally:
        log.close()
