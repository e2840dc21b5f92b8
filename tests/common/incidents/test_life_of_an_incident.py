"""How alerts that come back, hide each other or are never ended move an incident, and what is left to people."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, select, text
from sqlalchemy.exc import SQLAlchemyError

from common.incidents.rules import REPEAT_S
from common.incidents.store import NOT_REPEATED, Conflict, Incident, IncidentStore, State
from common.incidents.tables import alerts
from common.incidents.watch import probe_writing
from common.incidents.webhook import Told, iso
from common.settings import ServiceSettings
from common.state.database import open_state
from tests.postgres_server import postgres_server

BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class Shop:
    """A store whose clock is moved by hand."""

    engine: Engine
    now: list[datetime] = field(default_factory=lambda: [BEGAN])

    def __post_init__(self) -> None:
        self.steady_s = [0.0]
        self.store = self.started()

    def started(self) -> IncidentStore:
        return IncidentStore(self.engine, clock=lambda: self.now[0], steady_s=lambda: self.steady_s[0])

    def later(self, seconds: float) -> None:
        self.now[0] += timedelta(seconds=seconds)
        self.steady_s[0] += seconds

    def watched(self, seconds: float) -> None:
        for _ in range(0, int(seconds) + 1, 30):
            self.store.expire()
            self.later(30)

    def tell(self, name: str = "RequestsFail", *, ended: bool = False, severity: str = "page") -> bool:
        end = iso(self.now[0]) if ended else None
        told = Told(
            fingerprint=name,
            starts_at=iso(BEGAN),
            ends_at=end,
            service="shop",
            name=name,
            severity=severity,
            summary=f"{name} it is",
        )
        return self.store.take([told])[1]

    def live(self) -> Incident:
        found = self.store.live("shop")
        assert found is not None
        return found


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    engine = open_state(ServiceSettings(var_dir=tmp_path))
    yield Shop(engine)
    engine.dispose()


def test_an_alert_that_comes_back_with_the_start_that_it_had_opens_its_incident_again(shop: Shop) -> None:
    shop.tell()
    shop.later(300)
    shop.tell(ended=True)
    assert shop.live().state == State.MITIGATED
    shop.later(300)
    assert shop.tell()
    assert shop.live().state == State.OPEN
    assert shop.store.objection("shop") is not None
    shop.later(60)
    assert shop.tell(ended=True)
    assert shop.live().state == State.MITIGATED


def test_an_alert_that_comes_back_after_all_was_resolved_opens_another_incident(shop: Shop) -> None:
    shop.tell()
    shop.tell(ended=True)
    first = shop.live().id
    shop.store.change(first, State.RESOLVED, who="ann", why="it is over")
    shop.later(300)
    shop.tell()
    assert shop.live().id != first
    assert shop.live().state == State.OPEN


def test_a_beginning_that_was_only_late_opens_nothing(shop: Shop) -> None:
    shop.tell(ended=True)
    shop.later(5)
    assert not shop.tell()
    assert shop.store.live("shop") is None


def test_an_incident_can_not_be_resolved_while_an_alert_of_it_pages(shop: Shop) -> None:
    shop.tell()
    shop.store.change(shop.live().id, State.MITIGATED, who="ann", why="users are well")
    with pytest.raises(Conflict, match="RequestsFail still fires"):
        shop.store.change(shop.live().id, State.RESOLVED, who="ann", why="it is over")
    shop.tell(ended=True)
    shop.store.change(shop.live().id, State.RESOLVED, who="ann", why="it is over")
    assert shop.store.live("shop") is None


def test_an_alert_that_ended_while_another_one_hid_it_blocks_nothing_for_long(shop: Shop) -> None:
    shop.tell("AnswersDegraded")
    shop.tell("ApiDown")
    shop.later(60)
    shop.tell("ApiDown", ended=True)
    assert shop.live().state == State.OPEN
    shop.watched(NOT_REPEATED.total_seconds())
    assert shop.live().state == State.MITIGATED
    assert shop.tell("AnswersDegraded")  # it was hidden only
    assert shop.live().state == State.OPEN


def test_an_alert_that_is_repeated_goes_on(shop: Shop) -> None:
    shop.tell()
    for _ in range(10):
        shop.watched(REPEAT_S)
        assert not shop.tell()
    assert shop.live().state == State.OPEN


def test_a_jump_of_the_clock_ends_no_alert(shop: Shop) -> None:
    shop.tell()
    shop.watched(60)
    shop.now[0] += timedelta(hours=1)
    shop.watched(60)
    assert shop.live().state == State.OPEN
    assert shop.store.objection("shop") is not None


def test_what_nobody_was_there_to_be_told_goes_on(shop: Shop) -> None:
    shop.tell()
    shop.watched(60)
    shop.later(2 * NOT_REPEATED.total_seconds())  # the process hangs, or the database is away
    shop.watched(60)
    assert shop.live().state == State.OPEN
    shop.later(2 * NOT_REPEATED.total_seconds())
    shop.store = shop.started()
    shop.watched(60)
    assert shop.live().state == State.OPEN
    shop.watched(NOT_REPEATED.total_seconds())
    assert shop.live().state == State.MITIGATED


def test_what_is_not_told_of_any_more_joins_no_later_incident_and_is_forgotten(shop: Shop) -> None:
    shop.tell("ForecastsOff", severity="inform")
    shop.later(90 * 24 * 3600)
    shop.tell("ApiDown")
    with shop.engine.connect() as connection:
        joined = connection.execute(select(alerts.c.name).where(alerts.c.incident_id.is_not(None))).scalars().all()
    assert joined == ["ApiDown"]
    shop.later(401 * 24 * 3600)
    shop.tell("Overloaded")
    with shop.engine.connect() as connection:
        assert connection.execute(select(alerts.c.name)).scalars().all() == ["Overloaded"]


def test_what_a_person_opened_no_alert_of_strangers_mitigates(shop: Shop) -> None:
    shop.store.open("shop", "wrong prices, customers call", who="ann")
    shop.tell("AnswersLate")
    shop.tell("AnswersLate", ended=True)
    assert shop.live().state == State.OPEN
    assert shop.store.objection("shop") is not None
    shop.store.change(shop.live().id, State.MITIGATED, who="ann", why="prices are right")
    shop.later(60)
    shop.tell("AnswersLate")
    shop.tell("AnswersLate", ended=True)
    assert shop.live().state == State.MITIGATED  # what an alert opened again, its end mitigates


def test_states_do_not_count_as_notes(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.incidents.store.MOST_NOTES", 2)
    opened = shop.store.open("shop", "odd answers", who="ann")
    shop.store.change(opened.id, State.MITIGATED, who="ann", why="users are well")
    for number in range(2):
        shop.store.add_note(opened.id, f"note {number}", who="ann")
    with pytest.raises(Conflict):
        shop.store.add_note(opened.id, "one more", who="ann")


def test_on_postgresql_alerts_and_people_who_move_an_incident_at_once_wait_for_each_other(tmp_path: Path) -> None:
    with postgres_server() as url:
        engine = open_state(ServiceSettings(var_dir=tmp_path, database_url=url))
        shop = Shop(engine)
        for number in range(12):
            shop.later(60)
            shop.tell(f"Alert{number}")
            shop.tell(f"Alert{number}", ended=True)
            incident = shop.live().id
            barrier, mistakes = threading.Barrier(2), list[BaseException]()
            steps = (
                lambda n=number: shop.tell(f"Other{n}"),
                lambda one=incident: shop.store.change(one, State.RESOLVED, who="ann", why="over"),
            )
            threads = [threading.Thread(target=_run, args=(barrier, step, mistakes)) for step in steps]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(30)
            assert all(isinstance(mistake, Conflict) for mistake in mistakes), mistakes
            assert shop.live().state == State.OPEN  # whoever came first: a page is never lost
            assert shop.live().resolved_at is None
            shop.tell(f"Other{number}", ended=True)
            shop.store.change(shop.live().id, State.RESOLVED, who="ann", why="over")
        first, second = (shop.store.listed()[place].id for place in (0, 1))
        shop.store.change(first, State.OPEN, who="ann", why="again")
        with pytest.raises(Conflict):
            shop.store.change(second, State.OPEN, who="bob", why="again")
        engine.dispose()


def test_on_postgresql_a_server_that_takes_no_writes_shows_as_one(tmp_path: Path) -> None:
    with postgres_server() as url:
        engine = open_state(ServiceSettings(var_dir=tmp_path, database_url=url))
        IncidentStore(engine)
        probe_writing(engine)
        with engine.begin() as connection:
            connection.execute(text("ALTER DATABASE postgres SET default_transaction_read_only = on"))
        engine.dispose()
        full = create_engine(url)
        with pytest.raises(SQLAlchemyError):
            probe_writing(full)
        full.dispose()


def test_on_postgresql_as_well_one_incident_of_many_who_tell_and_old_ones_go(tmp_path: Path) -> None:
    with postgres_server() as url:
        now = datetime(2026, 3, 1, tzinfo=UTC)
        moment = [now]
        engine = open_state(ServiceSettings(var_dir=tmp_path, database_url=url))
        stores = [IncidentStore(engine, clock=lambda: moment[0]) for _ in range(2)]
        told = Told(
            fingerprint="a", starts_at="2026-03-01", ends_at=None, service="s", name="N", severity="page", summary="x"
        )
        assert [store.take([told])[1] for store in stores] == [True, False]
        incident = stores[0].live("s")
        assert incident is not None
        assert stores[0].take([replace(told, ends_at="2026-03-02")])[1]
        stores[1].change(incident.id, State.RESOLVED, who="ann", why="over")
        moment[0] = now + timedelta(days=500)
        stores[0].happened("s", "started", "again", at=moment[0])
        assert stores[0].listed() == []
        engine.dispose()


def _run(barrier: threading.Barrier, step: object, mistakes: list[BaseException]) -> None:
    barrier.wait()
    try:
        assert callable(step)
        step()
    except (Conflict, LookupError, SQLAlchemyError) as mistake:
        mistakes.append(mistake)
