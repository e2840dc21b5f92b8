"""What `experiment canary` promises, and that it notices when the promise is broken."""

from __future__ import annotations

import pytest

from loadtests.experiments.canary import KINDS, broken, right
from loadtests.experiments.canary_traffic import Outcome, rehearse

RUNS = 20


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_challenger_ends_as_it_should(name: str) -> None:
    kind = KINDS[name]
    ends = [rehearse(kind.traffic, seed=seed, policy=kind.policy) for seed in range(RUNS)]

    assert sum(right(kind, end) for end in ends) >= 0.95 * RUNS


def test_the_same_seed_gives_the_same_rollout() -> None:
    kind = KINDS["3 % of the answers NaN"]

    assert len({rehearse(kind.traffic, seed=5, policy=kind.policy) for _ in range(2)}) == 1


def test_what_is_found_too_late_and_what_is_refused_for_nothing_breaks_the_promise() -> None:
    good = {name: [Outcome("rolled_back" if kind.bad else "promoted", 0.01)] * 100 for name, kind in KINDS.items()}
    late = good | {"50 ms slower": [Outcome("rolled_back", 0.06)] * 100}
    refused = good | {"identical": [Outcome("rolled_back", 0.01)] * 9 + [Outcome("promoted", 0.02)] * 91}

    assert broken(good) == []
    assert broken(late) == ["50 ms slower: 0 of 100 were taken back within 5%"]
    assert [sentence.split(" were")[0] for sentence in broken(refused)] == [
        "identical: 91 of 100",
        "identical: 9 of 100",
    ]
