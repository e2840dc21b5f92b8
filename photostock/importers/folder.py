"""A folder of photographs with a line about each in metadata.jsonl."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from photostock.importers.rows import Collector, ImportProblem, PhotoImport, captioned, moment, pixels, tidy
from photostock.photo import DEFAULT_COLOR, DEFAULT_HEIGHT, DEFAULT_WIDTH, Photo

METADATA = "metadata.jsonl"
MOST_LINES = 1_000_000
# Our name of a field <- the keys that may hold it, first found first taken.
KEYS = {
    "photographer": ("photographer", "author"),
    "licence": ("licence", "license"),
    "color": ("color", "avg_color"),
    "created_at": ("created_at", "date_captured"),
    "source_url": ("source_url", "flickr_url", "url"),
}


def is_folder_of_pictures(path: Path) -> bool:
    return (path / METADATA).is_file()


def read_folder(folder: Path) -> PhotoImport:
    """Photos of a folder and, in `files`, the picture of each; `line` is that of metadata.jsonl."""
    collector, files = Collector(), dict[str, Path]()
    for line, row in _rows(folder / METADATA):
        try:
            photo = _photo(json.loads(row))
        except (TypeError, ValueError, KeyError) as error:
            collector.reject(line, f"{type(error).__name__}: {error}")
            continue
        collector.take(line, photo)
        if (file := _file_of(folder, json.loads(row))) is not None and photo.id in collector.photos:
            files.setdefault(photo.id, file)
    imported = collector.result()
    return PhotoImport(imported.photos, imported.rejects, files)


def _rows(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open(encoding="utf-8") as file:
            for line, row in enumerate(file, start=1):
                if line > MOST_LINES:
                    raise ImportProblem(f"{path} has more than {MOST_LINES:,} lines")
                if row.strip():
                    yield line, row
    except UnicodeDecodeError as error:
        raise ImportProblem(f"{path} is not UTF-8: {error}") from error


def _photo(row: Any) -> Photo:
    if not isinstance(row, dict):
        raise TypeError("it is not an object")
    known = {name: next((row[key] for key in keys if row.get(key)), None) for name, keys in KEYS.items()}
    texts = captioned(row["captions"]) if "captions" in row else {}
    return Photo(
        id=str(row["photo_id"] if "photo_id" in row else row["id"]),
        title=texts.get("title") or tidy(str(row.get("title", ""))),
        description=texts.get("description") or tidy(str(row.get("description", ""))),
        queries=texts.get("queries", ()),
        tags=tuple(str(tag) for tag in row.get("tags", ())),
        photographer=tidy(str(known["photographer"] or "")),
        licence=tidy(str(known["licence"] or "")),
        color=str(known["color"] or DEFAULT_COLOR),
        created_at=moment(known["created_at"]),
        width=pixels(row.get("width"), DEFAULT_WIDTH),
        height=pixels(row.get("height"), DEFAULT_HEIGHT),
        source_url=None if known["source_url"] is None else str(known["source_url"]),
    )


def _file_of(folder: Path, row: dict[str, Any]) -> Path | None:
    """The picture's path if it lies in this very folder: a line may not name a file elsewhere."""
    name = row.get("file", row.get("file_name"))
    if not isinstance(name, str) or Path(name).name != name:
        return None
    path = folder / name
    return path if path.is_file() and not path.is_symlink() else None
