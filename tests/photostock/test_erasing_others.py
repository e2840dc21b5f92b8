"""PhotoStock: an erasure takes no picture of others, and ends although others were erased before."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import text

from common.state.overrides import OverrideStore
from common.versions.registry import Registry
from photostock.catalogue import Photo
from photostock.erasing import PIECE_BYTES, piece_of
from photostock.hints import HintStore
from photostock.hints.rules import Hint
from photostock.own_pictures.reading import as_jpeg
from photostock.own_pictures.store import PictureStore
from photostock.reranker.training_ids import TRAINING_IDS
from photostock.settings import PhotoSettings
from tests.photostock.test_erasing import ADMIN, filled, serving
from tests.photostock.test_erasing import erased as begun
from tests.photostock.test_erasing_again import WISH, opened
from tests.waiting import eventually

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


async def test_every_replica_tells_the_other_name_of_an_owner_although_the_override_goes_on(var_dir: Path) -> None:
    ends_at = (datetime.now(UTC) + timedelta(days=20)).isoformat()
    ban = {"photo_id": "others-2", "query": "harbour", "effect": "ban", "ends_at": ends_at}
    async with serving(var_dir) as (client, _), serving(var_dir) as (other, _):
        await filled(client)
        decided = {**ban, "owner": PERSON, "reason": "it is blurred"}
        assert (await client.post("/v1/admin/overrides", json=decided, headers=ADMIN)).status_code == 201

        async def owners() -> set[str]:
            listed = [await one.get("/v1/admin/overrides", headers=ADMIN) for one in (client, other)]
            return {one["owner"] for answer in listed for one in answer.json()["overrides"]}

        async def known() -> bool:
            return await owners() == {PERSON}

        async def renamed() -> bool:
            [owner] = await owners() or {""}
            return owner.startswith("erased-")

        await eventually(known)
        await begun(client, PERSON)
        await eventually(renamed)


def test_models_that_learnt_from_their_decisions_are_listed_also_from_those_that_are_over(var_dir: Path) -> None:
    erasing, catalogue = opened(var_dir)
    catalogue.add([Photo("theirs", title="harbour", photographer=PERSON)])
    store, hints, now = OverrideStore(erasing.engine, "photostock"), HintStore(erasing.engine), datetime.now(UTC)
    usual: dict[str, Any] = {"reason": "because", "ends_at": now + timedelta(days=9), "now": now}
    mine, bobs = (store.add(f"{one}\ndog", {}, owner=one, **usual).id for one in (PERSON, "Bob"))
    over = hints.add(Hint("", "pooch", "dog", PERSON, "they are", ""))
    assert hints.remove(over.id)
    registry = Registry(PhotoSettings(var_dir=var_dir).registry_dir)
    for functions, photos in (([bobs], "[]"), ([bobs, mine, over.id], "[]"), ([mine], '["theirs"]')):
        labels = {"fingerprint": "f", "rows": 3, "functions": functions}
        files = {"model": repr(functions).encode(), TRAINING_IDS: photos.encode()}
        registry.publish("reranker", files, alias=None, training={"labels": labels})
    told = erasing.begin(PERSON, **WISH).certificate.retrain
    assert [(one["version"], one["why"]) for one in told] == [
        ("1.1.0", "trained with 2 of their decisions"),
        ("1.2.0", "trained with 1 of the photos and 1 of their decisions"),
    ]
