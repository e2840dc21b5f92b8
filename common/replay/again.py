"""An answer made again: the same bytes, or side by side with what it would have been, had something been different."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, zip_longest
from typing import Any, Protocol

from sqlalchemy.exc import SQLAlchemyError

from common.deadline import Deadline
from common.errors import PoolFull
from common.replay.log import ReplayLog
from common.replay.store import Record, digest_of
from common.service.problems import Problem
from common.versions.registry import Registry, RegistryError
from common.workers import WorkerPool

MOST_DIFFERENCES = 200  # that are told
BUDGET_MS = 30_000
MISSING: Any = object()  # where one document has nothing at all


class Gone(Exception):
    """What an answer was made of is not there any more; the text says what."""


class NoChange(ValueError):
    """A change that means nothing here; the text says why."""


@dataclass(frozen=True, slots=True)
class Made:
    """An answer's body, and the versions it was made with."""

    body: bytes
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to be different: versions by component, ids that are left out by kind, tiers that are left alone."""

    versions: Mapping[str, str] = field(default_factory=dict)
    without: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tiers: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.versions or self.without or self.tiers)

    @classmethod
    def of(cls, with_: Sequence[str], without: Sequence[str], *, default: str) -> Changes:
        """`version=1.2.0` or `core=1.2.0`, and `override=ID`, `hint=ID` or the name of a tier; `NoChange`."""
        versions, ids, tiers = dict[str, str](), dict[str, tuple[str, ...]](), set[str]()
        for text in with_:
            name, equals, value = text.partition("=")
            if not (name and equals and value):
                raise NoChange(f"with: expected version=… or COMPONENT=…, not {text[:64]!r}")
            versions[default if name == "version" else name] = value
        for text in without:
            name, equals, value = text.partition("=")
            if not equals:
                tiers.add(name)
            else:
                ids[name] = (*ids.get(name, ()), value)
        return cls(versions, ids, frozenset(tiers))

    def only(self, *, versions: Sequence[str], kinds: Sequence[str], tiers: Sequence[str]) -> None:
        """Raises `NoChange` for anything else."""
        for asked, known in ((self.versions, versions), (self.without, kinds), (self.tiers, tiers)):
            if unknown := sorted(set(asked) - set(known)):
                raise NoChange(f"{unknown[0][:64]!r} can't be changed here: {', '.join(known)} can")

    def of_this(self, **parts: Collection[str]) -> None:
        """Raises `NoChange` where something is left out that had no part in the answer; `parts` are ids by kind."""
        for kind, ids in self.without.items():
            if unknown := sorted(set(ids) - set(parts[kind])):
                raise NoChange(f"{kind} {unknown[0][:64]!r} had no part in this answer")

    def resolved(self, registry: Registry) -> Changes:
        """With a version's number in place of an alias; `NoChange` for a version that is not there. Reads the disk."""
        try:
            return replace(self, versions={part: registry.resolve(part, name) for part, name in self.versions.items()})
        except RegistryError as error:
            raise NoChange(str(error)) from error


class Replays(Protocol):
    """What a service does to make its answers again."""

    async def again(self, record: Record, changes: Changes, deadline: Deadline) -> Made: ...

    async def now(self, record: Record, caller: str, deadline: Deadline) -> Made: ...


@dataclass(frozen=True, slots=True)
class Replayer:
    """The answers of one service. `component` is whose version `version=…` means."""

    service: str
    component: str
    log: ReplayLog
    replays: Replays
    pool: WorkerPool

    async def replay(
        self,
        request_id: str,
        *,
        with_: Sequence[str] = (),
        without: Sequence[str] = (),
        as_: str | None = None,
        shown: Callable[[dict[str, Any]], dict[str, Any]] = lambda document: document,
    ) -> dict[str, Any]:
        """As JSON; `Problem` 404 for an unknown id, 410 where it can't be made again, 422 for an impossible change.

        `shown` makes something else of it, on the pool and in the same time: an answer may be large.
        """
        deadline = Deadline.after_ms(BUDGET_MS)
        try:
            changes = Changes.of(with_, without, default=self.component)
            record = await self.pool.run(self.log.find, request_id, deadline=deadline)
            if record is None:
                detail = f"no answer is kept under request id {request_id[:128]!r}, or it is too long ago"
                raise Problem(404, detail)
            same, others = await self.replays.again(record, Changes(), deadline), dict[str, Made]()
            if changes:
                others["changed"] = await self.replays.again(record, changes, deadline)
            if as_ is not None:
                others["as_caller"] = await self.replays.now(record, as_, deadline)
            return await self.pool.run(lambda: shown(_document(self.service, record, same, others)), deadline=deadline)
        except Gone as gone:
            raise Problem(410, f"this answer can't be made again: {gone}") from gone
        except NoChange as error:
            raise Problem(422, str(error)) from error
        except (PoolFull, TimeoutError, OSError, sqlite3.Error, SQLAlchemyError) as error:
            raise Problem(503, "it can't be made again just now", headers={"Retry-After": "1"}) from error


