"""The same photo in other people's words: where its texts are of one kind, any can be the title or a search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from photostock.catalogue import Photo

TURNS = 5  # views of photos whose texts are interchangeable
ALIKE = 0.8  # a search with so large a share of a title's words is a caption too


def interchangeable(photos: Sequence[Photo]) -> bool:
    """Whether searches and titles look as if the same people had written them: captions, not key words."""
    titles = [len(photo.title.split()) for photo in photos if photo.title and photo.description]
    searches = [len(query.split()) for photo in photos for query in photo.queries]
    return bool(titles and searches) and ALIKE * median(titles) <= median(searches) <= median(titles) / ALIKE


def view(photo: Photo, turn: int) -> Photo:
    """The photo with its texts moved on by `turn` places: two of them are title and description, the others searches.

    A photo without both a title and a description stays as it is.
    """
    if not (photo.title and photo.description):
        return photo
    texts = [photo.title, photo.description, *photo.queries]
    turn %= len(texts)
    title, description, *queries = texts[turn:] + texts[:turn]
    return replace(photo, title=title, description=description, queries=tuple(queries))


def views(photos: Sequence[Photo], turn: int) -> list[Photo]:
    """All photos, each with its texts moved on; the number of its searches stays the same."""
    return [view(photo, turn) for photo in photos]
