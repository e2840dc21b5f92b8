"""The whole path of an automatic release: sales arrive, a candidate is trained, judged and rolled out, or all stops."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from common.command_line import main
from common.releases.desk import ReleaseDesk
from common.releases.gate import Finding
from common.releases.policy import ReleasePolicy
from common.releases.store import ReleaseRecord, ReleaseStore, State
from common.state.database import open_state
from common.state.overrides import OverrideStore
from common.versions.registry import Registry
from supermegaretail.__main__ import parser
from supermegaretail.book import whole_table
from supermegaretail.contract import Sale
from supermegaretail.decisions import labels_in_force
from supermegaretail.demo_data import LAST_SALES_DAY, demo_table
from supermegaretail.ledger import Ledger
from supermegaretail.quality.check import check
from supermegaretail.releases import desk_over
from supermegaretail.releasing.auto import AutomaticRelease, Ended, report_of
from supermegaretail.releasing.job import follow
from supermegaretail.settings import RetailSettings
from supermegaretail.table import save_table
from supermegaretail.training import train

MONDAY_MORNING = datetime(2026, 6, 29, 10, 0, tzinfo=UTC)
SATURDAY_NIGHT = datetime(2026, 6, 27, 23, 0, tzinfo=UTC)
BEFORE = LAST_SALES_DAY - timedelta(14)
ROWS = 12_000
ANN = {"who": "ann", "why": "I have looked"}


@dataclass
class Shop:
    """A chain whose models were trained a fortnight ago; the sales since then have been posted."""

    settings: RetailSettings
    desk: ReleaseDesk
    registry: Registry

    def table(self) -> pl.DataFrame:
        return whole_table(self.settings.table_path, Ledger(open_state(self.settings)))

    def automatic(self, *, now: datetime = MONDAY_MORNING, dry_run: bool = False) -> AutomaticRelease:
        policies = {"core": ReleasePolicy(needs_approval=False)}
        desk = ReleaseDesk(self.desk.store, self.registry, policies, now=lambda: now)
        _, labels = labels_in_force(self.registry, open_state(self.settings), version="champion", now=now)
        return AutomaticRelease(desk=desk, registry=self.registry, labels=labels, threads=1, rows=ROWS, dry_run=dry_run)

    def override(self, store: str, factor: float, *, now: datetime) -> str:
        kept = OverrideStore(open_state(self.settings), "supermegaretail")
        ends, value = now + timedelta(60), {"effect": "factor", "value": factor}
        return kept.add(f"{store}\n", value, owner="ann", reason="told", ends_at=ends, now=now).id

    def run(self, table: pl.DataFrame, *, now: datetime = MONDAY_MORNING, dry_run: bool = False) -> Ended:
        quality = check(table, today=LAST_SALES_DAY + timedelta(1))
        return self.automatic(now=now, dry_run=dry_run).run(table, quality)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RetailSettings:
    monkeypatch.setenv("VAR_DIR", str(tmp_path))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    return RetailSettings()


@pytest.fixture
def shop(settings: RetailSettings) -> Shop:
    registry = Registry(settings.registry_dir)
    return Shop(settings, desk_over(open_state(settings), settings), registry)


def posted(rows: pl.DataFrame) -> list[Sale]:
    return [
        Sale.model_validate(row) for row in rows.select("store", "sku", "date", "sales", "stockout_hours").to_dicts()
    ]


def frozen(shop: Shop) -> str:
    return str(shop.desk.store.frozen("core"))


def test_new_sales_are_learnt_judged_and_rolled_out_and_bad_ones_stop_everything(shop: Shop) -> None:
    whole = demo_table(stores=3, products=32, days=300)
    old = whole.with_columns(
        pl.when(pl.col("date") <= BEFORE).then(pl.col(name)).alias(name) for name in ("sales", "stockout_hours")
    )
    shop.settings.table_path.parent.mkdir(parents=True)
    save_table(old, shop.settings.table_path)
    train(old, shop.registry, rows=ROWS, threads=1)
    assert shop.run(shop.table()).ending == "nothing to do"  # no new day

    news = whole.filter(pl.col("date") > BEFORE, pl.col("sales").is_not_null())
    Ledger(open_state(shop.settings)).record_sales(posted(news))
    decided = shop.override(str(whole["store"].min()), 0.95, now=SATURDAY_NIGHT - timedelta(8))
    postponed = shop.run(shop.table(), now=SATURDAY_NIGHT)
    assert postponed.ending == "postponed", postponed.told
    assert postponed.release is not None
    assert postponed.release.report["outcome"] == "pass"
    assert {gate["gate"] for gate in postponed.release.report["gates"]} >= {"accuracy", "golden probes", "news"}
    assert shop.registry.resolve("core", "champion") == "1.0.0"
    for component in ("core", "correction"):  # with what people decided until now
        assert shop.registry.manifest(component, "1.1.0").training["labels"]["functions"] == [decided]

    begun = shop.run(shop.table())
    assert begun.ending == "started"
    assert begun.release is not None
    assert (begun.release.id, begun.release.state) == (postponed.release.id, State.CANARY)
    assert shop.run(shop.table()).ending == "nothing to do"  # it is being rolled out

    shop.desk.promote(begun.release.id, insist="whatever day it is", **ANN)
    assert shop.registry.resolve("core", "champion") == "1.1.0"
    a_fortnight_of_nothing = shop.table().with_columns(
        pl.when(pl.col("date") <= BEFORE).then(pl.col("sales")).otherwise(0)
    )
    tried = shop.run(a_fortnight_of_nothing, dry_run=True)
    assert (tried.ending, tried.good, frozen(shop)) == ("tried", False, "None")
    stopped = shop.run(a_fortnight_of_nothing)
    assert (stopped.ending, stopped.good) == ("frozen", False)
    assert "data quality" in frozen(shop)
    assert shop.registry.versions("core") == ["1.0.0", "1.1.0"]
    assert shop.registry.resolve("core", "champion") == "1.1.0"


@dataclass
class Candidate:
    """Files that no model could be read from; enough to be proposed."""

    shop: Shop

    def decided(self, *findings: Finding) -> Ended:
        registry = self.shop.registry
        core, correction = (
            registry.publish(name, {"model.txt": b"new"}, alias=None) for name in ("core", "correction")
        )
        return self.shop.automatic().decide(core, correction, findings)


@pytest.fixture
def candidate(shop: Shop) -> Candidate:
    return Candidate(shop)


def champion(shop: Shop) -> None:
    for name in ("core", "correction"):
        shop.registry.publish(name, {"model": b"old"}, alias="champion")


def stored(shop: Shop, ended: Ended) -> ReleaseRecord:
    assert ended.release is not None
    found = shop.desk.store.find(ended.release.id)
    assert found is not None
    return found


OPEN_GATE = Finding("bias", True, "+0.1%")
CLOSED_GATE = Finding("bias", False, "+9.0%")
DOUBT = Finding("shift", None, "category meat")


def test_what_waited_while_another_version_became_champion_is_judged_anew(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    champion(shop)
    shop.registry.publish("core", {"model": b"new"}, alias=None)
    waited = shop.desk.propose("core", "1.1.0", report=report_of([OPEN_GATE]), **ANN)
    shop.registry.publish("core", {"model": b"by hand"}, alias="champion")
    monkeypatch.setattr(AutomaticRelease, "_run", lambda *_: Ended("tried", "from the beginning"))

    assert shop.run(demo_table(stores=1, products=4, days=40)).told == "from the beginning"

    found = shop.desk.store.find(waited.id)
    assert found is not None
    assert found.state == State.REJECTED


def test_one_closed_gate_rejects_the_candidate_freezes_the_component_and_moves_nothing(
    shop: Shop, candidate: Candidate
) -> None:
    champion(shop)
    ended = candidate.decided(OPEN_GATE, CLOSED_GATE, DOUBT)
    assert (ended.ending, ended.good) == ("frozen", False)
    assert "bias: +9.0%" in frozen(shop)
    release = stored(shop, ended)
    assert (release.state, release.report["outcome"]) == (State.REJECTED, "fail")
    assert shop.registry.resolve("core", "champion") == "1.0.0"


def test_a_doubt_leaves_the_release_proposed_for_a_person(shop: Shop, candidate: Candidate) -> None:
    champion(shop)
    ended = candidate.decided(OPEN_GATE, DOUBT)
    assert (ended.ending, ended.good, frozen(shop)) == ("undecided", False, "None")
    release = stored(shop, ended)
    assert (release.state, release.report["reasons"]) == (State.PROPOSED, ["shift: category meat"])
    assert shop.run(demo_table(stores=1, products=8, days=60)).ending == "undecided"


def test_the_first_version_is_champion_when_every_gate_is_open_and_not_before(shop: Shop, candidate: Candidate) -> None:
    assert candidate.decided(OPEN_GATE, DOUBT).ending == "undecided"
    assert not shop.registry.aliases("core")
    assert candidate.decided(OPEN_GATE).ending == "first"
    assert set(shop.registry.aliases("core")) == {"champion"}
    assert set(shop.registry.aliases("correction")) == {"champion"}


def test_a_run_that_breaks_off_freezes_the_component_and_says_why(shop: Shop) -> None:
    few = demo_table(stores=1, products=8, days=20)
    ended = shop.run(few)
    assert ended.ending == "frozen"
    assert "the run failed" in frozen(shop)
    assert not shop.registry.components()


def test_a_frozen_component_is_not_trained_and_the_command_fails(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    save_table(demo_table(stores=1, products=8, days=90), shop.settings.table_path)
    shop.desk.freeze("core", "the till counted twice")

    assert main(parser(), ["release", "auto"]) == 1

    assert "the till counted twice" in capsys.readouterr().out
    report = json.loads(shop.settings.table_path.with_name("automatic-release.json").read_text())
    assert report["ending"] == "frozen"
    assert not shop.registry.components()


def test_a_rollout_is_followed_to_its_end_or_until_the_time_is_over() -> None:
    release = ReleaseRecord("1", "core", "1.0.0", "1.1.0", State.CANARY, 0.01, False, {}, "")

    def followed(states: list[State], at_most_s: float) -> State:
        now_s, told = [0.0], iter(states)

        @dataclass
        class Store:
            find: Callable[[str], ReleaseRecord | None]

        @dataclass
        class Desk:
            store: Store

        def sleep(seconds: float) -> None:
            now_s[0] += seconds

        desk = Desk(Store(lambda _: replace(release, state=next(told))))
        return follow(desk, release, at_most_s=at_most_s, sleep=sleep, clock=lambda: now_s[0]).state  # type: ignore[arg-type]

    assert followed([State.CANARY, State.PROMOTING, State.PROMOTED], 60) == State.PROMOTED
    assert followed([State.CANARY] * 9, 5) == State.CANARY


def test_the_store_of_releases_is_the_one_that_the_service_reads(shop: Shop) -> None:
    ReleaseStore(open_state(shop.settings)).freeze("core", who="ann", why="seen elsewhere")
    assert frozen(shop) == "seen elsewhere"
