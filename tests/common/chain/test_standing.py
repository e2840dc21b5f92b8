"""Automatic demotion: a tier whose answers are no good is left alone, tried again, and comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from structlog.testing import capture_logs

from common.chain.demotion import DemotionPolicy
from common.chain.fallback import FallbackChain, NotNeeded, Refused, Substitute
from common.chain.standing import Standing
from common.chain.switches import Position, Switch, Switchboard
from common.deadline import Deadline
from common.errors import TierFailed
from tests.common.conftest import FakeClock

Answer = float | Refused | NotNeeded

POLICY = DemotionPolicy(
    window_requests=6, min_bad=3, pause_s=10, longest_pause_s=30, probation_one_in=4, good_in_a_row=2
)


class World:
    """A chain of two tiers, of which the first answers as it is told."""

    def __init__(self, clock: FakeClock, policy: DemotionPolicy | None = POLICY) -> None:
        self.clock = clock
        self.switches: dict[str, Switch] = {}
        self.standing = Standing(Switchboard(lambda: self.switches), clock=clock)
        self.policy = policy
        self.answer: Answer | list[Answer] | TierFailed = 1.0
        self.asked = self.asked_last = 0

    def chain(self) -> FallbackChain[str, float]:
        return FallbackChain(
            [
                Substitute(name="best", answer=self.best, demotion=self.policy),
                Substitute(name="last", answer=self.last),
            ],
            standing=self.standing,
        )

    async def best(self, items: Sequence[str], _deadline: Deadline) -> list[Answer]:
        self.asked += 1
        if isinstance(self.answer, TierFailed):
            raise self.answer
        return self.answer if isinstance(self.answer, list) else [self.answer for _ in items]

    async def last(self, items: Sequence[str], _deadline: Deadline) -> list[Answer]:
        self.asked_last += 1
        return [0.0 for _ in items]

    def switch(self, state: Position | None) -> None:
        ends_at = datetime.now(UTC) + timedelta(hours=1)
        self.switches.clear()
        if state is not None:
            self.switches["best"] = Switch(target="best", state=state, owner="Ann", reason="a test", ends_at=ends_at)

    async def bulk_requests(self, count: int, answers: list[Answer]) -> list[str]:
        """How the best tier stands after each of `count` requests for as many items as there are answers."""
        self.answer, stood = answers, []
        for _ in range(count):
            await self.chain().answer(["a"] * len(answers), Deadline.after_ms(1_000))
            stood.append(self.state)
        return stood

    async def requests(self, count: int, answer: Answer | TierFailed) -> list[str | None]:
        """Why the best tier did not serve, for each of `count` requests."""
        self.answer = answer
        served = [await self.chain().answer(["a"], Deadline.after_ms(1_000)) for _ in range(count)]
        return [story.reason for [story] in served]

    @property
    def state(self) -> str:
        return self.standing.state("best")


@pytest.fixture
def world(clock: FakeClock) -> World:
    return World(clock)


DEMOTED = "best:demoted"
BAD = Refused("out_of_range")


async def test_a_tier_whose_answers_are_no_good_is_not_asked_for_a_while(world: World) -> None:
    assert await world.requests(5, BAD) == ["best:out_of_range"] * 3 + [DEMOTED] * 2
    assert world.asked == 3
    assert world.standing.trouble == "best is demoted"
    record = world.standing.record("best")
    assert record is not None
    assert (record.state, record.evidence, record.since_s) == ("demoted", {"out_of_range": 3}, world.clock.now_s)


async def test_probation_lets_one_request_in_k_through_until_enough_good_ones_reinstate(world: World) -> None:
    await world.requests(3, BAD)
    world.clock.advance(10)
    assert await world.requests(5, 1.0) == [None, DEMOTED, DEMOTED, DEMOTED, None]
    assert world.state == "in_service"
    assert await world.requests(5, 1.0) == [None] * 5


async def test_a_bad_answer_on_probation_demotes_again_for_longer_but_not_for_ever(world: World) -> None:
    await world.requests(3, BAD)
    for pause_s in (10, 20, 30, 30):
        world.clock.advance(pause_s - 1)
        assert await world.requests(1, BAD) == [DEMOTED]
        world.clock.advance(1)
        assert await world.requests(1, BAD) == ["best:out_of_range"]


async def test_after_a_reinstatement_the_pauses_are_short_again(world: World) -> None:
    for _ in range(2):
        await world.requests(3, BAD)
        world.clock.advance(10)
        await world.requests(5, 1.0)
        assert world.state == "in_service"


@pytest.mark.parametrize("reason", ["timeout", "breaker_open", "unreachable", "no_time", "unknown_item"])
async def test_reasons_of_the_call_or_the_item_do_not_speak_against_the_tier(world: World, reason: str) -> None:
    assert await world.requests(20, Refused(reason)) == [f"best:{reason}"] * 20
    assert world.state == "in_service"


async def test_a_request_on_probation_that_says_nothing_does_not_reinstate(world: World) -> None:
    await world.requests(3, BAD)
    world.clock.advance(10)
    await world.requests(20, NotNeeded())
    await world.requests(20, Refused("timeout"))
    assert world.state == "probation"


async def test_a_request_is_bad_when_at_least_half_of_what_was_judged_is(world: World) -> None:
    standing = world.standing
    for _ in range(20):
        standing.learn("best", POLICY, accepted=3, refused={"out_of_range": 2, "unknown_item": 50})
    assert world.state == "in_service"
    for _ in range(6):
        standing.learn("best", POLICY, accepted=2, refused={"out_of_range": 2, "unknown_item": 50})
    assert world.state == "demoted"


async def test_few_bad_requests_among_many_good_ones_change_nothing(world: World) -> None:
    for _ in range(10):
        await world.requests(2, BAD)
        await world.requests(4, 1.0)
    assert world.state == "in_service"


async def test_a_tier_without_a_policy_is_never_demoted(clock: FakeClock) -> None:
    world = World(clock, policy=None)
    assert await world.requests(100, BAD) == ["best:out_of_range"] * 100


async def test_each_change_is_logged_with_its_reasons(world: World) -> None:
    with capture_logs() as lines:
        await world.requests(3, BAD)
        world.clock.advance(10)
        await world.requests(5, 1.0)
    assert [line["event"] for line in lines] == ["tier.demoted", "tier.on_probation", "tier.reinstated"]
    assert (lines[0]["tier"], lines[0]["pause_s"], lines[0]["reasons"]) == ("best", 10, {"out_of_range": 3})


async def test_an_operator_has_a_demoted_tier_asked_all_the_same(world: World) -> None:
    await world.requests(3, BAD)
    world.switch("on")
    assert await world.requests(2, 1.0) == [None, None]
    world.switch(None)
    assert await world.requests(1, 1.0) == [DEMOTED]


async def test_where_a_person_must_confirm_the_tier_stays_on_probation_until_then(clock: FakeClock) -> None:
    world = World(clock, replace(POLICY, reinstates="when_confirmed"))
    await world.requests(3, BAD)
    clock.advance(10)
    assert (await world.requests(40, 1.0)).count(None) == 10
    record = world.standing.record("best")
    assert record is not None
    assert (record.state, record.awaits_confirmation) == ("probation", True)
    world.switch("on")
    await world.requests(1, 1.0)
    world.switch(None)
    assert await world.requests(5, 1.0) == [None] * 5


async def test_switching_a_tier_on_does_not_confirm_what_it_has_not_shown_yet(clock: FakeClock) -> None:
    world = World(clock, replace(POLICY, reinstates="when_confirmed"))
    await world.requests(3, BAD)
    clock.advance(10)
    world.switch("on")
    await world.requests(1, 1.0)
    assert world.state == "probation"


async def test_standings_of_all_requests_are_one_and_stories_are_not_mixed(world: World) -> None:
    world.answer = BAD
    answers = await asyncio.gather(*(world.chain().answer(["a"], Deadline.after_ms(1_000)) for _ in range(50)))
    assert world.state == "demoted"
    assert {served.reason for [served] in answers} == {"best:out_of_range", DEMOTED}


class AnyHistory(RuleBasedStateMachine):
    """Whatever happens in whatever order."""

    @initialize(one_in=st.integers(1, 5), good=st.integers(1, 3), pause_s=st.integers(1, 20))
    def begin(self, one_in: int, good: int, pause_s: int) -> None:
        policy = replace(POLICY, probation_one_in=one_in, good_in_a_row=good, pause_s=pause_s)
        self.world = World(FakeClock(), policy)
        self.policy = policy
        self.position: Position | None = None
        self.requests = 0

    @rule(answer=st.sampled_from([1.0, BAD, Refused("timeout"), NotNeeded()]), count=st.integers(1, 8))
    def ask(self, answer: Answer, count: int) -> None:
        for _ in range(count):
            state, before = self.world.state, self.world.asked
            [reason] = asyncio.run(self.world.requests(1, answer))
            self.requests += 1
            was_asked = self.world.asked > before
            if self.position == "off":
                assert (was_asked, reason) == (False, "best:switched_off")
            elif self.position == "on" or state == "in_service":
                assert was_asked
            elif state == "demoted":
                assert (was_asked, reason) == (False, DEMOTED)
            assert was_asked or reason in ("best:switched_off", DEMOTED)

    @rule(seconds=st.integers(1, 40))
    def wait(self, seconds: int) -> None:
        self.world.clock.advance(seconds)

    @rule(position=st.sampled_from(["on", "off", "auto", None]))
    def switch(self, position: Position | None) -> None:
        self.position = position
        self.world.switch(position)

    @rule()
    def probation_lets_exactly_one_in_k_through(self) -> None:
        if self.position not in ("on", "off") and self.world.state == "probation":
            k, before = self.policy.probation_one_in, self.world.asked
            asyncio.run(self.world.requests(3 * k, Refused("timeout")))  # says nothing: it stays on probation
            assert self.world.asked - before == 3
            self.requests += 3 * k

    @rule()
    def it_recovers_when_it_is_well_again(self) -> None:
        if self.position != "off":
            self.world.clock.advance(self.policy.longest_pause_s)
            count = self.policy.probation_one_in * self.policy.good_in_a_row
            asyncio.run(self.world.requests(count, 1.0))
            self.requests += count
            assert self.world.state == "in_service"

    @invariant()
    def the_last_tier_was_there_for_everybody(self) -> None:
        if hasattr(self, "world"):
            served_by_best = self.requests - self.world.asked_last
            assert 0 <= served_by_best <= self.world.asked
            assert self.world.standing.record("last") is None


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
