"""How often overrides are used, where counts are hard to store."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from common.overrides.uses import Count, OverrideUses
from common.settings import ServiceSettings
from common.state.database import open_state
from common.state.overrides import OverrideStore
from tests.common.test_overrides import add
from tests.postgres_server import postgres_server

OLD_USES = """CREATE TABLE override_uses (
  override_id VARCHAR(32) PRIMARY KEY, scope VARCHAR(64) NOT NULL, used INTEGER NOT NULL,
  last_used_at VARCHAR(40) NOT NULL, compared INTEGER NOT NULL, difference FLOAT NOT NULL, distance FLOAT NOT NULL)"""


def test_counts_that_can_never_be_stored_do_not_keep_those_of_others_from_being_read(tmp_path: Path) -> None:
    engine = open_state(ServiceSettings(var_dir=tmp_path))
    store = OverrideStore(engine, "shop")
    one = add(store, now=datetime.now(UTC))
    broken, other = OverrideUses(store), OverrideUses(store)
    other.note(one.id, Count(3))
    other.flush()
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER never BEFORE INSERT ON override_uses BEGIN SELECT RAISE(ABORT, 'never'); END"
        )
    broken.note(one.id, Count(1))
    broken.flush()
    assert broken.trouble is not None
    assert broken.stored[one.id]["used"] == 3


def test_uses_are_counted_on_past_32_bits_also_in_a_table_of_an_earlier_version(tmp_path: Path) -> None:
    with postgres_server() as url:
        engine = open_state(ServiceSettings(var_dir=tmp_path, database_url=url))
        with engine.begin() as connection:
            connection.exec_driver_sql(OLD_USES)
            connection.exec_driver_sql("INSERT INTO override_uses VALUES ('1', 'shop', 2147483647, '', 5, 0, 0)")
        store = OverrideStore(engine, "shop")
        OverrideUses(store)
        one = add(store, now=datetime.now(UTC))
        with engine.begin() as connection:
            connection.exec_driver_sql(f"UPDATE override_uses SET override_id = '{one.id}'")
        uses = OverrideUses(store)
        uses.note(one.id, Count(2, 2**32))
        uses.flush()
        engine.dispose()
    assert uses.trouble is None
    assert (uses.stored[one.id]["used"], uses.stored[one.id]["compared"]) == (2**31 + 1, 2**32 + 5)
