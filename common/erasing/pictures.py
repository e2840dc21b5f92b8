"""What a picture tells of itself beside its pixels: who took it, what it shows.

JPEG, PNG and WebP are walked from part to part and pixels are passed over: a picture of any size takes little memory.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

BEGINS = re.compile(rb"(?P<jpeg>\xff\xd8\xff)|(?P<png>\x89PNG)|RIFF....WEBP", re.DOTALL)
LARGEST_PART_BYTES = 64 * 2**20
DATA, END, FILL = 0xDA, 0xD9, 0xFF  # of a JPEG: what the markers are that its pixels, and its end, begin with
PIXELS = frozenset({b"IDAT", b"fdAT", b"VP8 ", b"VP8L", b"ALPH", b"ANMF"})
PHOTOSHOP = b"Photoshop 3.0\0"
# Headers in a part of Photoshop's, of resources and of IPTC's values: between them values lie side by side.
BETWEEN = re.compile(rb"8BIM|\x1c[\x01-\x09].[\x00-\x7f].", re.DOTALL)


def is_picture(beginning: bytes) -> bool:
    """By the first 12 bytes of a file."""
    return BEGINS.match(beginning) is not None


def told_by(path: Path) -> Iterator[bytes]:
    """Each part that is no pixels, by itself, packed texts unpacked; `ValueError` if one is too large to be told."""
    with path.open("rb") as file:
        begins = BEGINS.match(file.read(12))
        if begins is None:
            return
        if begins["jpeg"]:
            yield from _of_jpeg(file)
        else:
            yield from _of_chunks(file, is_png=begins["png"] is not None)


def _of_jpeg(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(2)
    while len(head := file.read(4)) == 4 and head[0] == FILL and head[1] not in (DATA, END):
        if head[1] == FILL:  # a marker may have any number of them before it
            file.seek(-3, 1)
            continue
        part = file.read(max(0, int.from_bytes(head[2:]) - 2))
        yield BETWEEN.sub(b"\n", part) if part.startswith(PHOTOSHOP) else part


def _of_chunks(file: IO[bytes], *, is_png: bool) -> Iterator[bytes]:
    file.seek(8 if is_png else 12)
    while len(head := file.read(8)) == 8:
        kind, size = (head[4:], head[:4]) if is_png else (head[:4], head[4:])
        length = int.from_bytes(size, "big" if is_png else "little")
        after = file.tell() + length + (4 if is_png else length % 2)
        if kind not in PIXELS:
            part = file.read(min(length, LARGEST_PART_BYTES + 1))
            if len(part) > LARGEST_PART_BYTES:
                raise ValueError("too large")
            yield _read(kind, part)
        file.seek(after)


def _read(kind: bytes, part: bytes) -> bytes:
    """The texts of a PNG: two of its kinds are not in UTF-8, two may be packed."""
    word, _, rest = part.partition(b"\0")
    if kind == b"tEXt":
        return part.decode("latin-1").encode()
    if kind == b"zTXt":
        return b"\n".join([word, _unpacked(rest[1:])]).decode("latin-1").encode()
    if kind == b"iTXt" and rest.startswith(b"\1"):
        return b"\n".join([word, _unpacked(rest[2:].split(b"\0", 2)[-1])])
    return part


def _unpacked(text: bytes) -> bytes:
    unpacking = zlib.decompressobj()
    content = unpacking.decompress(text, LARGEST_PART_BYTES)
    if unpacking.unconsumed_tail:
        raise ValueError("too large")
    return content
