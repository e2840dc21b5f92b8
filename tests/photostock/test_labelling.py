"""Operators' decisions about searches as labels: what people's clicks say of them, and what a training learns of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine

from common.overrides.agreements import Agreement, Agreements, sentence
from common.state.database import open_state
from common.state.overrides import Override, OverrideStore
from photostock.contract import Event
from photostock.feedback.override_truths import LEAST_LOOKS, truths
from photostock.feedback.store import FeedbackStore
from photostock.hints import HintStore
from photostock.hints.rules import Hint
from photostock.labels import labelling
from photostock.labels.labelling import Labelled, labels_in_force
from photostock.labels.pairs import LabelledPair, bounded, provenance
from photostock.labels.retiring import FAR_DOWN, agreement_of, keep
from photostock.overriding import Decision
from photostock.photo import Photo
from photostock.reranker.lists import WRONG_ANSWERS, ListMaker
from photostock.reranker.split import Split
from photostock.settings import PhotoSettings
from tests.photostock.conftest import WordEncoder
from tests.photostock.test_api import ADMIN, service
from tests.photostock.tiny_model import photos
from tests.waiting import eventually

NOW = datetime(2026, 6, 20, 12, tzinfo=UTC)
MADE = datetime(2026, 6, 10, 12, tzinfo=UTC)
FOUR = [Photo(id=name, title=f"A dog called {name}") for name in "abcd"]


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Engine]:
    engine = open_state(PhotoSettings(var_dir=tmp_path))
    FeedbackStore(engine)  # its table
    yield engine
    engine.dispose()


def decided(state: Engine, effect: str, photo_id: str, query: str | None, owner: str = "Ann", **more: Any) -> Override:
    value = {"effect": effect, "photo_id": photo_id, "query": query, "value": 1 if effect != "ban" else None}
    ends_at = more.pop("ends_at", NOW + timedelta(days=30))
    target, now = f"{photo_id}\n{query}", more.pop("made", MADE)
    return OverrideStore(state, "photostock").add(
        target, value, owner=owner, reason="because", ends_at=ends_at, now=now, **more
    )


def people_saw(
    state: Engine, query: str, photo_id: str, *, position: int, clicks: int, day: datetime, people: int = 40
) -> None:
    """So many people saw the photo there that day, and the first `clicks` of them clicked it."""
    store = FeedbackStore(state, now=lambda: NOW)
    usual: dict[str, Any] = {"query": query, "photo_id": photo_id, "position": position, "at": day}
    shown = [Event(**usual, kind="impression", user_id=f"u{one}") for one in range(people)]
    store.record([*shown, *(Event(**usual, kind="click", user_id=f"u{one}") for one in range(clicks))])


def pairs_of(made: Labelled) -> dict[tuple[str, str], bool]:
    return {(pair.query, pair.photo_id): pair.right for pair in made.pairs}


def test_the_truth_of_a_pin_is_its_photos_attraction_in_force_beside_before_and_beside_others(state: Engine) -> None:
    pin = decided(state, "pin", "d", "Dog!")
    after, before = MADE + timedelta(days=3), MADE - timedelta(days=3)
    people_saw(state, "DOG ", "d", position=1, clicks=10, day=after)
    people_saw(state, "dog", "a", position=2, clicks=20, day=after, people=80)  # half as often looked at
    people_saw(state, "dog", "a", position=1, clicks=30, day=before)
    people_saw(state, "dog", "d", position=4, clicks=0, day=before)
    people_saw(state, "dog", "d", position=1, clicks=40, day=MADE)  # of that day nobody knows what was in force
    people_saw(state, "cat", "d", position=1, clicks=40, day=after)
    told = truths(state, OverrideStore(state, "photostock").in_force(now=NOW), today=NOW.date())[pin.id]
    assert (told["shown"], told["clicked"]) == (40, 10)
    assert (told["shown_before"], told["clicked_before"]) == (40, 0)
    assert (told["shown_others"], told["clicked_others"]) == (80, 20)
    assert told["attraction"] == pytest.approx(0.25, rel=0.05)
    assert told["attraction_others"] > told["attraction"]
    assert told["was_right"] is False


def test_a_ban_was_right_if_people_liked_the_photo_less_than_the_others_before_it(state: Engine) -> None:
    ban = decided(state, "ban", "d", "dog")
    before = MADE - timedelta(days=3)
    people_saw(state, "dog", "d", position=1, clicks=2, day=before)
    people_saw(state, "dog", "a", position=2, clicks=20, day=before)
    told = truths(state, OverrideStore(state, "photostock").in_force(now=NOW), today=NOW.date())[ban.id]
    assert told["was_right"] is True
    assert told["attraction"] is None


def test_before_there_are_enough_looks_nothing_is_said_of_who_was_right(state: Engine) -> None:
    few = int(LEAST_LOOKS) - 1
    pin, everywhere = decided(state, "pin", "d", "dog"), decided(state, "promote", "a", None)
    for place, photo in enumerate("da", start=1):
        people_saw(state, "dog", photo, position=place, clicks=5, day=MADE + timedelta(days=2), people=few)
    found = truths(state, OverrideStore(state, "photostock").in_force(now=NOW), today=NOW.date())
    assert found[pin.id]["was_right"] is None
    assert everywhere.id not in found


def test_pins_promotions_and_bans_become_pairs_with_their_decisions_and_owners(state: Engine) -> None:
    pin = decided(state, "pin", "a", "Good dogs")
    also = decided(state, "promote", "a", "good dogs", owner="Ben")
    decided(state, "ban", "b", "good dogs")
    decided(state, "ban", "c", None)  # about no query
    decided(state, "pin", "gone", "good dogs")
    made = labels_in_force(state, FOUR, now=NOW)
    assert {(one.query.lower(), one.photo_id): one.right for one in made.pairs} == {
        ("good dogs", "a"): True,
        ("good dogs", "b"): False,
    }
    best = made.pairs[0]
    assert (best.photo_id, best.sources, best.owners) == ("a", tuple(sorted([pin.id, also.id])), ("Ann", "Ben"))
    assert best.weight > made.pairs[1].weight == pytest.approx(0.7)
    assert [one.name for one in made.standings] == ["ban by Ann", "pin by Ann", "promote by Ben"]


def test_what_was_withdrawn_is_not_taught_but_what_ended_or_was_learnt_is(state: Engine) -> None:
    store, agreements = OverrideStore(state, "photostock"), Agreements(state, "photostock")
    over = decided(state, "pin", "a", "ended", ends_at=MADE + timedelta(days=1))
    wrong, learnt, mistaken = (decided(state, "pin", "a", query) for query in ("wrong", "learnt", "mistaken"))
    keep(agreements, [Agreement(one.id, "1.0.0", 1, 1.0, True) for one in (learnt, mistaken)], store)
    for one, why in ((wrong, "another one"), (learnt, "the model says it"), (mistaken, "Mistake: it is a cat")):
        assert store.withdraw(one.id, now=NOW - timedelta(days=1), why=why)
    assert pairs_of(labels_in_force(state, FOUR, now=NOW)) == {("ended", "a"): True, ("learnt", "a"): True}
    keep(agreements, [Agreement(over.id, "1.1.0", 1, 2.0, False)], store)  # the next one is asked of those in force
    assert ("learnt", "a") in pairs_of(labels_in_force(state, FOUR, now=NOW))


def test_clicks_overrule_opinions_and_tell_how_often_each_is_right(state: Engine) -> None:
    for photo in "abc":
        decided(state, "pin", photo, "dog")
        decided(state, "pin", photo, f"dog {photo}", owner="Ben")
        people_saw(state, "dog", photo, position=1, clicks=0, day=MADE)
        people_saw(state, f"dog {photo}", photo, position=1, clicks=20, day=MADE)
    decided(state, "pin", "d", "unknown", owner="Ben")
    decided(state, "pin", "d", "dog")
    made = labels_in_force(state, FOUR, now=NOW)
    accuracy = {one.name: (one.compared, one.accuracy) for one in made.standings}
    assert accuracy == {"pin by Ann": (3, 0.0), "pin by Ben": (3, 1.0)}
    assert (made.spoken_of, made.known, made.foretold) == (8, 6, 3)
    taught = pairs_of(made)
    assert ("unknown", "d") in taught
    assert not any(query == "dog" for query, _ in taught)


def test_who_is_at_odds_teaches_nothing(state: Engine) -> None:
    decided(state, "pin", "a", "dog")
    decided(state, "ban", "a", "dog", owner="Ben", ends_at=MADE + timedelta(days=1))
    made = labels_in_force(state, FOUR, now=NOW)
    assert made.pairs == []
    assert [one.conflicts for one in made.standings] == [1.0, 1.0]


def test_a_hint_speaks_of_searches_for_its_words_alone_and_of_photos_that_somebody_saw(state: Engine) -> None:
    hint = Hint("", "puppy", "dog", "Eve", "they are", "", both_ways=True)
    HintStore(state).add(hint)
    seen = [Photo("a", "A dog"), Photo("b", "A cat"), Photo("c", "A dog as well"), Photo("d", "A puppy")]
    for photo in "ab":
        people_saw(state, "puppy", photo, position=1, clicks=1, day=MADE, people=5)
        people_saw(state, "puppy at sea", photo, position=1, clicks=1, day=MADE, people=5)
    people_saw(state, "dog", "d", position=1, clicks=1, day=MADE, people=5)
    made = labels_in_force(state, seen, now=NOW)
    assert pairs_of(made) == {("dog", "d"): True, ("puppy", "a"): True}
    assert [one.name for one in made.standings] == ["synonym by Eve"]


def test_of_those_who_are_counted_together_the_newest_vote_about_a_pair_is_heard(
    state: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labelling, "MOST_FUNCTIONS", 0)
    decided(state, "ban", "a", "dog", made=MADE - timedelta(days=1))
    decided(state, "pin", "a", "dog", owner="Ben")
    assert pairs_of(labels_in_force(state, FOUR, now=NOW)) == {("dog", "a"): True}


def pair(query: str, photo_id: str, *, right: bool = True, weight: float = 1.0) -> LabelledPair:
    return LabelledPair(query, photo_id, right, weight, ("0" * 16,), ("Ann",))


def test_labels_of_right_answers_weigh_a_fifth_of_the_whole_at_most() -> None:
    pairs = [pair("dog", str(number)) for number in range(100)]
    made = bounded(pairs, known=40)
    assert sum(one.weight for one in made) == pytest.approx(10)
    assert bounded(pairs[:10], known=40) == pairs[:10]


def test_a_manifest_keeps_ids_of_decisions_and_no_name_query_or_photo() -> None:
    told = provenance([pair("dogs of Ann", "a"), pair("cat", "b", right=False)])
    assert (told["rows"], told["functions"]) == (2, ["0" * 16])
    assert "Ann" not in str(told)
    assert told["fingerprint"] != provenance([pair("dogs of Ann", "a")])["fingerprint"]


def test_a_labelled_photo_is_learnt_from_wherever_chance_put_it_and_tunes_nothing() -> None:
    split = Split.of(photos(), seed=1)
    used = {photo.id for photo in split.photos}
    left_out, tuned = next(photo.id for photo in photos() if photo.id not in used), split.tuning[0].id
    never_asked = Photo("mute", "A dog")
    made = Split.of([*photos(), never_asked], seed=1, labelled={left_out, tuned, "mute"})
    assert {left_out, tuned, "mute"} <= {photo.id for photo in made.learning}
    assert not {photo.id for photo in made.tuning} & {photo.id for photo in made.learning}
    assert len(made.tuning) == len(split.tuning)


@pytest.mark.parametrize("left", [0, 1, 3])
def test_where_nearly_every_photo_is_labelled_there_is_still_something_to_tune_with(left: int) -> None:
    drawn = Split.of(photos(), seed=1)
    kept = {photo.id for photo in drawn.photos[:left]}
    made = Split.of(photos(), seed=1, labelled={photo.id for photo in photos()} - kept)
    tuned = {photo.id for photo in made.tuning}
    assert kept <= tuned
    assert len(tuned) == len(drawn.tuning)
    assert {photo.id for photo in made.learning} == {photo.id for photo in photos()} - tuned


def test_a_training_list_has_the_labels_weight_and_the_photos_that_people_said_are_wrong() -> None:
    some = [replace(photo, queries=()) for photo in photos()[:40]]
    some[0] = replace(some[0], queries=("red dog",))
    labels = [pair("Red, dog.", some[7].id, weight=0.7), pair("réd dog!", some[39].id, right=False), pair("x", "gone")]
    maker = ListMaker(some, WordEncoder(), labels=labels)
    assert len(maker) == 2
    for seed in range(5):
        own, labelled = maker.for_training([0, 1], np.random.default_rng(seed))
        assert (own.weight, labelled.weight) == (1.0, 0.7)
        for one, right in ((own, 0), (labelled, 7)):
            assert one.texts[0] == some[right].text
            assert some[39].text in one.texts[1:]
            assert len(one.texts) == 1 + WRONG_ANSWERS
            assert not {some[0].text, some[7].text} & set(one.texts[1:])


@pytest.mark.parametrize(
    ("effect", "value", "enough", "too_little"),
    [("pin", 3, 3, 4), ("promote", 5, 1, 2), ("ban", None, FAR_DOWN + 1, FAR_DOWN)],
)
def test_a_pin_is_met_by_its_place_a_promotion_by_the_first_and_a_ban_by_one_far_down(
    effect: str, value: int | None, enough: int, too_little: int
) -> None:
    ends_at = "2099-01-01T00:00:00.000+00:00"
    told = {"effect": effect, "photo_id": "a", "query": "dog", "value": value}
    one = Override("0" * 16, "a\ndog", told, "Ann", "why", ends_at, ends_at)
    decision = Decision.of(one)
    assert decision is not None
    met, missed = (agreement_of(one, decision, place, "1.0.0") for place in (enough, too_little))
    assert (met.agrees, missed.agrees) == (True, False)
    assert sentence(asdict(met)) == "1.0.0 says 1.00 of it by itself"


async def test_the_list_and_the_page_tell_what_people_did_while_a_pin_was_in_force(var_dir: Path) -> None:
    now = datetime.now(UTC)
    state = open_state(PhotoSettings(var_dir=var_dir))
    store, events = OverrideStore(state, "photostock"), FeedbackStore(state)
    value = {"effect": "pin", "photo_id": "park-dog", "query": "dog", "value": 1}
    usual: dict[str, Any] = {"owner": "Ann", "reason": "because", "ends_at": now + timedelta(days=9)}
    store.add("park-dog\ndog", value, **usual, now=now - timedelta(days=9))
    seen: dict[str, Any] = {"query": "dog", "photo_id": "park-dog", "position": 1, "at": now - timedelta(days=3)}
    events.record([Event(**seen, kind="impression", user_id=f"u{one}") for one in range(30)])
    events.record([Event(**seen, kind="click", user_id=f"u{one}") for one in range(6)])
    state.dispose()
    async with service(var_dir) as client:

        async def told() -> Any:
            [one] = (await client.get("/v1/admin/overrides", headers=ADMIN)).json()["overrides"]
            return one["truth"]

        truth = await eventually(told)
        assert (truth["shown"], truth["clicked"], truth["attraction"], truth["was_right"]) == (30, 6, 0.2, None)
        await client.post("/admin/login", data={"token": "operator-token"}, headers={"Sec-Fetch-Site": "same-origin"})
        assert "6 of 30 clicked it" in (await client.get("/admin/overrides")).text
