"""Photographs that people send: what is kept of them, what is refused, and what becomes of them."""

from __future__ import annotations

import errno
import io
import json
import os
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import ExifTags, Image

from photostock.filter.filter import Conditions, PhotoFilter
from photostock.imports import read_any, summary
from photostock.own_pictures.keeping import with_picture
from photostock.own_pictures.reading import (
    MOST_KEPT_PX,
    OwnPicture,
    TooManyPixels,
    UnreadablePicture,
    main_colours,
    read_picture,
    resized,
)
from photostock.own_pictures.store import MOST_SWEPT, SWEPT_AFTER_S, PictureStore
from photostock.photo import Photo, problem_of
from tests.photostock.test_api import client as client
from tests.photostock.test_api import ids, search, service


def files_of(folder: Path, name: str = "pictures/??") -> list[Path]:
    return list(folder.rglob(f"{name}/*.jpg"))


def encoded(image: Image.Image, form: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def two_colours(width: int = 300, height: int = 200) -> Image.Image:
    image = Image.new("RGB", (width, height), "#1848c0")
    image.paste("#e8d010", (0, 0, width // 3, height))
    return image


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_the_usual_formats_are_taken_and_come_out_as_jpeg(form: str) -> None:
    picture = read_picture(encoded(two_colours(), form))
    assert (picture.width, picture.height) == (300, 200)
    assert Image.open(io.BytesIO(picture.jpeg)).format == "JPEG"


def test_where_it_was_taken_is_not_passed_on() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "Somebody"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (52.0, 31.0, 12.0)
    sent = encoded(two_colours(), exif=exif, comment=b"a secret")
    assert b"Exif" in sent
    kept = read_picture(sent).jpeg
    assert b"Exif" not in kept
    assert b"secret" not in kept
    assert not Image.open(io.BytesIO(kept)).getexif()


def test_a_picture_that_lies_on_its_side_is_put_upright() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    picture = read_picture(encoded(two_colours(300, 200), exif=exif))
    assert (picture.width, picture.height) == (200, 300)
    assert Image.open(io.BytesIO(picture.jpeg)).size == (200, 300)


def test_a_large_picture_keeps_its_own_size_in_words_and_a_smaller_one_in_its_file() -> None:
    picture = read_picture(encoded(two_colours(3 * MOST_KEPT_PX, MOST_KEPT_PX)))
    assert (picture.width, picture.height) == (3 * MOST_KEPT_PX, MOST_KEPT_PX)
    assert Image.open(io.BytesIO(picture.jpeg)).width == MOST_KEPT_PX


def test_what_was_transparent_is_white() -> None:
    clear = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    assert read_picture(encoded(clear, "PNG")).palette == ("#ffffff",)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "I;16", "CMYK"])
def test_every_kind_of_pixel_is_understood(mode: str) -> None:
    image = Image.new(mode, (64, 48))
    assert read_picture(encoded(image, "JPEG" if mode == "CMYK" else "PNG")).width == 64


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GIF89a",
        b"<svg/>",
        encoded(two_colours(), "GIF"),
        encoded(two_colours())[:300],
        encoded(two_colours(), "BMP"),
    ],
    ids=["nothing", "half a gif", "svg", "gif", "cut off", "bmp"],
)
def test_anything_else_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadablePicture):
        read_picture(content)


def test_a_small_file_that_would_fill_the_memory_is_refused_before_it_is_decoded() -> None:
    bomb = encoded(Image.new("1", (20_000, 20_000)), "PNG")
    assert len(bomb) < 100_000
    with pytest.raises(TooManyPixels):
        read_picture(bomb)


def test_a_picture_of_a_few_pixels_is_refused() -> None:
    with pytest.raises(UnreadablePicture):
        read_picture(encoded(two_colours(8, 200)))


def test_main_colours_are_those_that_cover_most_of_it() -> None:
    blue, yellow = main_colours(two_colours())
    assert (blue, yellow) == ("#1848c0", "#e8d010")