def in_words(document: Mapping[str, Any]) -> str:
    """A replay for a terminal."""
    verdict = "the same bytes" if document["same_bytes"] else "NOT the same bytes"
    lines = [
        f"{document['request_id']}, {document['endpoint']} of {document['service']}, made at {document['made_at']} "
        f"for {document['caller'] or 'somebody'}: {verdict} ({document['bytes']['now']})"
    ]
    for part, both in document["versions"].items():
        if both["then"] != both["now"]:
            lines.append(f"  {part}: {both['then']} → {both['now']}")
    for name in ("changed", "as_caller"):
        if name in document:
            told, in_all = document[name]["differences"], document[name]["in_all"]
            few = f", the first {len(told)}:" if len(told) < in_all else ""
            lines.append(f"{name.replace('_', ' ')}: {in_all} differences{few}")
            lines += [f"  {one['where']}: {_in_words(one, 'then')} → {_in_words(one, 'now')}" for one in told]
    return "\n".join(lines)


def _in_words(one: Mapping[str, Any], side: str) -> str:
    return json.dumps(one[side]) if one.get("only", side) == side else "nothing"


def _document(service: str, record: Record, made: Made, others: Mapping[str, Made]) -> dict[str, Any]:
    then, answer = record.told.get("versions", {}), json.loads(made.body)
    parts = sorted({*then, *made.versions})
    return {
        "request_id": record.request_id,
        "service": service,
        "endpoint": record.endpoint,
        "made_at": record.at,
        "caller": record.caller,
        "same_bytes": digest_of(made.body) == record.digest,
        "bytes": {"then": record.length, "now": len(made.body)},
        "digest": {"then": record.digest.hex(), "now": digest_of(made.body).hex()},
        "versions": {part: {"then": then.get(part), "now": made.versions.get(part)} for part in parts},
        "answer": answer,
        **{name: _side_by_side(answer, json.loads(other.body)) for name, other in others.items()},
    }


def _side_by_side(one: Any, other: Any) -> dict[str, Any]:
    found = _compared(one, other, "")
    told = list(islice(found, MOST_DIFFERENCES))
    return {"answer": other, "differences": told, "in_all": len(told) + sum(1 for _ in found)}


def differences(then: Any, now: Any) -> list[dict[str, Any]]:
    """Where two JSON documents differ, and what stands there in each; `only` says which one has that place at all."""
    return list(_compared(then, now, ""))


def _compared(then: Any, now: Any, where: str) -> Iterator[dict[str, Any]]:
    if isinstance(then, dict) and isinstance(now, dict):
        for name in dict.fromkeys([*then, *now]):
            yield from _compared(then.get(name, MISSING), now.get(name, MISSING), f"{where}.{name}".lstrip("."))
    elif isinstance(then, list) and isinstance(now, list):
        for place, (ours, theirs) in enumerate(zip_longest(then, now, fillvalue=MISSING)):
            yield from _compared(ours, theirs, f"{where}.{place}".lstrip("."))
    elif then is MISSING:
        yield {"where": where, "then": None, "now": now, "only": "now"}
    elif now is MISSING:
        yield {"where": where, "then": then, "now": None, "only": "then"}
    elif type(then) is not type(now) or then != now:
        yield {"where": where, "then": then, "now": now}
