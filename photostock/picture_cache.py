"""Pictures as JPEG, drawn when they are asked for: in a pool of their own, so that drawing never slows a search."""

from __future__ import annotations

from collections import OrderedDict

from common.deadline import Deadline
from common.workers import WorkerPool
from photostock.photo import Photo
from photostock.pictures import draw

WIDTHS_PX = (160, 320, 640, 1280)  # few, so that the cache finds what it has
MAX_PICTURES = 512  # about 20 MB


class PictureCache:
    """Remembers the pictures that were asked for last. Used from the event loop alone, so without a lock."""

    def __init__(self) -> None:
        self._pool = WorkerPool("draw", threads=1, queue=64)
        self._pictures: OrderedDict[tuple[str, int], tuple[Photo, bytes]] = OrderedDict()

    async def jpeg(self, photo: Photo, *, width_px: int, deadline: Deadline) -> bytes:
        """The picture about `width_px` wide; raises `PoolFull` or `TimeoutError` when there is no time to draw it."""
        key = (photo.id, min(WIDTHS_PX, key=lambda offered: abs(offered - width_px)))
        cached = self._pictures.get(key)
        if cached is None or cached[0] is not photo:  # it was replaced since
            cached = photo, await self._pool.run(draw, photo, width_px=key[1], deadline=deadline)
            self._pictures[key] = cached
        self._pictures.move_to_end(key)
        while len(self._pictures) > MAX_PICTURES:
            self._pictures.popitem(last=False)
        return cached[1]

    def close(self) -> None:
        self._pool.close()
