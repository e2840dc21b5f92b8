"""A queue that never makes anybody wait, and that owns up to everything it lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event

from structlog.testing import capture_logs

from common.write_behind import WriteBehind

PATIENCE_S = 30.0


class Panic(BaseException):
    """What polars raises when it panics is no `Exception` either."""


@contextmanager
def queue(
    write: Callable[[Sequence[int]], None], lost: list[int], *, most_waiting: int = 100
) -> Iterator[WriteBehind[int]]:
    made = WriteBehind[int](
        "test",
        size_of=lambda _item: 1,
        write=write,
        dropped=lost.append,
        most_waiting=most_waiting,
        flush_size=most_waiting,
        flush_every_s=0.01,
    )
    made.start()
    try:
        yield made
    finally:
        made.close(PATIENCE_S)


def test_everything_is_written_in_order_and_nothing_after_closing() -> None:
    written: list[int] = []
    lost: list[int] = []
    with queue(written.extend, lost) as behind:
        for item in range(50):
            behind.put(item)
        assert behind.flush(PATIENCE_S)
        assert written == list(range(50))
        behind.put(50)
    behind.put(51)

    assert written == list(range(51))
    assert lost == [51]


def test_what_finds_no_room_is_dropped_at_once_and_told() -> None:
    stuck, lost = Event(), list[int]()
    begun = Event()

    def write(_items: Sequence[int]) -> None:
        begun.set()
        stuck.wait(PATIENCE_S)

    with queue(write, lost, most_waiting=3) as behind:
        behind.put(0)
        assert begun.wait(PATIENCE_S)
        for item in range(1, 6):
            behind.put(item)
        assert lost == [4, 5]
        assert not behind.flush(timeout_s=0)
        stuck.set()


def test_a_write_that_raises_costs_its_own_items_only() -> None:
    written: list[int] = []
    lost: list[int] = []

    def write(items: Sequence[int]) -> None:
        if 0 in items:
            raise Panic
        written.extend(items)

    with capture_logs() as logs, queue(write, lost) as behind:
        behind.put(0)
        assert behind.flush(PATIENCE_S)
        behind.put(1)
        assert behind.flush(PATIENCE_S)

    assert lost == [0]
    assert written == [1]
    assert [line["event"] for line in logs] == ["write_behind.bug"]


def test_whoever_closes_without_the_time_to_write_is_told_what_was_lost() -> None:
    stuck, begun, lost = Event(), Event(), list[int]()

    def write(_items: Sequence[int]) -> None:
        begun.set()
        stuck.wait(PATIENCE_S)

    with queue(write, lost) as behind:
        behind.put(0)
        assert begun.wait(PATIENCE_S)
        for item in range(1, 10):
            behind.put(item)
        behind.close(timeout_s=0)
        assert lost == list(range(1, 10))
        stuck.set()
