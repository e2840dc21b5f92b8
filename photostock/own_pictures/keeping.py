"""Photos together with the pictures that were sent for them: both durable, both gone together."""

from __future__ import annotations

from dataclasses import replace

from photostock.library import Library
from photostock.own_pictures.reading import OwnPicture
from photostock.own_pictures.store import PictureStore
from photostock.photo import Photo


class OwnPictures:
    """Changes of photos that may have a picture of their own; one at a time, in the thread of the writer."""

    def __init__(self, library: Library, store: PictureStore) -> None:
        self._library = library
        self._store = store

    def put(self, photo_id: str, picture: OwnPicture) -> Photo | None:
        """Gives a photo its picture, and so its size and colours; None if there is no such photo, or an unsafe one."""
        photo = self._library.stored(photo_id)
        if photo is None or not photo.safe:
            return None
        changed = with_picture(photo, picture, digest=self._store.save(photo_id, picture.jpeg))
        self._library.add([changed])
        self._discard(photo, unless=changed)
        return changed

    def delete(self, photo_id: str) -> bool:
        """Whether there was one; the file goes after the photo, so that no photo ever names a file that is gone."""
        photo = self._library.delete(photo_id)
        if photo is not None:
            self._discard(photo)
        return photo is not None

    def _discard(self, photo: Photo, *, unless: Photo | None = None) -> None:
        if photo.picture and (unless is None or unless.picture != photo.picture):
            self._store.discard(photo.picture["digest"])


def with_picture(photo: Photo, picture: OwnPicture, *, digest: str) -> Photo:
    """The photo with what its picture says: size, colours, and where the picture is."""
    kept = {"digest": digest, "palette": list(picture.palette)}
    return replace(photo, width=picture.width, height=picture.height, color=picture.palette[0], picture=kept)
