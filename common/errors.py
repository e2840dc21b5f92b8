"""What can go wrong between a caller and its answer.

    CallFailed       an attempt to call an upstream brought no usable answer
    BreakerOpen      the upstream was not asked
    PoolFull         our own workers are busy
    TierFailed       a tier of a fallback chain can't answer for any item
    NobodyAnswered   the last tier failed, too

Of these `NobodyAnswered` alone reaches the code of a route; a `PoolFull` of a heavy request ends in the gateway.
"""

from __future__ import annotations

from common.outcome import Reason


class CallFailed(Exception):
    """An attempt that brought no usable answer.

    Args:
        detail: for the log; never a value that the upstream sent, which may be somebody's.
        our_fault: the upstream is well, and refused what we sent or was not even asked.
        transient: another attempt may well succeed.
    """

    def __init__(self, reason: Reason, detail: str = "", *, our_fault: bool = False, transient: bool = False) -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail
        self.our_fault = our_fault
        self.transient = transient

    @property
    def expired(self) -> bool:
        """Whether it is time that ran out."""
        return self.reason is Reason.TIMEOUT


class BreakerOpen(Exception):
    """The call must not be made now."""


class PoolFull(Exception):
    """As many pieces of work as the pool takes are running or waiting already."""


class TierFailed(Exception):
    """A tier can't answer for any item; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NobodyAnswered(Exception):
    """Even the last tier refused an item: the one case in which a caller gets an explicit error."""
