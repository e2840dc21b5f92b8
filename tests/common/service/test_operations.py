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
from common.overrides.uses import Count, OverrideUses
from common.releases.desk import ReleaseDesk
from common.releases.rollout import Rollouts
from common.releases.store import ReleaseStore
from common.replay.holder import ReplayHolder, replays_of
from common.replay.log import Noted
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


class Teller:
    """In the place of what is looked at: only says that it was, and how."""

    under_way, trouble = 0, None

    def __init__(self, told: list[str], name: str) -> None:
        self._told, self._name = told, name

    def begin(self) -> None:
        self._told.append(f"{self._name} begins")

    def refresh(self, *, acts: bool = True) -> None:
        self._told.append(self._name if acts else f"{self._name}, acting on nothing")

    async def aclose(self) -> None:
        self._told.append(f"{self._name} ends")


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
def overrides(base: Foundation) -> OverrideDesk[Any, Any]:
    store = OverrideStore(base.state, "shop")
    return OverrideDesk(LiveOverrides(store, list), OverrideUses(store), cast(Rules[Any], None))


@pytest.fixture
def replays(base: Foundation, tmp_path: Path) -> ReplayHolder:
    return replays_of(base.service, "shop", "ranker", tmp_path / "replays")


@pytest.fixture
def operations(
    base: Foundation,
    link_to: Callable[..., ModelLink],
    overrides: OverrideDesk[Any, Any],
    replays: ReplayHolder,
    told: list[str],
) -> Operations:
    link = link_to(NOBODY)
    link.rollouts = cast(Rollouts, Teller(told, "rollouts"))
    return Operations(
        base,
        link,
        controls=Controls(
            base.state, "shop", tiers=["popular"], required={}, breakers={}, registry=base.service.registry
        ),
        shadow=None,
        overrides=overrides,
        replays=replays,
        forgetting=cast(Following, Teller(told, "forgetting")),
        erasures=cast(Finishing, Teller(told, "finishing")),
    )


def unread(operations: Operations) -> set[str]:
    return {part.name for part in operations.base.service.parts if part.reason() is not None}


async def test_a_start_forgets_who_was_erased_before_it_reads_anything(
    operations: Operations, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    unread_then = list[set[str]]()
    monkeypatch.setattr(operations.forgetting, "refresh", lambda: unread_then.append(unread(operations)))
    await operations.start(lambda: told.append("sales"), serves=True)
    assert unread_then == [{"operators", "endings", "overrides", "switches", "blue_green", "versions"}]
    assert told == ["forgetting begins", "finishing", "sales", "rollouts"]
    assert unread(operations) == set()
    await end(operations)


@pytest.mark.parametrize("serves", [True, False])
async def test_rollouts_go_on_only_where_somebody_is_served_and_after_what_may_stop_them(
    operations: Operations, told: list[str], serves: bool
) -> None:
    await operations.start(serves=serves)
    assert told[-1] == ("rollouts" if serves else "rollouts, acting on nothing")
    told.clear()
    for look, _ in operations.kept(serves=serves, before_rollouts=lambda: told.append("alarms")):
        look()
    assert told == ["forgetting", "finishing", *(["alarms", "rollouts"] if serves else [])]
    await end(operations)


async def test_what_was_counted_and_noted_until_the_end_is_stored(
    operations: Operations, overrides: OverrideDesk[Any, Any], replays: ReplayHolder
) -> None:
    usage, now = operations.base.lifecycle.usage, datetime.now(UTC)
    async with operations.upkeep():
        usage.note("ada", "GET /v1/sums")
        overrides.uses.note("an override", Count(used=3))
        replays.log.put(Noted("a request", now, "ada", "sums", b"{}", lambda _: {}))
    await end(operations)
    assert [used.caller for used in usage.store.used(days=1, now=now)] == ["ada"]
    overrides.uses.read()
    assert overrides.uses.stored["an override"]["used"] == 3
    assert replays.log.store.find("a request") is not None


async def test_calls_of_each_kind_have_a_breaker_of_their_own_and_all_go_to_the_set_that_answers(
    link_to: Callable[..., ModelLink],
) -> None:
    with json_server(lambda _: {"who": "blue"}) as blue, json_server(lambda _: {"who": "green"}) as green:
        link = link_to(blue, green)
        upstreams = [link.upstream, link.comparing, link.another("explanations")]
        assert [one.name for one in upstreams] == ["shop-model", "shop-comparing", "shop-explanations"]
        assert len({id(one.breaker) for one in upstreams}) == 3
        clients = [low_timeout(one, timeout_ms=10_000) for one in upstreams]
        ask = [client.endpoint("/", answer=Answer, default=Answer(who="")) for client in clients]
        assert [(await one(Question())).value.who for one in ask] == ["blue"] * 3
        link.blue_green.switch("green", who="ada", why="a new build")
        assert [(await one(Question())).value.who for one in ask] == ["green"] * 3
        await link.aclose()


async def end(operations: Operations) -> None:
    await operations.stop_asking()
    await operations.store_the_rest()
