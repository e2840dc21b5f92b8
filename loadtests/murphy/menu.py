"""The whole menu: every fault of a link, a process, the load and the inside, each as it is played."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from loadtests.faults import MENU, Fault
from loadtests.inside.machine import stutter
from loadtests.murphy.house import MODEL_URLS, House
from loadtests.murphy.inside import INSIDE
from loadtests.murphy.trial import PHOTOS, RETAIL, Applied, Expected, Trial

# One item has no neighbour, and neither has one request; a score may be negative or large, and an answer that comes in
# time is an answer.
MAY_PASS = frozenset(
    {
        "crossed",
        "shuffled_ids",
        "duplicated_ids",
        "negative",
        "huge_numbers",
        "flapping",
        "saturated",
        "strings_for_numbers",
    }
)
BUSY_ENOUGH = {"crossed": (RETAIL,)}  # two searches are seldom under way at the same time
SILENT = frozenset({"refused", "hang"})  # not one answer of a model gets through
SHORTLY_S, GOES_ON_S = 1.5, 1.0  # less than the 2 s after which a missing answer is given up


def _link(fault: Fault) -> Trial:
    services = BUSY_ENOUGH.get(fault.name, (RETAIL, PHOTOS))

    @asynccontextmanager
    async def applied(house: House) -> AsyncIterator[None]:
        await house.link(fault.name, services)
        try:
            yield
        finally:
            await house.link(None, services)

    expects: Expected = "any" if fault.name in MAY_PASS else "dead" if fault.name in SILENT else "degraded"
    return Trial(
        name=fault.name, sentence=fault.sentence, level="link", applied=applied, services=services, expects=expects
    )


def _elsewhere(address: str) -> Applied:
    """The APIs look for their models at an address that leads nowhere."""

    @asynccontextmanager
    async def applied(house: House) -> AsyncIterator[None]:
        try:
            await asyncio.gather(
                *(
                    house.restart(service.api, environment={MODEL_URLS[name]: address}, wholly=False)
                    for name, service in house.services.items()
                )
            )
            yield
        finally:
            await house.restart(*house.apis)

    return applied


@asynccontextmanager
async def _full_queue(house: House) -> AsyncIterator[None]:
    """Who listens for one connection and never accepts it leaves everybody else waiting for theirs."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listening:
        port = listening.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            async with _elsewhere(f"http://127.0.0.1:{port}")(house):
                yield


@asynccontextmanager
async def _frozen(house: House) -> AsyncIterator[None]:
    for model in house.models:
        house.fleet.freeze(model.name)
    try:
        yield
    finally:
        for model in house.models:
            house.fleet.thaw(model.name)


@asynccontextmanager
async def _killed(house: House) -> AsyncIterator[None]:
    await house.link("refused")  # as the kernel does for a port that nobody has any more
    try:
        await house.kill(*house.models)
        yield
    finally:
        await house.start(*house.models)
        await house.link(None)


@asynccontextmanager
async def _stuttering(house: House) -> AsyncIterator[None]:
    async with stutter(house, house.models, stopped_s=0.4, free_s=0.4):
        yield


@asynccontextmanager
async def _apis_killed(house: House) -> AsyncIterator[None]:
    await house.restart(*house.apis)
    yield


@asynccontextmanager
async def _apis_told_to_stop(house: House) -> AsyncIterator[None]:
    with house.away(house.apis):
        await asyncio.to_thread(house.fleet.stop, *(api.name for api in house.apis))
        await house.start(*house.apis)
    yield


@asynccontextmanager
async def _apis_frozen_shortly(house: House) -> AsyncIterator[None]:
    async with stutter(house, house.apis, stopped_s=SHORTLY_S, free_s=GOES_ON_S):
        await asyncio.sleep(SHORTLY_S + GOES_ON_S / 2)
    yield


def _only(name: str, fault: str, sentence: str) -> Trial:
    """The fault at one service alone: the other must not notice."""

    @asynccontextmanager
    async def applied(house: House) -> AsyncIterator[None]:
        await house.link(fault, (name,))
        try:
            yield
        finally:
            await house.link(None, (name,))

    return Trial(
        name=f"only_{name}", sentence=sentence, level="link", applied=applied, services=(name,), expects="degraded"
    )


@asynccontextmanager
async def _rush(house: House) -> AsyncIterator[None]:
    async with house.rush(house.rush_times):
        yield


