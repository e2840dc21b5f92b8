"""Events of people: kept once, bounded, reported, and forgotten without a trace when somebody wishes it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from sqlalchemy import Engine, create_engine, insert, select, text
from sqlalchemy.event import listen
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from common.state.database import open_state
from photostock.contract import Event
from photostock.feedback import showings
from photostock.feedback.learning import clicked_queries, with_clicked
from photostock.feedback.report import feedback_report, wilson
from photostock.feedback.store import FeedbackStore, _row, events
from photostock.feedback.terminal import render
from photostock.moments import moment
from photostock.photo import Photo
from photostock.settings import PhotoSettings
from tests.postgres_server import postgres_server

NOW = datetime(2026, 6, 10, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """The state database of either kind, empty."""
    url = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    engine = open_state(PhotoSettings(var_dir=tmp_path, database_url=url))
    yield engine
    if url:
        with engine.begin() as connection:
            for table in ("photostock_events", "erasures", "erasure_keys"):
                connection.execute(text(f"DROP TABLE IF EXISTS {table}"))
    engine.dispose()


@pytest.fixture
def store(engine: Engine) -> FeedbackStore:
    return FeedbackStore(engine, now=lambda: NOW)


def event(**fields: Any) -> Event:
    usual = {"query": "dog", "photo_id": "p1", "kind": "click", "user_id": "ann", "at": NOW}
    return Event.model_validate(usual | fields)


def test_the_same_moment_in_another_time_zone_is_the_same_event(store: FeedbackStore) -> None:
    elsewhere = NOW.astimezone(timezone(timedelta(hours=9)))
    store.record([event(), event(at=elsewhere), event(at=NOW.replace(tzinfo=None))])
    store.record([event(at=elsewhere, position=3)])
    assert store.count() == 1


def test_a_replayed_thousand_changes_nothing(store: FeedbackStore) -> None:
    thousand = [event(photo_id=f"p{number}", position=number % 50 + 1) for number in range(1_000)]
    for _ in range(3):
        store.record(thousand)
    assert store.count() == 1_000


def test_events_older_than_allowed_are_dropped_when_they_arrive_and_when_they_age(engine: Engine) -> None:
    now = NOW
    store = FeedbackStore(engine, keep_days=30, now=lambda: now)
    store.record([event(), event(at=NOW - timedelta(days=31))])
    assert store.count() == 1
    now = NOW + timedelta(days=31)
    assert store.tidy() == 1


def test_of_too_many_events_the_oldest_go(engine: Engine) -> None:
    store = FeedbackStore(engine, keep_rows=20, now=lambda: NOW)
    for number in range(60):
        store.record([event(at=NOW - timedelta(minutes=60 - number))])
        assert store.count() <= 21
    with engine.connect() as connection:
        assert min(connection.execute(select(events.c.at)).scalars()) >= "2026-06-10T11:38"


def test_of_too_many_events_of_one_moment_only_the_surplus_goes(engine: Engine) -> None:
    store = FeedbackStore(engine, keep_rows=1_000, now=lambda: NOW)
    store.record([event(at=NOW - timedelta(minutes=1)), event(at=NOW + timedelta(minutes=1))])
    for batch in range(3):
        store.record([event(photo_id=f"p{batch}-{number:03}") for number in range(400)])
    store.tidy()
    with engine.connect() as connection:
        kept = sorted(connection.execute(select(events.c.photo_id)).scalars())
    assert len(kept) == 1_000
    assert kept.count("p1") == 1, "the newer one"
    assert store.tidy() == 0


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)  # in SQLite writers wait for each other
def test_events_that_another_process_stores_while_the_surplus_goes_are_no_trouble(
    engine: Engine,
) -> None:
    store = FeedbackStore(engine, keep_rows=20, now=lambda: NOW)
    late = [_row(event(photo_id=f"late{number}", at=NOW + timedelta(minutes=1))) for number in range(3)]
    elsewhere = create_engine(engine.url)

    def meanwhile(connection: object, cursor: object, statement: str, parameters: dict[str, Any], *_: object) -> None:
        if statement.startswith("DELETE") and moment(NOW - timedelta(minutes=20)) in parameters.values() and late:
            with elsewhere.begin() as other:
                other.execute(insert(events), late)
            late.clear()

    listen(engine, "before_cursor_execute", meanwhile)
    store.record([event(at=NOW - timedelta(minutes=number)) for number in range(21)])
    elsewhere.dispose()
    assert late == []
    assert store.count() == 23
    assert store.tidy() == 3


def test_events_are_stored_also_where_the_database_refuses_to_tidy_up(store: FeedbackStore) -> None:
    def refuse(connection: object, cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("DELETE"):
            raise OperationalError(statement, None, Exception("locked"))

    listen(store.engine, "before_cursor_execute", refuse)
    with capture_logs() as logs:
        store.record([event()])
    assert [line["event"] for line in logs] == ["feedback.not_tidied"]
    assert store.count() == 1


def test_a_table_of_an_earlier_version_gets_the_new_columns(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'old.sqlite3'}")
    with engine.begin() as connection:
        connection.execute(
            text(
                "CREATE TABLE photostock_events (user_id VARCHAR(200), at VARCHAR(40), kind VARCHAR(20), "
                "photo_id VARCHAR(128), query VARCHAR(300), PRIMARY KEY (user_id, at, kind, photo_id, query))"
            )
        )
        connection.execute(text("INSERT INTO photostock_events VALUES ('a', '2026-06-10T12:00', 'click', 'p', 'q')"))
    for _ in range(2):
        FeedbackStore(engine, now=lambda: NOW).record([event(position=2, served_by="lexical")])
    assert FeedbackStore(engine, now=lambda: NOW).count() == 2


def test_click_through_counts_a_person_once_a_day_and_only_what_was_shown(store: FeedbackStore) -> None:
    shown = [event(kind="impression", user_id=f"u{n}", position=1, served_by="semantic") for n in range(4)]
    again = [event(kind="impression", user_id="u0", at=NOW + timedelta(minutes=5), position=2, served_by="semantic")]
    clicks = [event(user_id="u0", at=NOW + timedelta(seconds=n), position=1) for n in range(5)]
    unseen = [event(user_id="u9", position=1)]
    store.record([*shown, *again, *clicks, *unseen, event(kind="download", user_id="u1")])
    report = feedback_report(store.engine)
    assert (report.whole.shown, report.whole.clicked, report.whole.downloaded) == (4, 2, 1)
    assert report.by_position.keys() == {"1"}
    assert report.by_tier["semantic"].click_through == 0.5
    assert report.events == {"impression": 5, "click": 6, "download": 1}


def test_a_showing_is_of_the_tier_that_showed_the_photo_at_its_best_place(store: FeedbackStore) -> None:
    places = {"lexical": 7, "reranker": 2, "popular": None, "semantic": 2}
    seen = [
        event(kind="impression", position=place, served_by=tier, at=NOW + timedelta(seconds=second))
        for second, (tier, place) in enumerate(places.items())
    ]
    store.record([*seen, event(served_by="lexical", position=1, at=NOW + timedelta(minutes=1))])
    report = feedback_report(store.engine)
    assert {tier: rate.clicked for tier, rate in report.by_tier.items()} == {"reranker": 1}
    assert report.by_position.keys() == {"2"}


def test_a_report_holds_the_days_that_were_asked_for(store: FeedbackStore) -> None:
    store.record([event(kind="impression", position=1, at=NOW - timedelta(days=days)) for days in range(5)])
    report = feedback_report(store.engine, first=date(2026, 6, 7), last=date(2026, 6, 8))
    assert report.whole.shown == 2
    assert report.as_json()["first_day"] == "2026-06-07"


def test_blocks_are_small_and_a_person_who_lies_on_the_border_of_two_counts_once(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FeedbackStore(engine, now=lambda: NOW)
    seen = [event(kind="impression", user_id=f"u{n // 3}", position=n % 3 + 1) for n in range(300)]
    store.record([*seen, *(event(user_id=f"u{n}") for n in range(100))])
    whole = feedback_report(engine)
    monkeypatch.setattr(showings, "BLOCK_ROWS", 7)
    assert feedback_report(engine) == whole
    assert max(map(len, showings._blocks(engine, None, None))) <= 7 + 4


def test_the_interval_of_a_share_holds_it_and_narrows_with_counts() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(3, 10)[0] < 0.3 < wilson(3, 10)[1]
    few, many = wilson(3, 10), wilson(300, 1_000)
    assert many[1] - many[0] < few[1] - few[0]


def test_the_report_is_printed(store: FeedbackStore) -> None:
    store.record([event(kind="impression", position=1, served_by="reranker"), event()])
    console = Console(record=True, width=120)
    render(feedback_report(store.engine), console)
    printed = console.export_text()
    assert "reranker" in printed
    assert "100.0 %" in printed


def chosen_by(people: int, **fields: Any) -> list[Event]:
    return [
        event(user_id=f"u{number}", kind=kind, **{"position": 1, **fields})
        for number in range(people)
        for kind in ("impression", "click")
    ]


def test_what_fewer_than_three_people_chose_is_not_learned_from(store: FeedbackStore) -> None:
    store.record([*chosen_by(2, query="ann's secret"), *chosen_by(3, query="Dog  on", photo_id="p2")])
    assert [(one.query, one.photo_id) for one in clicked_queries(store.engine)] == [("dog  on", "p2")]


def test_clicked_queries_stand_behind_a_photos_own(store: FeedbackStore) -> None:
    store.record([*chosen_by(3), *chosen_by(3, photo_id="gone")])
    photos = [Photo("p1", "A dog", queries=("hound",)), Photo("p2", "A cat")]
    first, second = with_clicked(photos, clicked_queries(store.engine))
    assert first.queries == ("hound", "dog")
    assert second is photos[1]


def test_a_forgotten_persons_events_are_gone_and_do_not_come_back(store: FeedbackStore) -> None:
    store.record([event(user_id="ann-17"), event(user_id="bob")])
    line, gone = store.erase("ann-17", owner="Eve", reason="wished by letter")
    assert (gone, line.rows) == (1, 1)
    store.record([event(user_id="ann-17"), event(user_id="ann-17", at=NOW - timedelta(days=3))])
    assert store.count() == 1
    again, none = store.erase("ann-17", owner="Eve", reason="wished by letter")
    assert (none, again.rows, again.person) == (0, 1, line.person)
    assert [one.person for one in store.erasures.all()] == [line.person]


def test_a_person_who_comes_back_later_is_a_person_again(store: FeedbackStore) -> None:
    store.erase("ann", owner="Eve", reason="wished by letter")
    store.record([event(at=NOW + timedelta(hours=1))])
    assert store.count() == 1


def test_nothing_that_is_trained_with_afterwards_knows_a_forgotten_person(store: FeedbackStore) -> None:
    store.record(chosen_by(3))
    assert len(clicked_queries(store.engine)) == 1
    store.erase("u1", owner="Eve", reason="wished by letter")
    assert clicked_queries(store.engine) == []


def test_an_audit_line_never_names_the_person(store: FeedbackStore) -> None:
    store.record([event(user_id="ann-17")])
    with pytest.raises(ValueError, match="must not name"):
        store.erase("ann-17", owner="Eve", reason="Ann-17 wished it")
    assert store.count() == 1, "nothing is half done"
    line, _ = store.erase("ann-17", owner="Eve", reason="planning of Ann-170")
    assert "ann-17" not in str(line).replace("Ann-170", "")


def test_not_one_byte_of_a_forgotten_person_stays_in_the_files(tmp_path: Path) -> None:
    engine = open_state(PhotoSettings(var_dir=tmp_path))
    store = FeedbackStore(engine, now=lambda: NOW)
    name = "somebody-quite-unmistakable"
    store.record([event(user_id=name, photo_id=f"p{n}") for n in range(500)])
    store.record([event(user_id="bob", photo_id=f"p{n}") for n in range(500)])
    files = list(tmp_path.glob("state.sqlite3*"))
    assert any(name.encode() in file.read_bytes() for file in files), "else this proves nothing"
    store.erase(name, owner="Eve", reason="wished by letter")
    assert [file.name for file in tmp_path.glob("**/*") if file.is_file() and name.encode() in file.read_bytes()] == []
    engine.dispose()
