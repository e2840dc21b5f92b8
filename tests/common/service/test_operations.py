"""What every service has beside its business: in which order it starts and ends, and how it reaches its models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from common.calls.client import low_timeout
from common.contract import AnswerModel, RequestModel
from common.daily.tables import Sources
from common.erasing.background import Finishing
from common.erasing.following import Following
from common.overrides.desk import OverrideDesk, Rules
from common.overrides.live import LiveOverrides
from common.overrides.uses import OverrideUses
from common.releases.desk import ReleaseDesk
from common.releases.store import ReleaseStore
from common.replay.holder import replays_of
from common.service.app import Service
from common.service.foundation import Foundation
from common.service.model_link import ModelLink
from common.service.operations import Operations
from common.settings import ServiceSettings
from common.state.controls import Controls
from common.state.overrides import OverrideStore
from common.versions.registry import Registry
from tests.json_server import json_server

NOBODY = "http://127.0.0.1:9"


class Question(RequestModel):
    pass


class Answer(AnswerModel):
    who: str


class Erasures:
    """Following and finishing in one, that only tell when they are asked."""

    under_way, trouble = 0, None

    def __init__(self, told: list[str]) -> None:
        self._told = told

    def begin(self) -> None:
        self._told.append("begun")

    def refresh(self) -> None:
        self._told.append("erasures")

    async def aclose(self) -> None:
        self._told.append("erased")


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Foundation]:
    service = Service("shop api", version="1", settings=ServiceSettings(var_dir=tmp_path, admin_token="operator-token"))
    sources = Sources("shop", lambda _engine, _day: [], lambda override: override.target)
    base = Foundation(service, "shop", endings=(), sources=sources, components=["ranker"])
    yield base
    base.close_writers()
    base.state.dispose()


@pytest.fixture
def link_to(base: Foundation) -> Callable[..., ModelLink]:
    desk = ReleaseDesk(ReleaseStore(base.state), Registry(base.service.settings.registry_dir), {})

    def link_to(blue: str, green: str | None = None) -> ModelLink:
        return ModelLink(base, "model", "ranker", desk, blue=blue, green=green)

    return link_to


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def operations(base: Foundation, link_to: Callable[..., ModelLink], told: list[str], tmp_path: Path) -> Operations:
    link, store, erasures = link_to(NOBODY), OverrideStore(base.state, "shop"), Erasures(told)
    return Operations(
        base,
        link,
        controls=Controls(
            base.state, "shop", tiers=["popular"], required={}, breakers={}, registry=base.service.registry
        ),
        shadow=None,
        overrides=OverrideDesk(LiveOverrides(store, list), OverrideUses(store), cast(Rules[Any], None)),
        replays=replays_of(base.service, "shop", "ranker", tmp_path / "replays"),
        forgetting=cast(Following, erasures),
        erasures=cast(Finishing, erasures),
    )


async def test_a_start_forgets_who_was_erased_before_it_reads_anything(operations: Operations, told: list[str]) -> None:
    unread = {part.name for part in operations.base.service.parts if part.reason() is not None}
    assert {"overrides", "switches", "blue_green", "versions"} <= unread
    await operations.start(lambda: told.append("sales"), serves=True)
    assert told == ["begun", "erasures", "erasures", "sales"]
    assert [part.name for part in operations.base.service.parts if part.reason() is not None] == []
    await end(operations)


@pytest.mark.parametrize("serves", [True, False])
async def test_rollouts_go_on_only_where_somebody_is_served_and_after_what_may_stop_them(
    operations: Operations, told: list[str], serves: bool
) -> None:
    await operations.start(serves=serves)
    told.clear()
    for look, _ in operations.kept(serves=serves, before_rollouts=lambda: told.append("alarms")):
        look()
    assert ("alarms" in told) == serves
    await end(operations)


async def test_what_was_counted_until_the_end_is_stored(operations: Operations) -> None:
    usage = operations.base.lifecycle.usage
    async with operations.upkeep():
        usage.note("ada", "GET /v1/sums")
    await end(operations)
    assert [used.caller for used in usage.store.used(days=1, now=datetime.now(UTC))] == ["ada"]


async def test_calls_of_each_kind_have_a_breaker_of_their_own_and_all_go_to_the_set_that_answers(
    link_to: Callable[..., ModelLink],
) -> None:
    with json_server(lambda _: {"who": "blue"}) as blue, json_server(lambda _: {"who": "green"}) as green:
        link = link_to(blue, green)
        upstreams = [link.upstream, link.comparing, link.another("explanations")]
        assert [one.name for one in upstreams] == ["shop-model", "shop-comparing", "shop-explanations"]
        ask = [low_timeout(one).endpoint("/", answer=Answer, default=Answer(who="")) for one in upstreams]
        assert [(await one(Question())).value.who for one in ask] == ["blue"] * 3
        link.blue_green.switch("green", who="ada", why="a new build")
        assert [(await one(Question())).value.who for one in ask] == ["green"] * 3
        await link.aclose()


async def end(operations: Operations) -> None:
    await operations.stop_asking()
    await operations.store_the_rest()
