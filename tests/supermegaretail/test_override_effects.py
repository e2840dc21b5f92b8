"""Which overridden days meet their sales, where some never do."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest
from sqlalchemy import Engine, event, insert, select

from common.overrides.uses import OverrideUses
from common.settings import ServiceSettings
from common.state.database import open_state
from common.state.overrides import OverrideStore
from supermegaretail import override_effects
from supermegaretail.forecast import Forecaster
from supermegaretail.history import SalesHistory
from supermegaretail.override_effects import OverrideEffects, told
from tests.supermegaretail.conftest import LAST_DAY

AT_A_TIME = 4


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_state(ServiceSettings(var_dir=tmp_path))


@pytest.fixture
def effects(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> OverrideEffects:
    monkeypatch.setattr(override_effects, "MOST_MET", AT_A_TIME)
    monkeypatch.setattr(override_effects, "replace", lambda forecaster, **_: forecaster)  # nobody is asked here
    return OverrideEffects(engine, cast(Forecaster, None), OverrideUses(OverrideStore(engine, "supermegaretail")))


def sold(days: int = 30) -> SalesHistory:
    rows = [("north", "milk", LAST_DAY - timedelta(days=back), 5.0) for back in range(days)]
    return SalesHistory.build(pl.DataFrame(rows, schema=["store", "sku", "date", "sales"], orient="row"))


def waits(engine: Engine, sku: str, day: date) -> None:
    row: dict[str, Any] = {"override_id": "1", "store": "north", "sku": sku, "day": day.isoformat()}
    with engine.begin() as connection:
        connection.execute(insert(told), row | {"told": 4.0, "model": 9.0})


def met(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(select(told.c.sku).where(told.c.actual.is_not(None))).scalars())


async def test_days_that_never_become_known_keep_no_other_from_meeting_its_sales(
    engine: Engine, effects: OverrideEffects
) -> None:
    for place in range(3 * AT_A_TIME):
        waits(engine, f"never-{place}", LAST_DAY)
    waits(engine, "milk", LAST_DAY - timedelta(days=20))
    history = sold()
    for _ in range(4):
        await effects.look(history)
    assert met(engine) == ["milk"]


async def test_waiting_days_are_read_again_only_once_there_are_new_sales(
    engine: Engine, effects: OverrideEffects
) -> None:
    waits(engine, "never", LAST_DAY)
    read: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *args: read.append(args[2]))

    def reads() -> int:
        return sum("actual IS NULL" in statement for statement in read)

    history = sold()
    for _ in range(3):
        await effects.look(history)
    assert reads() == 1
    await effects.look(sold())
    assert reads() == 2
