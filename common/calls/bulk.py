"""Thousands of items under one deadline: split into requests of bounded size, a few side by side, an answer for each.

Fifteen calls of two seconds, one after the other and each within its five-second timeout, are thirty seconds and
fifteen points of failure. Here there is one deadline, and a request that fails takes only its own items down.

scores = Bulk(client.endpoint("/v1/scores", answer=Scores, default=NO_SCORES),
              ask=lambda texts: ScoreRequest(items=[Text(id=key, text=text) for key, text in texts.items()]),
              take=lambda answer: [(score.id, score.value) for score in answer.scores], default=0.0, max_items=100)
outcomes = await scores.call_many({"a": "a good film", "b": "…"}, deadline=deadline)    # {"a": Outcome(…), …}
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

import structlog
from pydantic import BaseModel

from common.calls.answers import Check
from common.calls.arguments import require_deadline
from common.calls.client import Endpoint
from common.context import current_request_id
from common.deadline import Deadline
from common.outcome import Outcome, Reason

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")
Value = TypeVar("Value")
Answer = TypeVar("Answer", bound=BaseModel)

log = structlog.get_logger(__name__)
PATIENCE = 4  # one request may take so many times its fair share of the time: slow is not hung


@dataclass(frozen=True, kw_only=True)  # slots and generics of Python 3.11 do not go together
class Bulk(Generic[Key, Item, Answer, Value]):
    """An endpoint that takes many items, and how to talk to it about them.

    Args:
        ask: makes one request out of some items.
        take: the keys and values in an answer. A key that was not asked for, or twice, spoils the whole answer: whoever
            mixes up items can't be believed about any.
        default: for an item without an answer; decided now, like that of the endpoint.
        max_items: in one request. What is parsed at once holds up the event loop, so this bounds it.
        side_by_side: requests at a time.
        in_order: whether the service answers in the order asked, so that another order means that it mixed up items.
        check_answer: looks at the meaning of a whole answer and names what is wrong with it, if anything.
        check: the same for one value.
    """

    endpoint: Endpoint[Answer]
    ask: Callable[[Mapping[Key, Item]], BaseModel]
    take: Callable[[Answer], Iterable[tuple[Key, Value]]]
    default: Value
    max_items: int = 100
    side_by_side: int = 4
    in_order: bool = False
    check_answer: Check[Answer] = lambda _answer: None
    check: Callable[[Key, Value], Reason | None] = lambda _key, _value: None

    def __post_init__(self) -> None:
        if self.max_items < 1 or self.side_by_side < 1:
            raise ValueError("max_items and side_by_side: at least 1")

    async def call_many(
        self, items: Mapping[Key, Item], *, deadline: Deadline | None = None
    ) -> dict[Key, Outcome[Value]]:
        """An outcome for every key, in the order of `items`, within one deadline: the caller's, else the client's."""
        require_deadline(deadline)
        deadline = deadline or Deadline.after_ms(self.endpoint.timeout_ms)
        pieces = list(_pieces(items, self.max_items))
        queue, found = iter(enumerate(pieces)), dict[Key, Outcome[Value]]()

        if pieces and self.endpoint.upstream.breaker.state != "closed":  # the first one finds out for the others
            _, first = next(queue)
            found.update(await self._call(first, _share(deadline, len(pieces), self.side_by_side)))

        async def work() -> None:
            for number, piece in queue:
                share = _share(deadline, len(pieces) - number, self.side_by_side)
                found.update(await self._call(piece, share))

        if len(pieces) == 1:  # the usual case needs no task of its own
            await work()
        else:
            await asyncio.gather(*(work() for _ in range(min(self.side_by_side, len(pieces)))))
        return {key: found[key] for key in items}

    async def _call(self, piece: Mapping[Key, Item], deadline: Deadline) -> dict[Key, Outcome[Value]]:
        """One request, and what came of it for each of its items."""
        try:
            request, values = self.ask(piece), dict[Key, Value]()
            whole = await self.endpoint.one(request, deadline=deadline, check=partial(self._mixed_up, piece, values))
            if whole.reason is not None:
                return dict.fromkeys(piece, whole.about(self.default, whole.reason))
            return {key: self._outcome(whole, key, values) for key in piece}
        except Exception as error:
            with suppress(Exception):
                log.error("bulk.bug", upstream=self.endpoint.upstream.name, exc_info=error)
            return dict.fromkeys(piece, Outcome(value=self.default, reason=Reason.BUG, request_id=current_request_id()))

    def _mixed_up(self, piece: Mapping[Key, Item], values: dict[Key, Value], answer: Answer) -> Reason | None:
        """Why the answer as a whole can't be believed; what it says is put into `values`."""
        if (problem := self.check_answer(answer)) is not None:
            return problem
        taken = list(self.take(answer))
        values.clear()  # of an attempt before
        values.update(taken)
        known = values.keys() <= piece.keys() and len(values) == len(taken)
        if known and self.in_order:
            known = list(values) == [key for key in piece if key in values]
        return None if known else Reason.MEANING

    def _outcome(self, whole: Outcome[Answer], key: Key, values: Mapping[Key, Value]) -> Outcome[Value]:
        reason = Reason.MEANING if key not in values else self.check(key, values[key])
        return whole.about(values[key] if reason is None else self.default, reason)


def _pieces(items: Mapping[Key, Item], max_items: int) -> Iterator[dict[Key, Item]]:
    keys = list(items)
    for start in range(0, len(keys), max_items):
        yield {key: items[key] for key in keys[start : start + max_items]}


def _share(deadline: Deadline, pieces_left: int, side_by_side: int) -> Deadline:
    """What one request may take, so that one that hangs does not use up the time of those behind it."""
    rounds_left = math.ceil(pieces_left / side_by_side)
    return deadline.at_most_ms(deadline.remaining_ms * PATIENCE / max(PATIENCE, rounds_left))
