"""The fallback chain: substitutes, optional stages, and what an answer tells about itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.chain.acceptance import accepts, confident, familiar, within
from common.chain.demotion import DemotionPolicy
from common.chain.fallback import FallbackChain, NotNeeded, OptionalStage, Refused, Substitute, explicit_error
from common.deadline import Deadline
from common.errors import NobodyAnswered, PoolFull, TierFailed

Answer = float | Refused | NotNeeded


def soon() -> Deadline:
    return Deadline.after_ms(200)


def whenever() -> Deadline:
    """For what is not about time, on a machine that may stand still for a moment."""
    return Deadline.after_ms(30_000)


def tier(name: str, **answers: Answer) -> Substitute[str, float]:
    """A tier that knows these answers and refuses everything else."""

    async def answer(items: Sequence[str], _deadline: Deadline) -> list[Answer]:
        return [answers.get(item, Refused("unknown")) for item in items]

    return Substitute(name=name, answer=answer)


def broken(name: str, error: BaseException) -> Substitute[str, float]:
    async def answer(_items: Sequence[str], _deadline: Deadline) -> list[Answer]:
        raise error

    return Substitute(name=name, answer=answer)


def constant(value: float = 0.0) -> Substitute[str, float]:
    async def answer(items: Sequence[str], _deadline: Deadline) -> list[Answer]:
        return [value for _ in items]

    return Substitute(name="constant", answer=answer)


async def test_the_best_tier_serves_and_nothing_is_degraded() -> None:
    [served] = await FallbackChain([tier("best", a=1.0), constant()]).answer(["a"], soon())
    assert (served.value, served.served_by, served.degraded, served.reason) == (1.0, "best", False, None)


async def test_one_bad_item_does_not_drag_down_the_others() -> None:
    chain = FallbackChain([tier("best", a=1.0, c=3.0), tier("next", b=2.0), constant()])
    served = await chain.answer(["a", "b", "c", "d"], soon())
    assert [story.value for story in served] == [1.0, 2.0, 3.0, 0.0]
    assert [story.served_by for story in served] == ["best", "next", "best", "constant"]
    assert served[3].reason == "best:unknown, next:unknown"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TierFailed("breaker_open"), "best:breaker_open"),
        (TimeoutError(), "best:timeout"),
        (PoolFull(), "best:overloaded"),
        (ZeroDivisionError(), "best:bug"),
    ],
)
async def test_a_tier_that_fails_as_a_whole_means_next_please(error: Exception, reason: str) -> None:
    [served] = await FallbackChain([broken("best", error), constant()]).answer(["a"], soon())
    assert (served.value, served.degraded, served.reason) == (0.0, True, reason)


async def test_a_bug_is_raised_where_tests_ask_for_it() -> None:
    with pytest.raises(ZeroDivisionError):
        await FallbackChain([broken("best", ZeroDivisionError()), constant()], raise_bugs=True).answer(["a"], soon())


async def test_a_cancellation_is_passed_on() -> None:
    with pytest.raises(asyncio.CancelledError):
        await FallbackChain([broken("best", asyncio.CancelledError()), constant()]).answer(["a"], soon())


async def test_a_tier_that_hangs_leaves_time_to_those_after_it() -> None:
    async def hang(_items: Sequence[str], _deadline: Deadline) -> list[Answer]:
        await asyncio.Event().wait()
        raise AssertionError

    deadline = soon()
    hanging = Substitute[str, float](name="best", answer=hang, leaves_ms=60)
    [served] = await FallbackChain([hanging, constant()]).answer(["a"], deadline)
    assert served.reason == "best:timeout"
    assert deadline.remaining_ms > 0


async def test_an_answer_of_the_wrong_length_is_no_answer() -> None:
    async def too_few(_items: Sequence[str], _deadline: Deadline) -> list[Answer]:
        return []

    [served] = await FallbackChain([Substitute(name="best", answer=too_few), constant()]).answer(["a"], soon())
    assert served.reason == "best:meaning"


async def test_a_value_that_is_not_accepted_is_refused_for_that_item_alone() -> None:
    best = tier("best", a=-1.0, b=2.0)
    best = Substitute(name="best", answer=best.answer, accept=lambda _, value: "negative" if value < 0 else None)
    served = await FallbackChain([best, constant(5.0)]).answer(["a", "b"], soon())
    assert [(story.value, story.reason) for story in served] == [(5.0, "best:negative"), (2.0, None)]


async def test_a_tier_that_is_not_needed_does_not_degrade_the_answer() -> None:
    [served] = await FallbackChain([tier("override", a=NotNeeded()), constant(5.0)]).answer(["a"], soon())
    assert (served.value, served.degraded, served.reason) == (5.0, False, None)


async def test_nobody_answering_is_an_explicit_error() -> None:
    with pytest.raises(NobodyAnswered, match="best:unknown"):
        await FallbackChain([tier("best")]).answer(["a"], soon())


async def test_an_explicit_error_can_be_the_last_tier_and_only_hurts_who_gets_that_far() -> None:
    chain = FallbackChain([tier("best", a=1.0), explicit_error("no_safe_guess")])
    assert [story.value for story in await chain.answer(["a"], soon())] == [1.0]
    with pytest.raises(NobodyAnswered, match="best:unknown, explicit_error:no_safe_guess"):
        await chain.answer(["b"], soon())


def doubling(*, fail_on: str = "", error: Exception | None = None) -> OptionalStage[str, float]:
    async def improve(items: Sequence[str], values: Sequence[float], _deadline: Deadline) -> list[Answer]:
        if error is not None:
            raise error
        return [Refused("unsure") if item == fail_on else 2 * value for item, value in zip(items, values, strict=True)]

    return OptionalStage(name="stage", after="best", improve=improve)


async def test_an_optional_stage_improves_what_its_tier_served_and_nothing_else() -> None:
    chain = FallbackChain([tier("best", a=1.0), constant(5.0)], [doubling()])
    served = await chain.answer(["a", "b"], soon())
    assert [(story.value, story.served_by) for story in served] == [(2.0, "stage"), (5.0, "constant")]


async def test_a_stage_that_refuses_an_item_keeps_its_answer_and_says_so() -> None:
    chain = FallbackChain([tier("best", a=1.0, b=3.0), constant()], [doubling(fail_on="a")])
    served = await chain.answer(["a", "b"], soon())
    assert [(story.value, story.served_by, story.reason) for story in served] == [
        (1.0, "best", "stage:unsure"),
        (6.0, "stage", None),
    ]


async def test_a_stage_that_fails_keeps_every_answer() -> None:
    chain = FallbackChain([tier("best", a=1.0), constant()], [doubling(error=TierFailed("timeout"))])
    [served] = await chain.answer(["a"], soon())
    assert (served.value, served.served_by, served.degraded, served.reason) == (1.0, "best", True, "stage:timeout")


async def test_one_chain_serves_many_requests_at_once_without_mixing_them() -> None:
    async def echo(items: Sequence[str], _deadline: Deadline) -> list[Answer]:
        await asyncio.sleep(0)
        return [float(item) for item in items]

    chain = FallbackChain([Substitute[str, float](name="echo", answer=echo), constant()])
    requests = [[str(i), str(i + 1)] for i in range(100)]
    answers = await asyncio.gather(*(chain.answer(items, whenever()) for items in requests))
    assert [[story.value for story in served] for served in answers] == [[i, i + 1] for i in range(100)]


@given(
    known=st.lists(st.sets(st.integers(0, 9).map(str)), min_size=1, max_size=4),
    items=st.lists(st.integers(0, 9).map(str), max_size=20),
)
def test_each_item_is_served_by_the_first_tier_that_knows_it(known: list[set[str]], items: list[str]) -> None:
    tiers = [tier(f"tier{place}", **{item: float(place) for item in names}) for place, names in enumerate(known)]
    served = asyncio.run(FallbackChain([*tiers, constant(-1.0)]).answer(items, whenever()))
    expected = [next((place for place, names in enumerate(known) if item in names), -1) for item in items]
    assert [story.value for story in served] == expected
    assert [story.degraded for story in served] == [place != 0 for place in expected]


async def test_a_client_whose_deadline_expires_learns_of_it_before_the_chain_gives_up() -> None:
    learnt: list[str] = []

    async def answer(_items: Sequence[str], deadline: Deadline) -> list[Answer]:
        try:
            async with asyncio.timeout(deadline.remaining_ms / 1000):
                await asyncio.Event().wait()
        except TimeoutError:
            learnt.append("timeout")
            raise TierFailed("timeout") from None
        except asyncio.CancelledError:
            learnt.append("cancelled")
            raise
        return []

    chain = FallbackChain([Substitute(name="best", answer=answer, leaves_ms=60), constant()])
    for number in range(40):  # a machine that stands still for longer than the grace may spoil many
        await chain.answer(["a"], soon())
        assert len(learnt) == number + 1
        if learnt.count("timeout") > 3:
            return
    pytest.fail(f"it learnt of {learnt.count('timeout')} of 40")


async def test_the_story_tells_whose_turn_it_was_what_came_of_it_and_how_long_it_took() -> None:
    async def slow(items: Sequence[str], _deadline: Deadline) -> list[Answer]:
        await asyncio.sleep(0.02)
        return [Refused("unsure") for _ in items]

    chain = FallbackChain(
        [tier("override", a=NotNeeded()), Substitute[str, float](name="best", answer=slow), constant(5.0)]
    )
    [served] = await chain.answer(["a"], soon())
    assert [(step.tier, step.came_to, step.reason) for step in served.story] == [
        ("override", "not_needed", None),
        ("best", "refused", "unsure"),
        ("constant", "served", None),
    ]
    assert [step.elapsed_ms >= 15 for step in served.story] == [False, True, False]
    assert served.reason == "best:unsure"


async def test_a_bug_in_accept_is_a_refusal_of_that_item_and_is_raised_where_tests_ask_for_it() -> None:
    known = tier("best", a=0.0, b=2.0)
    best = Substitute(name="best", answer=known.answer, accept=lambda _, value: None if 1 / value else "never")
    served = await FallbackChain([best, constant(5.0)]).answer(["a", "b"], soon())
    assert [(story.value, story.reason) for story in served] == [(5.0, "best:bug"), (2.0, None)]
    with pytest.raises(ZeroDivisionError):
        await FallbackChain([best, constant()], raise_bugs=True).answer(["a"], soon())


async def test_a_tier_that_is_no_coroutine_and_raises_at_once_means_next_please() -> None:
    def answer(_items: Sequence[str], _deadline: Deadline) -> asyncio.Future[list[Answer]]:
        raise ZeroDivisionError

    [served] = await FallbackChain([Substitute(name="best", answer=answer), constant()]).answer(["a"], soon())
    assert served.reason == "best:bug"


def hanging(**times: float) -> Substitute[str, float]:
    async def hang(_items: Sequence[str], _deadline: Deadline) -> list[Answer]:
        await asyncio.Event().wait()
        raise AssertionError

    return Substitute(name="best", answer=hang, leaves_ms=times.get("leaves_ms", 0), at_most_ms=times.get("at_most_ms"))


async def test_a_tier_takes_no_longer_than_its_own_budget() -> None:
    deadline = Deadline.after_ms(5_000)
    [served] = await FallbackChain([hanging(at_most_ms=20), constant()]).answer(["a"], deadline)
    assert served.reason == "best:timeout"
    assert deadline.remaining_ms > 4_000


async def test_nobody_uses_the_reserve_of_the_last_tier() -> None:
    left_ms: list[float] = []

    async def answer(items: Sequence[str], deadline: Deadline) -> list[Answer]:
        left_ms.append(deadline.remaining_ms)
        return [0.0 for _ in items]

    last = Substitute[str, float](name="last", answer=answer, at_most_ms=400)
    greedy = [hanging(), Substitute(name="next", answer=hanging().answer)]
    [served] = await FallbackChain([*greedy, last]).answer(["a"], Deadline.after_ms(1_000))
    assert served.reason == "best:timeout, next:timeout"
    assert left_ms[0] > 100  # 400 on a machine that wakes up in time


async def test_the_last_tier_is_asked_even_when_the_deadline_has_passed() -> None:
    [served] = await FallbackChain([hanging(), constant(5.0)]).answer(["a"], Deadline.after_ms(0))
    assert (served.value, served.reason) == (5.0, "best:timeout")


@pytest.mark.parametrize(
    ("substitutes", "stages", "problem"),
    [
        ([], [], "no substitute"),
        ([tier("best"), tier("best")], [], "two tiers are named 'best'"),
        ([tier("constant"), constant()], [], "two tiers are named 'constant'"),
        ([tier("stage"), tier("best"), constant()], [doubling()], "two tiers are named 'stage'"),
        ([tier("other"), constant()], [doubling()], "'stage' comes after 'best', which is no tier"),
        ([hanging(leaves_ms=-1), constant()], [], "times of 'best'"),
        ([hanging(at_most_ms=0), constant()], [], "times of 'best'"),
        ([hanging(leaves_ms=10)], [], "'best' is the last"),
        ([Substitute(name="best", answer=hanging().answer, demotion=DemotionPolicy())], [], "can't be demoted"),
    ],
)
def test_an_unsound_chain_is_refused_when_it_is_made(
    substitutes: list[Substitute[str, float]], stages: list[OptionalStage[str, float]], problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        FallbackChain(substitutes, stages)


def itself(value: float) -> float:
    return value


NAN = float("nan")


@pytest.mark.parametrize(
    ("item", "value", "problem"),
    [
        ("a", 0.0, None),
        ("a", 10.0, None),
        ("a", -0.1, "out_of_range"),
        ("a", 10.1, "out_of_range"),
        ("a", NAN, "out_of_range"),
        ("aaaa", 5.0, Refused("drift", blameless=True)),
        ("a", 7.0, "unlucky"),
    ],
)
def test_common_kinds_of_acceptance_combine_and_the_first_problem_is_named(
    item: str, value: float, problem: str | Refused | None
) -> None:
    def own(_item: str, value: float) -> str | None:
        return "unlucky" if value == 7 else None

    accept = accepts(within(0, 10, of=itself), familiar(3, of=len), own)
    assert accept(item, value) == problem


@pytest.mark.parametrize(("confidence", "problem"), [(0.8, None), (0.79, "uncertain"), (NAN, "uncertain")])
def test_a_tier_that_is_not_sure_enough_is_not_believed(confidence: float, problem: str | None) -> None:
    assert confident(0.8, of=itself)("a", confidence) == problem
