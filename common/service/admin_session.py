"""Sign-in for operators who come with a browser: the admin token once, then a signed cookie that ends by itself."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable

SESSION_S = 8 * 3600
MAX_ENDED = 1_000  # signed out before their end; forgotten with the oldest
MAX_ADDRESSES = 1_000
TRIES, TRIES_OF_ALL, WITHIN_S = 10, 100, 60.0


class AdminSessions:
    """Makes cookie values and checks them; nothing is stored but those that were signed out.

    The key comes from `admin_token`, so that replicas with one token share their sessions and another token ends all.
    Where only the token's hash is known, it is random: to sign with the hash would make the hash as good as the token.
    """

    def __init__(self, admin_token: str | None, *, clock: Callable[[], float] = time.time) -> None:
        secret = admin_token.encode() if admin_token else secrets.token_bytes(32)
        self._key = hmac.digest(secret, b"admin session", hashlib.sha256)
        self._clock = clock
        self._ended: OrderedDict[str, None] = OrderedDict()

    def begin(self, name: str, stamp: str) -> str:
        """The value of a new cookie for an operator's name and token, neither with a dot."""
        told = f"{int(self._clock()) + SESSION_S}.{name}.{stamp}.{secrets.token_hex(16)}"
        return f"{told}.{self._signature(told)}"

    def whose(self, cookie: str | None) -> tuple[str, str] | None:
        """Name and stamp, if we signed it, its time has not come, and nobody signed it out."""
        told, _, signature = (cookie or "").rpartition(".")
        if not hmac.compare_digest(self._signature(told).encode(), signature.encode(errors="replace")):
            return None
        ends_s, name, stamp, _ = told.split(".")
        return (name, stamp) if int(ends_s) > self._clock() and told not in self._ended else None

    def end(self, cookie: str | None) -> None:
        """Signs out, in this process at once; the browser forgets the cookie, too."""
        if cookie is not None and self.whose(cookie) is not None:
            self._ended[cookie.rpartition(".")[0]] = None
            while len(self._ended) > MAX_ENDED:
                self._ended.popitem(last=False)

    def _signature(self, told: str) -> str:
        return hmac.new(self._key, told.encode(errors="replace"), hashlib.sha256).hexdigest()


class FailedTries:
    """Counts wrong tokens per minute: per address, and of all together for those who change theirs.

    It is for wrong ones to wait: a right token is never turned away, or strangers could lock everybody out.
    """

    def __init__(
        self,
        *,
        tries: int = TRIES,
        of_all: int | None = TRIES_OF_ALL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tries, self._most_of_all = tries, of_all
        self._clock = clock
        self._began_s = clock()
        self._of_all = 0
        self._counts: OrderedDict[str, int] = OrderedDict()

    def wait_s(self, address: str) -> int:
        """Seconds until a wrong token of this address is looked at again, 0 if now."""
        left_s = self._began_s + WITHIN_S - self._clock()
        if left_s <= 0:
            self._began_s, self._of_all = self._clock(), 0
            self._counts.clear()
        all_together = self._most_of_all is not None and self._of_all >= self._most_of_all
        too_many = all_together or self._counts.get(address, 0) >= self._tries
        return max(1, round(left_s)) if too_many and left_s > 0 else 0

    def note(self, address: str) -> None:
        """A wrong token came from there."""
        self._of_all += 1
        self._counts[address] = self._counts.pop(address, 0) + 1
        while len(self._counts) > MAX_ADDRESSES:
            self._counts.popitem(last=False)