LINK: tuple[Trial, ...] = (
    *(_link(fault) for fault in MENU if fault.kind != "process"),
    _only(RETAIL, "hang", "Supermegaretail's model never answers; PhotoStock is not to notice."),
    _only(PHOTOS, "hang", "PhotoStock's reranker never answers; Supermegaretail is not to notice."),
    Trial(
        name="no_route",
        sentence="No route leads to the model's address (multicast: TCP refuses it, and nothing leaves the machine).",
        level="link",
        applied=_elsewhere("http://224.0.0.1:8002"),
        expects="dead",
    ),
    Trial(
        name="no_connection",
        sentence="The model's port has a full queue: connecting takes for ever.",
        level="link",
        applied=_full_queue,
        expects="dead",
    ),
    Trial(
        name="dns_failure",
        sentence="The model's name can't be resolved.",
        level="link",
        applied=_elsewhere("http://no-such-host.invalid:8002"),
        expects="dead",
    ),
)

_SENTENCES = {fault.name: fault.sentence for fault in MENU}

PROCESS: tuple[Trial, ...] = (
    Trial(name="frozen", sentence=_SENTENCES["frozen"], level="process", applied=_frozen, expects="dead"),
    Trial(name="killed", sentence=_SENTENCES["killed"], level="process", applied=_killed, expects="dead"),
    Trial(
        name="stutter",
        sentence="The model processes are stopped for 0.4 s, go on for 0.4 s, and so on.",
        level="process",
        applied=_stuttering,
        shows=("client_calls_total", "fallback_refused_total"),
    ),
    Trial(
        name="api_killed",
        sentence="Both APIs are killed (SIGKILL) amid writes and start again.",
        level="process",
        applied=_apis_killed,
    ),
    Trial(
        name="api_sigterm",
        sentence="Both APIs are told to stop (SIGTERM) under load and start again.",
        level="process",
        applied=_apis_told_to_stop,
        drains=True,
    ),
    Trial(
        name="api_frozen_shortly",
        sentence=f"Both APIs stand still (SIGSTOP) for {SHORTLY_S} s, once, and go on with what has come meanwhile.",
        level="process",
        applied=_apis_frozen_shortly,
        refuses=frozenset({429}),
        refuses_writes=frozenset({503}),
        shows=("event_loop_late_seconds_total",),
        may_be_late=True,
    ),
)


@asynccontextmanager
async def _nothing(_: House) -> AsyncIterator[None]:
    yield


NOTHING = Trial(
    name="nothing",
    sentence="Nothing is wrong. What breaks here is the machine's or the load's doing, and no fault's.",
    level="load",
    applied=_nothing,
    expects="full",
)

LOAD: tuple[Trial, ...] = (
    Trial(
        name="rush",
        sentence=f"{House.rush_times:.0f} times the usual load, from one moment to the next.",
        level="load",
        applied=_rush,
        refuses=frozenset({429}),
        refuses_writes=frozenset({503}),  # one that was begun in time, and may be stored or not
    ),
)

TRIALS: tuple[Trial, ...] = (NOTHING, *LINK, *PROCESS, *LOAD, *INSIDE)

# One of each family, for a gate that can't take an hour; the others are for the night.
SELECTION = frozenset(
    {
        "refused",
        "hang",
        "drip_body",
        "reset_mid_body",
        "informational_flood",
        "http_503",
        "previous_answer",
        "gzip_bomb",
        "long_json",
        "truncated_json",
        "too_few_items",
        "foreign_ids",
        "nan",
        "other_version",
        "late",
        "flapping",
        "saturated",
        "only_photostock",
        "redirect_loop",
        "no_route",
        "frozen",
        "killed",
        "api_killed",
        "rush",
        "artifact_corrupt",
        "database_locked",
        "disk_full",
        "clock_ahead",
        "loop_blocked",
        "shadow_hangs",
        "log_blocked",
    }
)


def chosen(only: Sequence[str] = (), skip: Sequence[str] = (), *, short: bool = False) -> list[Trial]:
    """Trials by name or level, after one without a fault; `ValueError` for an unknown name. `short`: one per family."""
    known = {trial.name for trial in TRIALS} | {trial.level for trial in TRIALS}
    if strange := sorted({*only, *skip} - known):
        raise ValueError(f"not on the menu: {', '.join(strange)}; `python -m loadtests murphy --list` tells what is")
    wanted = {NOTHING.name, *(only or (SELECTION if short else known))}
    return [
        trial
        for trial in TRIALS
        if not {trial.name, trial.level}.isdisjoint(wanted) and {trial.name, trial.level}.isdisjoint(skip)
    ]
