"""How a service gets all of this: who calls is counted, and what comes to its end is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine

from common.chain.switches import Clock, utc_now
from common.lifecycle.ending_store import EndingStore
from common.lifecycle.endings import Ending, EndOfLife
from common.lifecycle.usage import Usage
from common.lifecycle.usage_store import UsageStore
from common.service.app import Part, Service


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """The two parts, made and hung on a service; the application starts, refreshes and closes them."""

    usage: Usage
    end_of_life: EndOfLife


def lifecycle_of(
    service: Service, state: Engine, name: str, register: Sequence[Ending], *, clock: Clock = utc_now
) -> Lifecycle:
    """For the service that the state database knows under `name`; call it before `service.app`."""
    usage = Usage(UsageStore(state, name), clock=clock)
    end_of_life = EndOfLife(register, EndingStore(state, name), registry=service.registry, clock=clock)
    service.usage, service.end_of_life = usage, end_of_life
    service.parts += [Part("callers", lambda: usage.trouble), Part("endings", lambda: end_of_life.trouble)]
    return Lifecycle(usage, end_of_life)
