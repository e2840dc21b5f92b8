"""Photos that are added, replaced and deleted, and get pictures; stored ones must be found, deleted ones must not."""

from __future__ import annotations

import io
import random
from collections.abc import Iterable, Mapping

from PIL import Image

from loadtests.inside.acknowledged import GONE, Ledger, said
from loadtests.inside.caller import Caller
from loadtests.inside.writers import send

MOST_PER_ADD = 8
SENT_PX = (1600, 1067)  # of a photo that has no picture yet
SEARCHED = 10  # photos of a round that are looked for by searches, too


class Photos:
    """Few, so that most are changed and deleted again and again."""

    def __init__(self, name: str, photos: int = 40) -> None:
        self._ids = [f"{name}-{number}" for number in range(photos)]

    async def write(self, api: Caller, ledger: Ledger, dice: random.Random) -> None:
        ids = dice.sample(self._ids, dice.randint(1, MOST_PER_ADD))
        for photo_id in ids:
            if not ledger.is_sure(_key(photo_id)):
                ledger.see(_key(photo_id), await _photo(api, photo_id), "between two writes")
        chosen, there, wish = ids[0], ledger.known(_key(ids[0])), dice.random()
        if wish < 0.35 and there is not GONE:
            await send(ledger, {_key(chosen): GONE}, lambda: api.call("DELETE", f"/v1/photos/{chosen}"))
        elif wish < 0.5 and there is not GONE:
            size = dice.randint(60, 120), dice.randint(60, 120)
            becomes = {_key(chosen): _state(_title(there), size)}
            picture = _jpeg(size)
            await send(ledger, becomes, lambda: api.call("PUT", f"/v1/photos/{chosen}/image", data=picture))
        else:
            titles = {photo_id: _new_title(photo_id, dice) for photo_id in ids}
            width, height = SENT_PX
            photos = [{"id": i, "title": title, "width": width, "height": height} for i, title in titles.items()]
            kept = {i: _size(ledger.known(_key(i))) for i in ids}
            becomes = {_key(i): _state(title, kept[i]) for i, title in titles.items()}
            await send(ledger, becomes, lambda: api.call("POST", "/v1/photos", {"photos": photos}))

    async def seen(self, api: Caller, keys: Iterable[str]) -> Mapping[str, str | None]:
        return {key: await _photo(api, key.partition("/")[2]) for key in keys}


async def search(api: Caller, ledger: Ledger, keys: Iterable[str], when: str) -> None:
    """Is each of these photos found by its title if it is there, with its picture, and by nothing if it is not?"""
    for key in keys:
        state, photo_id = ledger.known(key), key.partition("/")[2]
        title = f"photo {photo_id}" if state is GONE else _title(state)
        _, answer = await api.call("POST", "/v1/searches", {"queries": [{"query": title, "per_page": 80}]})
        found = [one["title"] for one in answer["searches"][0]["results"] if one["id"] == photo_id]
        if found != ([] if state is GONE else [title]):
            ledger.broken.append(f"{when}: a search finds {photo_id} as {found}, and it is {said(state)}")
        status, _ = await api.call("GET", f"/v1/photos/{photo_id}/image")
        if status != (404 if state is GONE else 200):
            ledger.broken.append(f"{when}: the picture of {photo_id} is answered with {status}")


async def _photo(api: Caller, photo_id: str) -> str | None:
    status, told = await api.call("GET", f"/v1/photos/{photo_id}")
    return GONE if status == 404 else _state(told["title"], (told["width"], told["height"]))


def _key(photo_id: str) -> str:
    return f"photos/{photo_id}"


def _state(title: str, size: tuple[int, int]) -> str:
    return f"{title} ({size[0]}x{size[1]})"


def _title(state: str) -> str:
    return state.rpartition(" (")[0]


def _size(state: str | None) -> tuple[int, int]:
    if state is GONE:
        return SENT_PX
    width, _, height = state.rpartition(" (")[2].rstrip(")").partition("x")
    return int(width), int(height)


def _new_title(photo_id: str, dice: random.Random) -> str:
    return f"photo {photo_id} {''.join(dice.choices('bdfgklmnprst', k=8))}"


def _jpeg(size: tuple[int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (90, 120, 150)).save(buffer, "JPEG")
    return buffer.getvalue()
