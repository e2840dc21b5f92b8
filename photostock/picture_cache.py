"""Pictures as JPEG, drawn or resized when they are asked for, and pictures that are sent.

Each of the two has a thread of its own: no search waits for a picture, and none is drawn later because one was sent.
"""

from __future__ import annotations

from collections import OrderedDict

import structlog

from common.deadline import Deadline
from common.workers import WorkerPool
from photostock.own_pictures.reading import OwnPicture, read_picture, resized
from photostock.own_pictures.store import PictureStore
from photostock.photo import Photo
from photostock.pictures import draw

WIDTHS_PX = (160, 320, 640, 1280)  # few, so that the cache finds what it has
MAX_PICTURES = 512
MAX_BYTES = 48 * 1024 * 1024
MOST_UNREAD = 8  # pictures that were sent and wait, up to 4 MiB each
log = structlog.get_logger(__name__)


class PictureCache:
    """Remembers the pictures that were asked for last. Used from the event loop alone, so without a lock."""

    def __init__(self, own: PictureStore) -> None:
        self._own = own
        self._pool = WorkerPool("draw", threads=1, queue=64)
        self._reading = WorkerPool("read", threads=1, queue=MOST_UNREAD)
        self._pictures: OrderedDict[tuple[str, int], tuple[Photo, bytes]] = OrderedDict()
        self._bytes = 0

    async def jpeg(self, photo: Photo, *, width_px: int, deadline: Deadline) -> bytes:
        """The picture about `width_px` wide; raises `PoolFull` or `TimeoutError` when there is no time to make it."""
        key = (photo.id, min(WIDTHS_PX, key=lambda offered: abs(offered - width_px)))
        cached = self._pictures.get(key)
        if cached is None or cached[0] is not photo:  # it was replaced since
            cached = photo, await self._pool.run(_made, self._own, photo, key[1], deadline=deadline)
            self._keep(key, cached)
        elif key in self._pictures:
            self._pictures.move_to_end(key)
        return cached[1]

    async def read(self, content: bytes, *, deadline: Deadline) -> OwnPicture:
        """What of a picture that was sent is kept; raises `UnreadablePicture`, and like `jpeg`."""
        return await self._reading.run(read_picture, content, deadline=deadline)

    def forget(self, photo_id: str) -> None:
        """Drops the pictures of a photo that was erased."""
        for width_px in WIDTHS_PX:
            self._drop((photo_id, width_px))

    def forget_all(self) -> None:
        """Drops every picture."""
        self._pictures.clear()
        self._bytes = 0

    def close(self) -> None:
        self._pool.close()
        self._reading.close()

    def _keep(self, key: tuple[str, int], picture: tuple[Photo, bytes]) -> None:
        self._drop(key)
        self._pictures[key] = picture
        self._bytes += len(picture[1])
        while len(self._pictures) > MAX_PICTURES or self._bytes > MAX_BYTES:
            self._drop(next(iter(self._pictures)))

    def _drop(self, key: tuple[str, int]) -> None:
        if (dropped := self._pictures.pop(key, None)) is not None:
            self._bytes -= len(dropped[1])


def _made(own: PictureStore, photo: Photo, width_px: int) -> bytes:
    if photo.picture is not None:
        try:
            return resized(own.read(photo.picture["digest"]), width_px=width_px)
        except (OSError, ValueError) as error:  # lost or damaged: a drawn picture is better than none
            log.warning("picture.lost", photo=photo.id, error=type(error).__name__)
    return draw(photo, width_px=width_px)
