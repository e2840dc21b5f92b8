"""The one door for photos from outside: tells the published formats apart and reads them."""

from __future__ import annotations

from pathlib import Path

from photostock.importers.captions import read_captions
from photostock.importers.coco import read_coco
from photostock.importers.folder import is_folder_of_pictures, read_folder
from photostock.importers.rows import ImportProblem, PhotoImport, Reject
from photostock.importers.unsplash import parts_of, read_unsplash

__all__ = ["ImportProblem", "PhotoImport", "Reject", "read_any", "summary"]

FORMATS = (
    "COCO's captions_*.json, Unsplash's photos.tsv000 or its folder, parquet with photo_id and captions, "
    "or a folder of pictures with metadata.jsonl"
)
MOST_REJECTS_TOLD = 10


def read_any(path: Path) -> PhotoImport:
    """Reads photos from a file or folder of any known format; raises ImportProblem if it is none."""
    try:
        return _read(path)
    except OSError as error:
        raise ImportProblem(f"{path} cannot be read: {error.strerror or error}") from error


def _read(path: Path) -> PhotoImport:
    if not path.exists():
        raise ImportProblem(f"{path} does not exist")
    if is_folder_of_pictures(path):
        return read_folder(path)
    if path.is_dir():
        return read_unsplash(path)
    if path in parts_of(path.parent, path.name.partition(".")[0]):
        return read_unsplash(path.parent)
    if path.suffix == ".json":
        return read_coco(path)
    if path.suffix == ".parquet":
        return read_captions(path)
    raise ImportProblem(f"{path} is none of: {FORMATS}")


def summary(imported: PhotoImport) -> str:
    """What was read and what was left out and why, for a person at a terminal."""
    queries = sum(len(photo.queries) for photo in imported.photos)
    told = imported.rejects[:MOST_REJECTS_TOLD]
    pictures = f", {len(imported.files):,} pictures" if imported.files else ""
    lines = [f"{len(imported.photos):,} photos, {queries:,} queries with a known answer{pictures}"]
    lines += [f"{len(imported.rejects):,} rows left out"] if told else []
    lines += [f"  {reject.line}: {reject.reason}" for reject in told]
    lines += [f"  … and {len(imported.rejects) - len(told):,} more"] if len(imported.rejects) > len(told) else []
    return "\n".join(lines)
