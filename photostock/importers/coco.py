"""COCO captions: one JSON object of `images`, `annotations` (the captions) and `licenses`."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from photostock.importers.rows import Collector, ImportProblem, PhotoImport, captioned, moment, pixels, tidy
from photostock.photo import DEFAULT_HEIGHT, DEFAULT_WIDTH, Photo

Document = dict[str, Any]


def read_coco(path: Path) -> PhotoImport:
    """Reads captions_*.json as its owner publishes it; `line` is the position in its list of images."""
    document = _load(path)
    collector = Collector()
    captions = _captions(document, collector)
    licences = _licences(document)
    for position, image in enumerate(document["images"], start=1):
        try:
            collector.take(position, _photo(image, captions, licences))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            collector.reject(position, f"image {position}: {type(error).__name__}: {error}")
    return collector.result()


def _load(path: Path) -> Document:
    try:
        document = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ImportProblem(f"{path} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise ImportProblem(f"{path} is not an object with `images` and `annotations`")
    for key in ("images", "annotations"):
        if not isinstance(document.get(key), list):
            raise ImportProblem(f"{path} has no list of `{key}`: COCO's captions_*.json is expected")
    annotations = document["annotations"]
    if annotations and not any(isinstance(a, dict) and "caption" in a for a in annotations):
        raise ImportProblem(f"{path} annotates without captions: captions_*.json is expected, not instances_*.json")
    return document


def _captions(document: Document, collector: Collector) -> dict[Any, list[str]]:
    """Captions by image id in the order of the file; those that belong to nothing are rejected."""
    known = {image["id"] for image in document["images"] if isinstance(image, dict) and _is_id(image.get("id"))}
    captions: dict[Any, list[str]] = defaultdict(list)
    for position, annotation in enumerate(document["annotations"], start=1):
        image_id = annotation.get("image_id") if isinstance(annotation, dict) else None
        if not _is_id(image_id) or image_id not in known:
            collector.reject(position, f"annotation {position}: it names no image of this file ({image_id!r})")
        elif not isinstance(annotation.get("caption"), str) or not annotation["caption"].strip():
            collector.reject(position, f"annotation {position}: it has no caption")
        else:
            captions[image_id].append(annotation["caption"])
    return captions


def _licences(document: Document) -> dict[Any, str]:
    rows = [row for row in document.get("licenses") or [] if isinstance(row, dict)]
    return {row.get("id"): tidy(str(row.get("name", ""))) for row in rows if _is_id(row.get("id"))}


def _is_id(value: Any) -> bool:
    return isinstance(value, int | str) and value != ""


def _photo(image: Document, captions: dict[Any, list[str]], licences: dict[Any, str]) -> Photo:
    return Photo(
        id=str(image["id"]),
        width=pixels(image.get("width"), DEFAULT_WIDTH),
        height=pixels(image.get("height"), DEFAULT_HEIGHT),
        licence=licences.get(image.get("license"), ""),
        created_at=moment(image.get("date_captured")),
        **captioned(captions.get(image["id"], [])),
    )
