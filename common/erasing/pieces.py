"""Many pieces of pictures looked for in many bytes at once: a pattern of a thousand of them would take hours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

KEY_BYTES = 4  # a piece is looked for by its first ones
TABLE_BITS = 20
MIXER = np.uint32(2_654_435_761)  # Knuth's multiplicative hashing: its upper bits depend on all bytes of a key


class PieceFinder:
    """Tells whether any of the pieces is in a text; shorter ones than a key are left out, they could be anybody's."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._known = frozenset(piece for piece in pieces if len(piece) >= KEY_BYTES)
        self._lengths = sorted({len(piece) for piece in self._known})
        self._begins = np.zeros(2**TABLE_BITS, dtype=np.bool_)
        self._begins[_places(b"".join(piece[:KEY_BYTES] for piece in self._known))] = True

    def is_in(self, text: bytes) -> bool:
        """Whether one of them is in there."""
        if not self._known:
            return False
        for shift in range(KEY_BYTES):
            maybe = np.flatnonzero(self._begins[_places(text[shift:])]) * KEY_BYTES + shift
            if any(text[at : at + length] in self._known for at in maybe.tolist() for length in self._lengths):
                return True
        return False


def _places(text: bytes) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    """Of every fourth position's key, where it stands in the table."""
    keys = np.frombuffer(text, dtype="<u4", count=len(text) // KEY_BYTES)
    return keys * MIXER >> np.uint32(32 - TABLE_BITS)
