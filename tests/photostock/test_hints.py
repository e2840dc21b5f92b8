"""The knowledge base: what each kind of hint makes of a query."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text, update

from photostock.hints import Hint, Hints, HintStore
from photostock.hints import store as hint_store
from photostock.hints.recent import RecentQueries
from photostock.hints.rewriting import MAX_QUERY_CHARS, SPELLING, Change, hints_behind, rewrite
from photostock.hints.rules import HintKind
from photostock.moments import moment


def hint(when: str, then: str = "", kind: HintKind = "synonym", *, both_ways: bool = False) -> Hint:
    return Hint(f"{when}→{then}", when, then, "Ann", "a test", "", kind, both_ways)


def read(query: str, *hints: Hint) -> str:
    return rewrite(query, Hints(hints), None).text


def test_a_synonym_adds_its_words_once() -> None:
    pooch = hint("pooch", "dog")
    assert read("My POOCH runs", pooch) == "My POOCH runs dog"
    assert read("pooch and dog", pooch, pooch) == "pooch and dog"
    assert read("pooches", pooch) == "pooches"
    assert read("dog", pooch) == "dog"
    assert read("dog", hint("pooch", "dog", both_ways=True)) == "dog pooch"


def test_a_replacement_takes_the_place_of_the_longest_phrase() -> None:
    hints = [hint("hot dog", "sausage", "replacement"), hint("dog", "hound", "replacement")]
    assert read("a Hot dog, a dog.", *hints) == "a sausage, a hound."
    assert read("nyc at night", hint("nyc", "new york", "replacement")) == "new york at night"


def test_hints_apply_to_what_was_meant_and_never_to_each_other() -> None:
    circle = [hint("a1", "b1"), hint("b1", "a1"), hint("c1", "d1", "replacement"), hint("d1", "c1", "replacement")]
    assert read("a1", *circle) == "a1 b1"
    assert read("c1 d1", *circle) == "d1 c1"
    assert read("nyc", hint("nyc", "new york", "replacement"), hint("new york", "manhattan")) == "new york manhattan"


def test_accents_and_composed_letters_make_no_difference() -> None:
    assert read("Cafe\u0301 at night", hint("cafe", "coffee")) == "Caf\u00e9 at night coffee"
    assert read("москва ночью", hint("МОСКВА", "moscow", "replacement")) == "moscow ночью"


def test_what_does_not_fit_is_left_out_as_a_whole() -> None:
    hints = [hint("dog", f"word{number} " + "x" * 190) for number in range(9)]
    longer = read("dog", *hints)
    assert len(longer) <= MAX_QUERY_CHARS
    assert longer.endswith("x" * 190)


def test_every_change_is_told_with_its_hint() -> None:
    [change] = rewrite("NYC at night", Hints((hint("nyc", "new york", "replacement"),)), None).shown()
    assert (change["id"], change["kind"], change["from"], change["to"]) == (
        "nyc→new york",
        "replacement",
        "NYC",
        "new york",
    )


@pytest.mark.parametrize("typed", ["a hot dog", "a dog", "a puppy"])
@pytest.mark.parametrize("pair", [("hot dog", "dog"), ("dog", "puppy"), ("guide dog", "puppy"), ("superdog", "dog")])
def test_the_hints_behind_changes_make_the_same_changes_again(typed: str, pair: tuple[str, str]) -> None:
    hints = Hints((hint(*pair, both_ways=True),))
    made = rewrite(typed, hints, None)
    assert rewrite(typed, hints_behind(made.changes, [typed]), None) == made


def test_spelling_leaves_alone_what_it_left_alone_but_for_words_of_a_hint_that_is_left_out() -> None:
    spelt = [Change(SPELLING, SPELLING, "dgo", "dog", "dgo", "dog"), Change("1", "synonym", "soffa", "couch", "", "")]
    hints = hints_behind(spelt, ["Dgo on Soffas", "my soffa"], left_out=["1"])
    assert hints.never_corrected == {"on", "soffas", "my"}
    assert hints.version == "none"


def test_the_version_changes_with_each_hint_and_comes_back() -> None:
    none, one = Hints(), Hints((hint("a", "b"),))
    two = one.with_hint(hint("c", "d"))
    assert none.version == "none"
    assert len({none.version, one.version, two.version, Hints((hint("a", "b", "replacement"),)).version}) == 4
    assert two.without("c→d").version == one.version


def test_hints_outlive_the_process_end_by_themselves_and_leave_a_history(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'state.sqlite3'}")
    store = HintStore(engine)
    now = datetime.now(UTC)
    kept = store.add(hint("nyc", "new york", "replacement"))
    for days in (-1, 1):
        end = moment(now + timedelta(days=days))
        store.add(Hint("", "sale", f"{days}", "Ann", "a test", "", ends_at=end))
    assert [one.then for one in HintStore(engine).all().hints] == ["new york", "1"]
    assert store.remove(kept.id, who="Ben")
    assert not store.remove(kept.id)
    newest = store.history(limit=1)[0]
    assert (newest["action"], newest["who"], newest["hint"]["when"]) == ("removed", "Ben", "nyc")
    assert len(store.history()) == 4


def test_every_change_is_a_version_and_taking_it_back_brings_the_one_before(tmp_path: Path) -> None:
    store = HintStore(create_engine(f"sqlite:///{tmp_path / 'state.sqlite3'}"))
    store.add(hint("couch", "sofa"))
    before = store.all()
    made = store.add(hint("nyc", "new york", "replacement"))
    after = store.all()
    assert store.undo(store.history(limit=1)[0]["id"], who="Ben", reason="it finds nothing")
    assert store.all() == before
    with pytest.raises(ValueError, match="gone already"):
        store.undo(store.history()[1]["id"])
    assert store.undo(store.history(limit=1)[0]["id"], who="Ann")
    assert store.all() == after
    told = [(change["action"], change["who"], change["reason"], change["version"]) for change in store.history()]
    assert told == [
        ("restored", "Ann", "", after.version),
        ("removed", "Ben", "it finds nothing", before.version),
        ("added", "Ann", "", after.version),
        ("added", "Ann", "", before.version),
    ]
    assert store.history()[0]["hint"]["id"] == made.id
    assert not store.undo("nothing")


def test_hints_that_have_ended_leave_room_for_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hint_store, "MAX_HINTS", 2)
    store = HintStore(create_engine(f"sqlite:///{tmp_path / 'state.sqlite3'}"))
    ended = moment(datetime.now(UTC) - timedelta(days=1))
    for number in range(4):
        store.add(Hint("", f"sale {number}", "shop", "Ann", "a test", "", ends_at=ended))
    store.add(hint("nyc", "new york"))
    store.add(hint("couch", "sofa"))
    with pytest.raises(ValueError, match="already"):
        store.add(hint("one", "more"))
    assert len(store.history()) == 6


@pytest.mark.parametrize("column", ["when", "then", "owner", "reason"])
def test_a_hint_that_lost_a_name_is_read_again_and_else_what_is_known_stays(tmp_path: Path, column: str) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'state.sqlite3'}")
    store = HintStore(engine)
    store.add(hint("zoë", "photographer"))
    known = store.all()
    assert store.all(known) is known
    with engine.begin() as connection:
        connection.execute(update(hint_store.table).values({column: "erased-1"}))
    assert [getattr(one, column) for one in store.all(known).hints] == ["erased-1"]


def test_an_end_without_a_zone_is_utc_wherever_the_server_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    try:
        assert moment(datetime(2026, 6, 1, 12)) == "2026-06-01T12:00:00.000+00:00"  # noqa: DTZ001  as a caller may
    finally:
        monkeypatch.undo()
        time.tzset()


def test_hints_of_an_earlier_version_are_synonyms(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'state.sqlite3'}")
    with engine.begin() as connection:
        columns = (
            '"id" VARCHAR(32) PRIMARY KEY, "when" TEXT, "then" TEXT, "owner" TEXT, "reason" TEXT, "created_at" TEXT'
        )
        connection.execute(text(f"CREATE TABLE photostock_hints ({columns})"))
        connection.execute(text("INSERT INTO photostock_hints VALUES ('1', 'pooch', 'dog', 'Ann', 'old', '2026')"))
    [old] = HintStore(engine).all().hints
    assert (old.kind, old.both_ways, old.ends_at) == ("synonym", False, None)


@pytest.mark.parametrize("count", [3, 5])
def test_recent_queries_are_bounded_and_forgotten_on_demand(count: int) -> None:
    recent = RecentQueries(most=count)
    for number in range(10):
        recent.note(f"query {number}")
    recent.note("query 9")
    assert recent.newest() == [f"query {number}" for number in range(9, 10 - count, -1)]
    recent.forget()
    assert recent.newest() == []
