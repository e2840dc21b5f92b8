"""PhotoStock: an erasure that comes twice, meets other writers, or is cut off, and what an old copy brings back."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import create_engine, insert, text

from common.erasing.background import Finishing
from common.erasing.second_copy import SecondCopy
from common.erasing.work import Erasing
from common.state.database import open_state
from common.state.erasures import ErasureStore
from photostock.catalogue import Catalogue, Photo
from photostock.erasing import SCOPE, again, erasing_of
from photostock.feedback.store import FeedbackStore, events
from photostock.settings import PhotoSettings

PERSON = "person_4711"
WISH = {"owner": "Eve", "reason": "wished by letter"}


def opened(var_dir: Path) -> tuple[Erasing, Catalogue]:
    settings = PhotoSettings(var_dir=var_dir)
    state = open_state(settings)
    SecondCopy(var_dir, SCOPE).adopt_key(state)
    FeedbackStore(state)
    catalogue = Catalogue(state)
    erasing = erasing_of(settings, state, catalogue)
    erasing.restore(again(erasing.store))
    return erasing, catalogue


def erased(erasing: Erasing, user_id: str) -> str:
    erasing.begin(user_id, **WISH)
    return erasing.finish([user_id])[0].state


def bob_saw_photos_of_the_person(erasing: Erasing) -> None:
    event = {"user_id": "bob", "at": "2026-11-20T12:00:00.000+00:00", "kind": "click", "photo_id": "p"}
    with erasing.engine.begin() as connection:
        connection.execute(insert(events).values(event | {"query": f"photos of {PERSON}"}))


def test_somebody_whom_an_event_of_others_names_once_more_can_be_erased_again(var_dir: Path) -> None:
    erasing, _ = opened(var_dir)
    for _ in range(2):
        bob_saw_photos_of_the_person(erasing)
        assert erased(erasing, PERSON) == "finished"
    with erasing.engine.connect() as connection:
        [query] = connection.execute(text("SELECT query FROM photostock_events")).scalars()
    assert query.startswith("photos of erased-")


class ChangedMeanwhile(Catalogue):
    """Somebody else writes in the moment before the names are taken out."""

    meanwhile: Callable[[], object] = staticmethod(lambda: None)

    def change(self, ids: Any, changed: Any) -> None:
        self.meanwhile()
        super().change(ids, changed)


def test_a_photo_that_is_deleted_or_edited_meanwhile_stays_so(var_dir: Path) -> None:
    erasing, catalogue = opened(var_dir)
    catalogue.add([Photo(one, title=f"with {PERSON} in it") for one in ("deleted", "edited", "neither")])
    writing = ChangedMeanwhile(erasing.engine)
    erasing.keeper = cast(Any, erasing_of(PhotoSettings(var_dir=var_dir), erasing.engine, writing).keeper)

    def meanwhile() -> None:
        catalogue.delete("deleted")
        catalogue.add([Photo("edited", title=f"better title, {PERSON}")])

    writing.meanwhile = meanwhile
    assert erased(erasing, PERSON) == "finished"
    titles = {photo.id: photo.title.partition("erased-")[0] for photo in catalogue.photos()}
    assert titles == {"edited": "better title, ", "neither": "with "}


def test_a_crash_right_after_the_rows_went_leaves_nothing_that_an_old_copy_brings_back(
    var_dir: Path, tmp_path: Path
) -> None:
    erasing, catalogue = opened(var_dir)
    catalogue.add([Photo("zed-77-photo", title="holiday"), Photo("q1", title="z", photographer="zed-77")])
    erasing.engine.dispose()
    shutil.copy(var_dir / "state.sqlite3", tmp_path / "old")

    class Crash(Exception):
        """The process ends."""

    def crash() -> None:
        raise Crash

    erasing.keeper.forget_in_memory = crash  # the first thing after the commit
    with pytest.raises(Crash):
        erasing.begin("zed-77", **WISH)
    key = str(SecondCopy(var_dir, SCOPE).key())
    assert [len(line.things) for line in SecondCopy(var_dir, SCOPE).lines(key)] == [2]
    erasing, _ = opened(var_dir)
    assert erased(erasing, "zed-77") == "finished"
    erasing.engine.dispose()
    shutil.copy(tmp_path / "old", var_dir / "state.sqlite3")
    _, catalogue = opened(var_dir)
    assert list(catalogue.photos()) == []


def test_whom_an_old_copy_brings_back_is_under_way_until_the_id_is_given_again(var_dir: Path, tmp_path: Path) -> None:
    erasing, _ = opened(var_dir)
    bob_saw_photos_of_the_person(erasing)
    erasing.engine.dispose()
    shutil.copy(var_dir / "state.sqlite3", tmp_path / "old")
    assert erased(erasing, PERSON) == "finished"
    erasing.engine.dispose()
    shutil.copy(tmp_path / "old", var_dir / "state.sqlite3")
    erasing, _ = opened(var_dir)
    assert [one.owner for one in erasing.pending()] == ["erased before"]
    assert erased(erasing, PERSON) == "finished"
    assert erasing.pending() == []


def test_a_database_that_has_another_key_waits_for_nobody_of_the_one_before(var_dir: Path) -> None:
    erasing, _ = opened(var_dir)
    assert erased(erasing, PERSON) == "finished"
    erasing.engine.dispose()
    moved = create_engine(f"sqlite:///{var_dir / 'moved.sqlite3'}")
    ErasureStore(moved, SCOPE)
    assert erasing_of(PhotoSettings(var_dir=var_dir), moved, Catalogue(moved)).restore(lambda *_: 0) == 0
    with moved.connect() as connection:
        assert ErasureStore(moved, SCOPE).known(connection) == {}
    moved.dispose()


def test_the_photo_with_the_number_of_a_user_stays_with_the_ban_on_it(var_dir: Path) -> None:
    erasing, catalogue = opened(var_dir)
    catalogue.add([Photo("1042", title="harbour", tags=("1042",)), Photo("theirs", title="b", photographer="1042")])
    assert erased(erasing, "1042") == "finished"
    assert [(photo.id, photo.tags) for photo in catalogue.photos()] == [("1042", ("1042",))]


def test_a_wish_in_the_middle_of_the_work_on_the_first_leaves_the_person_under_way(var_dir: Path) -> None:
    erasing, _ = opened(var_dir)
    erasing.begin(PERSON, **WISH)
    files, kept = erasing.keeper.remove_files, list[str]()

    def wished_again(pictures: Any, **more: Any) -> dict[str, int]:
        if not kept:
            kept.append(erasing.begin(PERSON, **WISH).certificate.begun_at)
        return files(pictures, **more)

    cast(Any, erasing.keeper).remove_files = wished_again
    assert [one.state for one in erasing.finish([PERSON])] == ["under_way"]
    assert [one.begun_at for one in erasing.pending()] == kept
    assert [one.state for one in erasing.finish([PERSON])] == ["finished"]


def test_an_erasure_that_does_not_end_is_told_after_a_restart_and_by_every_process(var_dir: Path) -> None:
    erasing, _ = opened(var_dir)
    erasing._now = lambda: datetime.now(UTC) - timedelta(hours=1)
    erasing.begin(PERSON, **WISH)
    restarted, _ = opened(var_dir)
    finishing = Finishing(restarted, cast(Any, None), cast(Any, None))
    finishing.refresh()
    assert (finishing.under_way, finishing.trouble) == (1, "erasures that do not end: 1; give the ids again")
    restarted.begin(PERSON, **WISH)
    restarted.finish([PERSON])
    finishing.refresh()
    assert (finishing.under_way, finishing.trouble) == (0, None)
