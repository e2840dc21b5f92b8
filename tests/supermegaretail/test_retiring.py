"""The way from an override to the proposal that it may go: by itself, after each release."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from common.command_line import main
from common.overrides.agreements import Agreement, Agreements
from common.state.database import open_state
from common.state.overrides import Override, OverrideStore, iso
from common.versions.registry import Registry
from supermegaretail.__main__ import parser
from supermegaretail.decisions import functions_of
from supermegaretail.history import SalesHistory
from supermegaretail.labelling import label
from supermegaretail.releases import desk_over
from supermegaretail.releasing.auto import AutomaticRelease, Ended
from supermegaretail.settings import RetailSettings
from supermegaretail.table import load_table
from supermegaretail.training import train
from tests.supermegaretail.conftest import LAST_DAY
from tests.supermegaretail.test_labelling import fallen
from tests.supermegaretail.trained import trained_chain

NOW = datetime.combine(LAST_DAY, datetime.min.time(), UTC) + timedelta(hours=30)


@pytest.mark.parametrize("day", [date.min, date(1969, 12, 31)])
def test_a_day_that_was_stored_before_it_was_refused_breaks_no_training(day: date) -> None:
    history, times = SalesHistory.build(fallen()), (iso(NOW - timedelta(days=10)), iso(NOW + timedelta(days=30)))
    days = {"first_day": day.isoformat(), "last_day": LAST_DAY.isoformat()}
    value = {"effect": "factor", "value": 0.7}
    old = Override("old", "north\n", value | days, "ann", "told", *times)
    event = Override("event", "north\n", {"name": "fair", "factor": 1.5, **days}, "ann", "told", *times)
    good = Override("good", "north\n", value, "ann", "told", *times)
    found = functions_of([old, good], [event], LAST_DAY, now=NOW)
    assert [one.name for one in found] == ["good"]
    assert [one.name for one in label(history, found).standings] == ["good"]


@pytest.fixture(scope="module")
def var_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two trained versions, the first of them champion."""
    folder = trained_chain(tmp_path_factory.mktemp("retiring"))
    table = load_table(folder / "supermegaretail" / "sales.parquet")
    train(table, Registry(folder / "registry"), rows=6_000, threads=1, seed=2, promote=False)
    return folder


@pytest.fixture
def state(var_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """With an override in force, and what an older model said of it."""
    monkeypatch.setenv("VAR_DIR", str(var_dir))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    state = open_state(RetailSettings())
    store, now = OverrideStore(state, "supermegaretail"), datetime.now(UTC)
    history = SalesHistory.build(load_table(RetailSettings().table_path))
    value = {"effect": "factor", "value": 1.0, "first_day": str(history.last_day)}
    (place, _), *_ = history.panel.places
    made = store.add(f"{place}\n", value, owner="a", reason="told", ends_at=now + timedelta(days=9), now=now)
    Agreements(state, "supermegaretail").replace([Agreement(made.id, "0.1.0", 9, 1.3, agrees=False)])
    return state


@pytest.fixture
def full(state: Engine) -> Iterator[None]:
    """The database takes nothing that a model says of overrides, and everything else."""
    with state.begin() as connection:
        refused = "BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        connection.execute(text(f"CREATE TRIGGER full BEFORE DELETE ON override_agreements {refused}"))
    yield
    with state.begin() as connection:
        connection.execute(text("DROP TRIGGER full"))


def promoted(state: Engine) -> tuple[int, str]:
    """The exit code of `release promote`, and the version that is champion by it."""
    settings = RetailSettings()
    desk, other = desk_over(state, settings), {"1.0.0": "1.1.0", "1.1.0": "1.0.0"}
    version = other[Registry(settings.registry_dir).champion("core") or ""]
    release = desk.propose("core", version, who="ann", why="better by far", report={})
    desk.start(release.id, who="ann", why="better by far", insist="whatever day it is")
    why = ["--who", "ann", "--why", "better by far", "--insist", "whatever day it is"]
    code = main(parser(), ["release", "promote", release.id, *why])
    assert Registry(settings.registry_dir).champion("core") == version
    return code, version


def asked(state: Engine) -> set[str]:
    """The versions whose word is kept."""
    return {one["version"] for one in Agreements(state, "supermegaretail").all().values()}


def test_an_automatic_release_asks_the_champion_which_overrides_may_go(
    state: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AutomaticRelease, "run", lambda *_: Ended("nothing to do", "no new day"))
    assert main(parser(), ["release", "auto", "--dry-run"]) == 0
    assert asked(state) == {"1.0.0"}


def test_sales_that_froze_the_releases_prove_nothing_about_overrides(
    state: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AutomaticRelease, "run", lambda *_: Ended("frozen", "the till counted twice"))
    assert main(parser(), ["release", "auto"]) == 1
    assert asked(state) == {"0.1.0"}


def test_promoting_a_version_asks_it_which_overrides_may_go(state: Engine) -> None:
    code, version = promoted(state)
    assert code == 0
    assert asked(state) == {version}


@pytest.mark.usefixtures("full")
def test_a_release_that_worked_has_worked_also_where_it_is_not_known_which_overrides_may_go(
    state: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(AutomaticRelease, "run", lambda *_: Ended("nothing to do", "no new day"))
    codes = promoted(state)[0], main(parser(), ["release", "auto", "--dry-run"])
    told = [line for line in capsys.readouterr().err.splitlines() if "disk full" in line]
    assert codes == (0, 0)
    assert ["`python -m supermegaretail label` asks again" in line for line in told] == [True, True]
    assert asked(state) == {"0.1.0"}
