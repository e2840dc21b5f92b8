"""A photo as the catalogue knows it, and the rules that its fields keep."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

Orientation = Literal["landscape", "portrait", "square"]

# No leading dot and no slash, so that an id can never climb out of a folder or name a hidden file.
SAFE_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")
MOST_PIXELS_PER_SIDE = 100_000
LONGEST_DATE = 40  # characters
LONG_AGO = datetime.min.replace(tzinfo=UTC)  # of a photo whose date is unknown: it has always been there

# Of a photo that says nothing of its own.
DEFAULT_WIDTH = 1600
DEFAULT_HEIGHT = 1067
DEFAULT_COLOR = "#888888"

# Nothing else may become a link: javascript: is an address, too.
_WEB_ADDRESS = re.compile(r"https?://[^\s<>\"]{1,2000}")
HEX_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
# PostgreSQL refuses NUL in a text, and neither database can encode half of a surrogate pair.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Photo:
    """One photo: what people wrote about it, what the filter asks for, and how a demo picture of it is drawn."""

    id: str
    title: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    photographer: str = ""
    width: int = DEFAULT_WIDTH
    height: int = DEFAULT_HEIGHT
    color: str = DEFAULT_COLOR
    licence: str = ""
    created_at: str = ""  # ISO 8601, empty if unknown
    popularity: float = 0.0
    safe: bool = True
    scene: dict[str, Any] | None = None  # the drawing recipe of a demo photo
    queries: tuple[str, ...] = ()  # searches whose known answer is this photo
    picture: dict[str, Any] | None = None  # its own: {"digest": …, "palette": ["#aabbcc", …]}, else one is drawn
    source_url: str | None = None  # where it was published first; licences ask for that to be told

    @property
    def orientation(self) -> Orientation:
        """The shape of the picture; a square is exact."""
        if self.width == self.height:
            return "square"
        return "landscape" if self.width > self.height else "portrait"

    @property
    def palette(self) -> tuple[str, ...]:
        """Its one to three main colours."""
        return tuple(self.picture["palette"]) if self.picture else (self.color,)

    @property
    def attribution(self) -> str:
        """Who is to be named beside the picture, as its licence asks for; empty if nothing is known."""
        named = f"Photo by {self.photographer}" if self.photographer else "Photo" if self.licence else ""
        return ", ".join(part for part in (named, self.licence, self.source_url) if part)

    @property
    def created(self) -> datetime:
        """When it was made, in UTC; long ago if that is unknown."""
        try:
            return moment_of(self.created_at) if self.created_at else LONG_AGO
        except ValueError:  # stored by an earlier version, which looked less closely
            return LONG_AGO

    @property
    def text(self) -> str:
        """All that is indexed: title, description and tags, as sentences."""
        parts = (self.title, self.description, ", ".join(self.tags))
        return ". ".join(part.strip().rstrip(".") for part in parts if part.strip())


def problem_of(photo: Photo) -> str | None:
    """What is wrong with the first wrong field of a photo, or None if it may enter the catalogue."""
    return _id_problem(photo.id) or _text_problem(photo) or _value_problem(photo)


def _id_problem(photo_id: str) -> str | None:
    if SAFE_ID.fullmatch(photo_id):
        return None
    return f"id {photo_id[:40]!r} is not 1 to 128 of A-Z a-z 0-9 . _ - (without a dot in front)"


def _text_problem(photo: Photo) -> str | None:
    if not photo.text:
        return "there is neither a title nor a description nor a tag"
    texts = (photo.title, photo.description, *photo.tags, photo.photographer, photo.licence, *photo.queries)
    if any(_UNSTORABLE.search(text) for text in (*texts, photo.source_url or "")):
        return "a text holds a NUL character or half of a surrogate pair"
    return None


def _value_problem(photo: Photo) -> str | None:
    if not (0 < photo.width <= MOST_PIXELS_PER_SIDE and 0 < photo.height <= MOST_PIXELS_PER_SIDE):
        return f"size {photo.width} x {photo.height} is not within 1 to {MOST_PIXELS_PER_SIDE} pixels a side"
    if photo.source_url is not None and not _WEB_ADDRESS.fullmatch(photo.source_url):
        return f"source_url {photo.source_url[:40]!r} is no address like https://…"
    if not HEX_COLOUR.fullmatch(photo.color):
        return f"color {photo.color[:40]!r} is not like #aabbcc"
    if not (math.isfinite(photo.popularity) and photo.popularity >= 0):
        return f"popularity {photo.popularity} is not a number from 0 up"
    return _date_problem(photo.created_at)


def _date_problem(created_at: str) -> str | None:
    try:
        if not created_at or (len(created_at) <= LONGEST_DATE and moment_of(created_at)):
            return None
    except ValueError:
        pass
    return f"created_at {created_at[:LONGEST_DATE]!r} is not an ISO 8601 date"


def moment_of(created_at: str) -> datetime:
    """A date or time in UTC, which it is without a zone; `ValueError` for what is none, in UTC at the latest."""
    moment = datetime.fromisoformat(created_at)
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError as error:
        raise ValueError(f"{created_at} has no date in UTC") from error
