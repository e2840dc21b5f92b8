"""What searches of late came to, kept for who searches for the same again.

Only what can't fail is kept: the words as they were read, the photos that the encoder's index found, and the answer's
text. Everything that may have changed since is asked anew by every request: switches, demotions, the reranker.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TypeAlias

from photostock.contract import SearchFields
from photostock.finding import Found, Wanted
from photostock.hints.spelling import Speller
from photostock.index.semantic import Semantic
from photostock.library import Library

MOST_BYTES = 64 * 2**20
ENTRY_BYTES = 4_096  # about: the search as it was sent and as it was read, the answer without its results
RESULT_BYTES = 256  # of a result beside its text

Epoch: TypeAlias = tuple[object, ...]  # all that shapes what is kept: equal as long as none of it has changed


@dataclass(slots=True)
class _Entry:
    wanted: Wanted
    found: Found
    told: object = None  # what the answer says beside its results
    answer: object = None
    text_bytes: int = 0  # of the answer

    @property
    def size_bytes(self) -> int:
        found = self.found
        arrays = (self.wanted.allowed, found.rows, found.scores, found.nearness, found.retrieval)
        fixed = ENTRY_BYTES + self.wanted.fields.per_page * RESULT_BYTES
        return fixed + self.text_bytes + sum(array.nbytes for array in arrays if array is not None)


def epoch_of(library: Library, serving: Semantic | None, speller: Speller | None, *versions: object) -> Epoch:
    """All that shapes what the index finds for a search; `versions` are those of what is replaced as a whole."""
    revision = 0 if serving is None else serving.vectors.revision
    words = None if speller is None else speller.dictionary()
    return library, library.generation, library.banned(), serving, revision, speller, words, *versions


class KeptSearches:
    """For the event loop. Of one epoch at a time: the first search of another one forgets all; the oldest go first."""

    def __init__(self, *, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._epoch: Epoch = ()
        self._entries: OrderedDict[SearchFields, _Entry] = OrderedDict()

    def wanted(self, epoch: Epoch, fields: SearchFields) -> Wanted | None:
        """What this search looks for, if its photos are kept."""
        if epoch != self._epoch:
            self._bytes = 0
            self._entries.clear()
        self._epoch = epoch  # also an equal one: its parts are the newest ones, and quicker to compare
        entry = self._entries.get(fields)
        if entry is None:
            return None
        self._entries.move_to_end(fields)
        return entry.wanted

    def found(self, wanted: Wanted) -> Found | None:
        """The photos that the index found for it."""
        entry = self._entry(wanted)
        return None if entry is None else entry.found

    def keep(self, epoch: Epoch, wanted: Wanted, found: Found) -> None:
        """Keeps it, if nothing has changed since the search began, and nothing in it ends by itself."""
        passing = wanted.like is not None or wanted.decisions or wanted.fields.explain
        if epoch != self._epoch or passing or wanted.fields in self._entries:
            return
        entry = self._entries[wanted.fields] = _Entry(wanted, found)
        self._bytes += entry.size_bytes
        self._make_room()

    def answer(self, wanted: Wanted, found: Found, told: object) -> object:
        """The answer that was made of these very photos and tells the same beside; None if there is none."""
        entry = self._entry(wanted)
        return entry.answer if entry is not None and entry.found is found and entry.told == told else None

    def keep_answer(self, wanted: Wanted, found: Found, told: object, answer: object) -> None:
        """Keeps the newest answer of a search whose photos are kept."""
        entry = self._entry(wanted)
        if entry is not None and entry.found is found:
            self._bytes -= entry.text_bytes
            entry.told, entry.answer, entry.text_bytes = told, answer, 0

    def weigh(self, wanted: Wanted, answer: object, text_bytes: int) -> None:
        """Told when the text of an answer is made, which is most of what an entry takes."""
        entry = self._entry(wanted)
        if entry is not None and entry.answer is answer:
            self._bytes += text_bytes - entry.text_bytes
            entry.text_bytes = text_bytes
            self._make_room()

    def _make_room(self) -> None:
        while self._bytes > self._most_bytes:
            _, oldest = self._entries.popitem(last=False)
            self._bytes -= oldest.size_bytes

    def _entry(self, wanted: Wanted) -> _Entry | None:
        entry = None if wanted.like is not None else self._entries.get(wanted.fields)
        return entry if entry is not None and entry.wanted is wanted else None