def test_shades_that_look_alike_are_one_colour() -> None:
    ramp = np.tile(np.linspace(90, 110, 200, dtype=np.uint8), (200, 1))
    assert len(main_colours(Image.fromarray(np.dstack([ramp, ramp, ramp])))) == 1


def test_a_photo_is_found_by_each_of_its_main_colours() -> None:
    picture = OwnPicture(b"", 300, 200, ("#3c70b8", "#e0c840"))
    photo = with_picture(Photo(id="p", title="Sea"), picture, digest="0" * 64)
    photo_filter = PhotoFilter()
    photo_filter.add(0, photo)
    found = [
        c for c in ("blue", "yellow", "green", "#3c70b8", "#e0c840") if photo_filter.allowed(Conditions(color=c))[0]
    ]
    assert found == ["blue", "yellow", "#3c70b8", "#e0c840"]


def test_a_picture_is_served_no_wider_than_it_is() -> None:
    jpeg = read_picture(encoded(two_colours(300, 200))).jpeg
    assert Image.open(io.BytesIO(resized(jpeg, width_px=150))).size == (150, 100)
    assert resized(jpeg, width_px=640) == jpeg


def test_a_stored_picture_is_there_until_it_is_discarded(tmp_path: Path) -> None:
    store = PictureStore(tmp_path)
    digest = store.save("p", b"jpeg")
    assert store.save("p", b"jpeg") == digest
    assert store.save("q", b"jpeg") != digest
    assert store.read(digest) == b"jpeg"
    store.discard(digest)
    store.discard(digest)
    with pytest.raises(OSError, match="No such file"):
        store.read(digest)


def test_no_name_leads_out_of_the_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no digest"):
        PictureStore(tmp_path).read("../../etc/passwd")


def test_old_files_that_no_photo_names_are_swept_up(tmp_path: Path) -> None:
    store = PictureStore(tmp_path)
    named, orphan, young = (store.save("p", content) for content in (b"1", b"2", b"3"))
    for path in tmp_path.glob("??/*.jpg"):
        if young not in path.name:
            os.utime(path, (0, path.stat().st_mtime - 2 * SWEPT_AFTER_S))
    assert store.sweep({named}) == 1
    assert {path.stem for path in tmp_path.glob("??/*.jpg")} == {named, young}
    assert orphan != named


def test_a_folder_of_another_database_is_not_swept(tmp_path: Path) -> None:
    store = PictureStore(tmp_path)
    for number in range(MOST_SWEPT + 1):
        store.save("p", str(number).encode())
    for path in files_of(tmp_path, "??"):
        os.utime(path, (0, path.stat().st_mtime - 2 * SWEPT_AFTER_S))
    assert store.sweep(set()) == 0
    assert len(files_of(tmp_path, "??")) == MOST_SWEPT + 1


def test_a_folder_in_which_nothing_can_be_erased_stops_no_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = PictureStore(tmp_path)
    orphan = store.save("p", b"one")
    for path in files_of(tmp_path, "??"):
        os.utime(path, (0, path.stat().st_mtime - 2 * SWEPT_AFTER_S))

    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "unlink", read_only)
    assert store.sweep(set()) == 0
    assert [path.stem for path in files_of(tmp_path, "??")] == [orphan]


async def test_a_picture_that_was_sent_is_served_and_found_by_its_colour_at_once(client: httpx.AsyncClient) -> None:
    before = (await client.get("/v1/photos/cat/image")).content
    answer = await client.put("/v1/photos/cat/image", content=encoded(two_colours(900, 600), "PNG"))
    assert answer.status_code == 201, answer.text
    assert answer.json()["palette"] == ["#1848c0", "#e8d010"]
    assert (answer.json()["width"], answer.json()["height"]) == (900, 600)
    served = await client.get("/v1/photos/cat/image", params={"width": 320})
    assert served.content != before
    assert Image.open(io.BytesIO(served.content)).size == (320, 213)
    assert "cat" in ids(await search(client, color="yellow"))
    assert "cat" not in ids(await search(client, color="red"))
    assert (await client.put("/v1/photos/cat/image", content=encoded(two_colours(), "PNG"))).status_code == 204


