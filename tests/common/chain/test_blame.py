"""What speaks against a tier and what does not: an item's own oddities are nobody's fault."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from common.chain.acceptance import accepts, familiar, within
from common.chain.fallback import FallbackChain, Refused, Substitute
from common.chain.standing import Standing
from common.deadline import Deadline
from common.errors import TierFailed
from tests.common.chain.test_standing import BAD, DEMOTED, POLICY, Answer, World
from tests.common.conftest import FakeClock


@pytest.fixture
def world(clock: FakeClock) -> World:
    return World(clock)


async def test_a_strange_item_that_is_asked_for_again_and_again_demotes_nobody(world: World) -> None:
    assert await world.requests(20, Refused("drift", blameless=True)) == ["best:drift"] * 20
    assert world.state == "in_service"


async def test_an_item_that_accept_finds_unfamiliar_demotes_nobody_and_one_with_an_absurd_answer_does(
    clock: FakeClock,
) -> None:
    standing = Standing(clock=clock)
    accept = accepts(within(0, 10, of=float), familiar(3, of=len))

    async def ask(item: str, answer: float) -> str | None:
        async def best(items: Sequence[str], _deadline: Deadline) -> list[Answer]:
            return [answer for _ in items]

        async def last(items: Sequence[str], _deadline: Deadline) -> list[Answer]:
            return [0.0 for _ in items]

        tiers = [
            Substitute(name="best", answer=best, accept=accept, demotion=POLICY),
            Substitute(name="last", answer=last),
        ]
        [story] = await FallbackChain(tiers, standing=standing).answer([item], Deadline.after_ms(1_000))
        return story.reason

    assert [await ask("strange", 5.0) for _ in range(20)] == ["best:drift"] * 20
    assert [await ask("a", 50.0) for _ in range(4)] == ["best:out_of_range"] * 3 + [DEMOTED]


async def test_what_has_drifted_as_a_whole_speaks_against_the_tier(world: World) -> None:
    assert await world.requests(4, TierFailed("drift")) == ["best:drift"] * 3 + [DEMOTED]


async def test_blameless_refusals_neither_hide_nor_share_the_blame_of_the_others_in_a_request(world: World) -> None:
    blameless = [Refused("drift", blameless=True)] * 9
    assert await world.bulk_requests(5, [*blameless, 1.0]) == ["in_service"] * 5
    assert await world.bulk_requests(3, [*blameless, BAD]) == ["in_service", "in_service", "demoted"]
