"""What comes to its end: the register of a service's deprecated endpoints, and what their callers are told.

An entry of the register is a promise in code: until when the endpoint stays at least, and what to call instead. Nothing
happens by itself when that day comes. A person schedules brown-outs, and a person decommissions.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from prometheus_client import CollectorRegistry, Counter
from starlette.routing import compile_path

from common.chain.switches import Clock, utc_now
from common.lifecycle.ending_store import EndingStore, Standing
from common.service.problems import Problem
from common.state.snapshot import Snapshot

NAME = re.compile(r"[a-z0-9-]{1,64}")
IN_FORCE = Standing()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """A deprecated endpoint, or one version asked of an endpoint; raises `ValueError` for dates that make no sense.

    Args:
        since: when it was deprecated, with a time zone.
        sunset: until then it is answered for certain; what is later needs a person's decision.
        successor: the path to call instead.
        advice: what to do, in a sentence.
        version: if only calls that ask for this version are concerned: they are told and counted, never refused.
        artifacts: what it alone needs, as glob patterns beneath VAR_DIR; removed by `decommission`.
        data: references, `package.module:function`, to what forgets its data: `(sqlalchemy.Engine) -> int` rows.
    """

    name: str
    method: str
    path: str
    since: datetime
    sunset: datetime
    successor: str
    advice: str
    version: str = ""
    artifacts: tuple[str, ...] = ()
    data: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r}: a name is made of small letters, digits and hyphens")
        if self.since.tzinfo is None or self.sunset.tzinfo is None or self.sunset <= self.since:
            raise ValueError(f"{self.name}: the sunset must come after the deprecation, both with a time zone")
        if any(pattern.startswith("/") or ".." in pattern.split("/") for pattern in self.artifacts):
            raise ValueError(f"{self.name}: artifacts lie beneath VAR_DIR")

    @property
    def endpoint(self) -> str:
        return f"{self.method} {self.path}"

    def headers(self) -> dict[str, str]:
        """`Deprecation` (RFC 9745), `Sunset` (RFC 8594) and a link to the successor."""
        return {
            "Deprecation": f"@{int(self.since.timestamp())}",
            "Sunset": format_datetime(self.sunset.astimezone(UTC), usegmt=True),
            "Link": f'<{self.successor}>; rel="successor-version"',
        }


class EndOfLife:
    """The register of a service at work: tells callers, refuses them in brown-outs and after the end, counts both."""

    def __init__(
        self,
        register: Sequence[Ending],
        store: EndingStore,
        *,
        registry: CollectorRegistry,
        clock: Clock = utc_now,
    ) -> None:
        self.register = {ending.name: ending for ending in register}
        self.store = store
        self.clock = clock
        self._paths = [(ending, compile_path(ending.path)[0]) for ending in register]
        self._snapshot: Snapshot[dict[str, Standing]] = Snapshot("endings", self._read, first={})
        self._calls = Counter(
            "deprecated_calls_total", "Calls of old endpoints.", ("route", "caller"), registry=registry
        )

    @property
    def trouble(self) -> str | None:
        """Why a brown-out or an end that was decided elsewhere may not be seen here."""
        return self._snapshot.trouble

    def refresh(self) -> None:
        """Reads brown-outs and ends; for worker threads and for the start."""
        self._snapshot.refresh()

    def find(self, method: str, path: str, version: str = "") -> Ending | None:
        """The entry that concerns such a call."""
        for ending, pattern in self._paths:
            if ending.method == method and ending.version in ("", version) and pattern.match(path):
                return ending
        return None

    def standing(self, ending: Ending) -> Standing:
        return self._snapshot.value.get(ending.name, IN_FORCE)

    def note(self, ending: Ending, caller: str) -> None:
        """A call of it was made."""
        self._calls.labels(ending.path, caller).inc()

    def admit(self, ending: Ending) -> None:
        """Returns while it is answered; raises `Problem` 410 in a brown-out and after the end."""
        standing = self.standing(ending)
        if standing.ended and not ending.version:
            raise Problem(410, f"this endpoint has come to its end; {ending.advice}", headers=self.headers(ending))
        if not ending.version and (brownout := standing.brownout_at(self.clock())) is not None:
            left_s = max(1, round((brownout.ends_at - self.clock()).total_seconds()))
            raise Problem(
                410,
                f"a rehearsal of the end of this endpoint, until {_iso(brownout.ends_at)}; {ending.advice}",
                headers={**self.headers(ending), "Retry-After": str(left_s)},
            )

    def headers(self, ending: Ending) -> dict[str, str]:
        """What every answer of it says, brown-outs to come included."""
        now = self.clock()
        coming = [one for one in self.standing(ending).brownouts if one.ends_at > now]
        told = ", ".join(f"{_iso(one.begins_at)}/{_iso(one.ends_at)}" for one in coming)
        return {**ending.headers(), **({"X-Brownout": told} if told else {})}

    def as_json(self, ending: Ending) -> dict[str, Any]:
        standing = self.standing(ending)
        return {
            "name": ending.name,
            "endpoint": ending.endpoint,
            "version": ending.version,
            "since": _iso(ending.since),
            "sunset": _iso(ending.sunset),
            "successor": ending.successor,
            "advice": ending.advice,
            "stage": standing.stage,
            "brownouts": [brownout.as_json() for brownout in standing.brownouts],
        }

    def _read(self) -> dict[str, Standing]:
        return self.store.standings(now=self.clock())


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
