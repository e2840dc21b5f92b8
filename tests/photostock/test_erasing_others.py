"""PhotoStock: an erasure takes no picture of others, and ends although others were erased before."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import text

from photostock.catalogue import Photo
from photostock.erasing import PIECE_BYTES, piece_of
from photostock.own_pictures.reading import as_jpeg
from photostock.own_pictures.store import PictureStore
from photostock.settings import PhotoSettings
from tests.photostock.test_erasing_again import WISH, opened

PERSON = "person_4711"


def even(colour: str) -> bytes:
    return as_jpeg(Image.new("RGB", (800, 600), colour))


def noisy(size: tuple[int, int] = (64, 48)) -> bytes:
    return as_jpeg(Image.effect_noise(size, 40).convert("RGB"))


def half_noisy() -> bytes:
    image = Image.new("RGB", (800, 600), "white")
    image.paste(Image.open(io.BytesIO(noisy((800, 150)))))
    return as_jpeg(image)


def kept(var_dir: Path, **jpegs: bytes) -> PictureStore:
    store = PictureStore(PhotoSettings(var_dir=var_dir).pictures_dir)
    _, catalogue = opened(var_dir)
    for photo_id, jpeg in jpegs.items():
        picture = {"digest": store.save(photo_id, jpeg), "width": 8, "height": 6, "colours": []}
        photographer = PERSON if photo_id.startswith("theirs") else "Bob"
        catalogue.add([Photo(photo_id, title="harbour", photographer=photographer, picture=picture)])
    return store


def test_an_even_picture_takes_no_other_with_it_and_the_certificate_says_what_was_not_searched(var_dir: Path) -> None:
    store = kept(var_dir, theirs=even("white"), others=even("navy"))
    erasing, catalogue = opened(var_dir)
    erasing.begin(PERSON, **WISH)
    [certificate] = erasing.finish([PERSON])
    [left] = catalogue.photos()
    assert left.picture is not None
    assert store.read(left.picture["digest"]) == even("navy")
    assert certificate.state == "finished", certificate
    assert certificate.removed["picture files"] == 1
    [note] = certificate.notes
    assert note.endswith("not searched for: 1")


def test_the_same_picture_of_somebody_else_stays_and_is_told(var_dir: Path) -> None:
    jpeg = noisy()
    store = kept(var_dir, theirs=jpeg, others=jpeg)
    (var_dir / "export.jpg").write_bytes(jpeg)
    erasing, catalogue = opened(var_dir)
    erasing.begin(PERSON, **WISH)
    [certificate] = erasing.finish([PERSON])
    [left] = catalogue.photos()
    assert left.picture is not None
    assert store.read(left.picture["digest"]) == jpeg
    assert not (var_dir / "export.jpg").exists()
    assert certificate.proof is not None
    assert [Path(place).stem for place in certificate.proof["places"]] == [left.picture["digest"]]


def test_a_piece_is_bytes_that_others_do_not_have_and_none_where_there_are_none() -> None:
    jpeg = half_noisy()
    piece = piece_of(jpeg)
    assert (len(piece), piece in jpeg, piece in half_noisy(), piece in even("white")) == (
        PIECE_BYTES,
        True,
        False,
        False,
    )
    assert [piece_of(one) for one in (even("white"), even("navy"), b"", jpeg[:300])] == [b""] * 4


@pytest.mark.parametrize("people", [("u-30", PERSON), (PERSON, "u-30")])
def test_who_is_named_in_the_wish_for_somebody_else_can_be_erased(var_dir: Path, people: tuple[str, str]) -> None:
    erasing, _ = opened(var_dir)
    erasing.begin("bob-1", owner="Eve", reason="wished by letter of u-30")
    erasing.finish(["bob-1"])
    erasing.begin(PERSON, owner="u-30", reason="wished on behalf of u-30, who is a guardian")
    erasing.begin("u-30", **WISH)
    states = {one.person: one.state for one in erasing.finish(people)}
    assert set(states.values()) == {"finished"}
    assert len(erasing.journal.all()) == 3
    assert [one.owner[:7] for one in erasing.journal.all() if one.reason.startswith("wished on")] == ["erased-"]
    with erasing.engine.connect() as connection:
        for table in ("erasures", "erasure_work"):
            assert "u-30" not in str(connection.execute(text(f"SELECT * FROM {table}")).all())


@pytest.mark.parametrize("reason", ["from mail_u-30_letter", "wished at /users/%2Fu-30", "U-30 wrote"])
def test_a_reason_that_names_the_person_as_an_erasure_would_find_them_is_refused(var_dir: Path, reason: str) -> None:
    erasing, _ = opened(var_dir)
    with pytest.raises(ValueError, match="must not name"):
        erasing.begin("u-30", owner="Eve", reason=reason)