async def test_a_photo_that_is_replaced_keeps_its_picture_and_one_that_is_deleted_loses_it(var_dir: Path) -> None:
    async with service(var_dir) as photos:
        await photos.put("/v1/photos/cat/image", content=encoded(two_colours(), "PNG"))
        await photos.post("/v1/photos", json={"photos": [{"id": "cat", "title": "Another title"}]})
        again = (await photos.get("/v1/photos/cat")).json()
        assert (again["title"], again["palette"]) == ("Another title", ["#1848c0", "#e8d010"])
        assert len(files_of(var_dir)) == 1
        assert (await photos.delete("/v1/photos/cat")).status_code == 204
        assert (await photos.get("/v1/photos/cat/image")).status_code == 404
    assert files_of(var_dir) == []


async def test_a_picture_outlives_the_process(var_dir: Path) -> None:
    async with service(var_dir) as photos:
        await photos.post("/v1/photos", json={"photos": [{"id": "sea", "title": "The sea"}]})
        await photos.put("/v1/photos/sea/image", content=encoded(two_colours()))
        served = (await photos.get("/v1/photos/sea/image")).content
    async with service(var_dir) as photos:
        assert (await photos.get("/v1/photos/sea/image")).content == served


async def test_a_picture_whose_file_is_lost_is_drawn(var_dir: Path) -> None:
    async with service(var_dir) as photos:
        await photos.put("/v1/photos/cat/image", content=encoded(two_colours(), "PNG"))
        for path in files_of(var_dir):
            path.unlink()
        assert (await photos.get("/v1/photos/cat/image")).status_code == 200


@pytest.mark.parametrize(
    ("photo_id", "content", "status"),
    [
        ("cat", b"not a picture", 422),
        ("cat", b"\xff" * (4 * 1024 * 1024 + 1), 413),
        ("cat", encoded(Image.new("1", (20_000, 20_000)), "PNG"), 413),
        ("nobody", encoded(two_colours()), 404),
        ("hidden", encoded(two_colours()), 404),
    ],
    ids=["no picture", "too many bytes", "too many pixels", "unknown", "unsafe"],
)
async def test_wrong_pictures_are_refused(
    client: httpx.AsyncClient, photo_id: str, content: bytes, status: int
) -> None:
    answer = await client.put(f"/v1/photos/{photo_id}/image", content=content)
    assert answer.status_code == status
    assert answer.json()["request_id"]


def test_a_folder_of_pictures_is_read_with_what_its_lines_tell(tmp_path: Path) -> None:
    (tmp_path / "one.jpg").write_bytes(encoded(two_colours()))
    (tmp_path.parent / "elsewhere.jpg").write_bytes(encoded(two_colours()))
    rows = [
        {
            "photo_id": 1,
            "file": "one.jpg",
            "captions": ["A", "B", "C"],
            "license": "CC BY 2.0",
            "flickr_url": "http://x.org/1",
        },
        {"photo_id": 2, "file": "../elsewhere.jpg", "captions": ["A"]},
        {"photo_id": 3, "captions": ["A"], "flickr_url": "javascript:alert(1)"},
        ["no object"],
    ]
    (tmp_path / "metadata.jsonl").write_text("\n".join([*map(json.dumps, rows), "{", ""]))
    imported = read_any(tmp_path)
    assert [photo.id for photo in imported.photos] == ["1", "2"]
    assert imported.files == {"1": tmp_path / "one.jpg"}
    assert [reject.line for reject in imported.rejects] == [3, 4, 5]
    assert imported.photos[0].attribution == "Photo, CC BY 2.0, http://x.org/1"
    assert "1 pictures" in summary(imported)


def test_attribution_names_who_and_under_which_licence() -> None:
    photo = Photo(id="p", title="t", photographer="Ada", licence="CC BY 4.0", source_url="https://a.org/p")
    assert photo.attribution == "Photo by Ada, CC BY 4.0, https://a.org/p"
    assert problem_of(photo) is None
    assert Photo(id="p", title="t").attribution == ""
