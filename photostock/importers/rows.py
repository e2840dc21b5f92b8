"""What every reader hands over, and the checks that every row goes through."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from photostock.photo import Photo, problem_of


class ImportProblem(Exception):
    """The file as a whole cannot be imported, and why."""


class Reject(NamedTuple):
    """A row that was left out; `line` is its line in a text file, else its position, from 1."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class PhotoImport:
    """The photos of a collection, and every row that did not become one."""

    photos: list[Photo]
    rejects: list[Reject]
    files: dict[str, Path] = field(default_factory=dict)  # the picture of a photo, by id, where there is one


@dataclass(slots=True)
class Collector:
    """Gathers photos and rejects while a file is read; an id counts once."""

    photos: dict[str, Photo] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)

    def take(self, line: int, photo: Photo) -> None:
        """Keeps a photo, or the reason why it may not enter the catalogue."""
        problem = problem_of(photo)
        if problem is None and photo.id in self.photos:
            problem = f"photo {photo.id} was there before"
        if problem is None:
            self.photos[photo.id] = photo
        else:
            self.reject(line, problem)

    def reject(self, line: int, reason: str) -> None:
        """Remembers a row that is left out."""
        self.rejects.append(Reject(line, reason))

    def result(self) -> PhotoImport:
        """All that was gathered, rejects by line."""
        return PhotoImport(list(self.photos.values()), sorted(self.rejects, key=lambda reject: reject.line))


def captioned(captions: Iterable[Any]) -> dict[str, Any]:
    """Texts of a photo from its captions: the first two are title and description, further ones are queries."""
    texts = [tidy(caption) for caption in captions if isinstance(caption, str) and caption and not caption.isspace()]
    return {"title": "".join(texts[:1]), "description": "".join(texts[1:2]), "queries": tuple(texts[2:])}


def tidy(text: str) -> str:
    """A text on one line with single spaces, as people who write captions leave neither."""
    return " ".join(text.split())


def pixels(value: Any, default: int) -> int:
    """A number of pixels; ValueError if there is something else."""
    if value is None or value == "":
        return default
    number = float(value)
    if not number.is_integer():
        raise ValueError(f"{value!r} is not a whole number of pixels")
    return int(number)


def moment(value: Any) -> str:
    """A date in ISO 8601, taken as UTC where it names no zone; empty if there is none, ValueError if it is no date."""
    if value is None or value == "":
        return ""
    parsed = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return aware.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
