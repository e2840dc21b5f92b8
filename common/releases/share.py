"""Who meets the challenger: a stable share of the traffic, the same callers and items every time."""

from __future__ import annotations

import hashlib

BUCKETS = 2**32


def place_of(salt: str, caller: str, item: str) -> float:
    """A number from 0 to 1 that depends on nothing but its arguments; below the share, the challenger answers.

    Args:
        salt: of one rollout, so that the next one does not try its luck on the same people.
    """
    parts = (salt, caller, item)
    digest = hashlib.blake2b(
        b"".join(len(part).to_bytes(4, "big") + part.encode(errors="surrogatepass") for part in map(str, parts)),
        digest_size=4,
    ).digest()
    return int.from_bytes(digest, "big") / BUCKETS
