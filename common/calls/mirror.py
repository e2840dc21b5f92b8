"""What the safe client knows of shadow mode: something to which it may offer a copy of what it did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from pydantic import BaseModel

from common.outcome import Outcome

if TYPE_CHECKING:
    from common.calls.upstream import Upstream

Answer = TypeVar("Answer", bound=BaseModel)


@dataclass(frozen=True)  # slots and generics of Python 3.11 do not go together
class Pair(Generic[Answer]):
    """A call that was made, and what came of it: one half of a comparison."""

    path: str
    payload: BaseModel
    content: bytes  # the payload as the JSON that was sent
    primary: Outcome[Answer]


class Share:
    """Every so manieth, spread evenly by counting: 0.25 means each fourth."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._due = 0.0

    def next(self) -> bool:
        """Whether it is this one's turn."""
        self._due += self._share
        if self._due < 1:
            return False
        self._due -= 1
        return True


class Mirror(Protocol[Answer]):
    """Takes copies of calls. It never raises and never waits: it drops what it can't take."""

    def offer(self, pair: Pair[Answer], primary: Upstream) -> None:
        """Takes the pair or drops it; a copy that is sent is paid for with `primary.spend_extra("shadow")`."""
