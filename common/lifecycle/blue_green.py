"""Two whole sets of model processes, blue and green: one answers, the other is kept warm, a switch takes a second.

The switch is durable and is seen by every replica. A request that is under way ends at the set where it began.
"""

from __future__ import annotations

import json
import math
import time
import urllib.error
import urllib.request
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC
from threading import Lock
from typing import Literal, TypeAlias

import httpx
import structlog
from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, Text, insert, select

from common.calls.carrier import AiohttpCarrier, Carrier
from common.calls.resolver import OwnThreadResolver
from common.chain.switches import Clock, utc_now
from common.context import REQUEST_ID_HEADER
from common.state.database import create_tables
from common.state.snapshot import Snapshot

Colour: TypeAlias = Literal["blue", "green"]
FIRST: Colour = "blue"
PROBE_TIMEOUT_S = 2.0
MAX_UNDER_WAY, UNDER_WAY_S = 1_000, 30.0  # requests whose set is remembered, and for how long
MAX_SHOWN = 50  # switches of the past

metadata = MetaData()
switches = Table(
    "blue_green",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("service", String(64), nullable=False, index=True),
    Column("colour", String(8), nullable=False),
    Column("who", String(200), nullable=False),
    Column("why", Text, nullable=False),
    Column("at", String(40), nullable=False),
)
log = structlog.get_logger(__name__)


class SetUnwell(Exception):
    """The other set can't take over; the message says why."""


@dataclass(frozen=True, slots=True)
class SetSwitch:
    """Who let which set answer, when (UTC, ISO 8601) and why."""

    colour: str
    who: str
    why: str
    at: str

    def as_json(self) -> dict[str, str]:
        return asdict(self)


class BlueGreen:
    """Which of two sets answers one service. With one address only, there is nothing to switch.

    Args:
        blue, green: addresses such as "http://127.0.0.1:8002"; `green` is None where there is no second set.
        probe: why a set at an address is unwell, None if it is well; asks `/ready` by default.
    """

    def __init__(
        self,
        state: Engine,
        service: str,
        *,
        blue: str,
        green: str | None,
        clock: Clock = utc_now,
        probe: Callable[[str], str | None] | None = None,
    ) -> None:
        create_tables(state, metadata)
        self.addresses: dict[str, str] = {"blue": blue.rstrip("/")}
        if green is not None:
            self.addresses["green"] = green.rstrip("/")
        self._state, self._service, self._clock = state, service, clock
        self._probe = probe or unwell
        self._snapshot: Snapshot[str] = Snapshot("blue-green", self._read, first=FIRST)
        self._begun: OrderedDict[str, tuple[str, float]] = OrderedDict()  # request id -> where it began, and when
        self._beginning = Lock()

    @property
    def live(self) -> str:
        """The set that answers; blue where the other one is not set up."""
        return self._snapshot.value if self._snapshot.value in self.addresses else FIRST

    @property
    def trouble(self) -> str | None:
        """Why a switch that was made elsewhere may not be seen here."""
        return self._snapshot.trouble

    def refresh(self) -> None:
        """Reads the switch; for worker threads and for the start."""
        self._snapshot.refresh()

    def require_well(self, colour: Colour, *, insist: bool = False) -> None:
        """Returns if that set may take over, else `SetUnwell`; `insist` forgives all but a missing address."""
        if colour not in self.addresses:
            raise SetUnwell(f"there is no {colour} set: its address is not configured")
        if not insist and (trouble := self._probe(self.addresses[colour])) is not None:
            raise SetUnwell(f"the {colour} set is unwell: {trouble}")

    def switch(self, colour: Colour, *, who: str, why: str) -> None:
        """Durable, and in force here, when it returns; call `require_well` before."""
        moment = self._clock().astimezone(UTC).isoformat(timespec="milliseconds")
        row = {"service": self._service, "colour": colour, "who": who, "why": why, "at": moment}
        with self._state.begin() as connection:
            connection.execute(insert(switches), row)
        self.refresh()
        log.warning("blue_green.switched", service=self._service, colour=colour, who=who, why=why)

    def sets(self) -> dict[str, dict[str, str | None]]:
        """Each set's address, and why it is unwell, if it is. It blocks, for seconds if a set does not answer."""
        return {name: {"address": at, "trouble": self._probe(at)} for name, at in self.addresses.items()}

    def past(self, most: int = MAX_SHOWN) -> list[SetSwitch]:
        """The last switches, the newest first."""
        query = select(switches.c.colour, switches.c.who, switches.c.why, switches.c.at)
        query = query.where(switches.c.service == self._service).order_by(switches.c.id.desc()).limit(most)
        with self._state.connect() as connection:
            return [SetSwitch(*row) for row in connection.execute(query).all()]

    @property
    def carrier(self) -> Carrier | None:
        """For `Upstream(..., carrier=)`: carries requests to the set that answers; None where there is only one."""
        return (lambda: SetCarrier(self, AiohttpCarrier(OwnThreadResolver()))) if "green" in self.addresses else None

    def address_of(self, request_id: str) -> str:
        """Where a request goes, in all of its pieces."""
        now_s = time.monotonic()
        with self._beginning:
            address, since_s = self._begun.get(request_id, ("", -math.inf))
            if now_s - since_s > UNDER_WAY_S:  # not seen yet, or a caller who gives all its requests one id
                address = self.addresses[self.live]
                self._begun.pop(request_id, None)
                self._begun[request_id] = (address, now_s)
                if len(self._begun) > MAX_UNDER_WAY:
                    self._begun.popitem(last=False)
        return address

    def _read(self) -> str:
        past = self.past(1)
        return past[0].colour if past else FIRST


class SetCarrier(httpx.AsyncBaseTransport):
    """Sends what was addressed to the blue set to the one that answers."""

    def __init__(self, sets: BlueGreen, carrier: httpx.AsyncBaseTransport) -> None:
        self._sets = sets
        self._carrier = carrier

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        address, blue = self._sets.address_of(request.headers.get(REQUEST_ID_HEADER, "")), self._sets.addresses[FIRST]
        if address != blue:
            request.url = httpx.URL(address + str(request.url).removeprefix(blue))
            request.headers["Host"] = request.url.netloc.decode()
        return await self._carrier.handle_async_request(request)

    async def aclose(self) -> None:
        await self._carrier.aclose()


def unwell(address: str) -> str | None:
    """Why the process at `address` is not ready; None if it is."""
    try:
        with urllib.request.urlopen(f"{address}/ready", timeout=PROBE_TIMEOUT_S) as response:  # noqa: S310  of our settings
            told = json.loads(response.read(65_536))
    except (urllib.error.URLError, OSError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return None if told.get("ready") is True else "it is not ready"
