"""Faults inside a process, as they are played."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from loadtests.inside import artifacts, kept_files, machine, storage
from loadtests.murphy.house import House
from loadtests.murphy.trial import PHOTOS, RETAIL, Applied, Trial

NO_STORE = frozenset({503})
STORE_HANGS = NO_STORE | {429}  # who waited as the lock came or went, while others were written


def _artifact(name: str, spoil: artifacts.Spoil, sentence: str, services: tuple[str, ...] = (RETAIL, PHOTOS)) -> Trial:
    @asynccontextmanager
    async def applied(house: House) -> AsyncIterator[None]:
        async with artifacts.models_with(house, spoil, services):
            yield

    return Trial(
        name=f"artifact_{name}",
        sentence=sentence,
        level="inside",
        applied=applied,
        services=services,
        expects="dead",
    )


def _encoder(name: str, spoil: artifacts.Spoil, sentence: str) -> Trial:
    @asynccontextmanager
    async def applied(house: House) -> AsyncIterator[None]:
        async with artifacts.own_files_with(house, spoil):
            yield

    return Trial(
        name=f"encoder_{name}",
        sentence=sentence,
        level="inside",
        applied=applied,
        services=(PHOTOS,),
        expects="dead",
        shows=("part_unwell encoder",),
        down=(PHOTOS,),
    )


def _clock(name: str, by: str, sentence: str) -> Trial:
    @asynccontextmanager
    async def applied(house: House) -> AsyncIterator[None]:
        async with machine.clock_moved(house, by):
            yield

    return Trial(
        name=name,
        sentence=sentence,
        level="inside",
        applied=applied,
        down=(RETAIL, PHOTOS),
        shows=("clock_jumps_total",),
    )


def _storage(
    name: str,
    applied: Applied,
    sentence: str,
    *,
    refuses_writes: frozenset[int] = NO_STORE,
    down: tuple[str, ...] = (),
    logs: tuple[str, ...] = ("write.failed",),
) -> Trial:
    return Trial(
        name=name,
        sentence=sentence,
        level="inside",
        applied=applied,
        refuses_writes=refuses_writes,
        down=down,
        shows=("http_requests_total 503", "part_unwell database"),
        logs=logs,
    )


INSIDE: tuple[Trial, ...] = (
    _artifact("missing", artifacts.missing, "The models start, and the files of their versions are not there."),
    _artifact("truncated", artifacts.truncated, "The models start over files that end in the middle."),
    _artifact("corrupt", artifacts.corrupt, "The models start over files with one wrong byte each."),
    _artifact("other_version", artifacts.of_another_version, "The models start over files of another version."),
    _artifact(
        "other_features",
        artifacts.of_another_feature_order,
        "The model starts over a version with other features in another order.",
        (RETAIL,),
    ),
    _artifact("other_library", artifacts.of_another_library, "The models were made with other versions of libraries."),
    _encoder("truncated", artifacts.truncated, "PhotoStock's API starts over halves of its encoder and its filter."),
    _encoder("corrupt", artifacts.corrupt, "PhotoStock's API starts over an encoder and a filter with one wrong byte."),
    _storage(
        "database_locked",
        storage.locked,
        "Another process has locked the database for itself.",
        refuses_writes=STORE_HANGS,
    ),
    _storage(
        "database_locked_at_start",
        storage.locked_at_the_start,
        "Both APIs start while another process has locked the database.",
        refuses_writes=STORE_HANGS,
        down=(RETAIL, PHOTOS),
    ),
    _storage("database_gone", storage.gone, "The file of the database is moved away, and comes back."),
    _storage("database_read_only", storage.read_only, "Both APIs start over a database file that can only be read."),
    _storage(
        "disk_full",
        storage.disk_full,
        "Not one byte more fits on the disk with the state of both APIs.",
        logs=(),  # where files can't grow, the log can't either
    ),
    Trial(
        name="table_damaged",
        sentence="Garbage takes the place of the sales table while Supermegaretail's API runs.",
        level="inside",
        applied=kept_files.table_damaged,
        services=(RETAIL,),
        expects="full",
        shows=("part_unwell sales",),
    ),
    Trial(
        name="table_damaged_at_start",
        sentence="Supermegaretail's API starts over a sales table that ends in the middle.",
        level="inside",
        applied=kept_files.table_damaged_at_the_start,
        services=(RETAIL,),
        expects="dead",
        shows=("part_unwell sales",),
    ),
    Trial(
        name="graph_damaged",
        sentence="PhotoStock's API starts over garbage in place of the graph of its index.",
        level="inside",
        applied=kept_files.graph_damaged,
        services=(PHOTOS,),
        expects="full",
        logs=("index.file_refused",),
    ),
    _clock("clock_ahead", "+3600", "The wall clock of both APIs jumps an hour ahead, and back."),
    _clock("clock_behind", "-3600", "The wall clock of both APIs jumps an hour back, and ahead."),
    Trial(
        name="loop_blocked",
        sentence="The event loops of both APIs run something for 0.6 s, every two seconds.",
        level="inside",
        applied=machine.loop_blocked,
        refuses=frozenset({429}),
        shows=("event_loop_late_seconds_total",),
        logs=("loop.blocked", "loop.free_again"),
        may_be_late=True,
    ),
    Trial(
        name="shadow_hangs",
        sentence="Both APIs have a shadow that never answers.",
        level="inside",
        applied=machine.shadow_hangs,
        expects="full",
        shows=("shadow_missing_total",),
        down=(RETAIL, PHOTOS),
    ),
    Trial(
        name="log_blocked",
        sentence="The log of both APIs goes into a full pipe that nobody reads.",
        level="inside",
        applied=machine.log_blocked,
        expects="full",
        shows=("log_sink_blocked_seconds", "log_lines_dropped_total"),
        down=(RETAIL, PHOTOS),
    ),
)
