"""The lesson of the two models: plans that go missing ruin one model with everything in it, and not two."""

from supermegaretail import missing_plans
from supermegaretail.demo_data import demo_table
from supermegaretail.missing_plans import ONE_MODEL, Outcome


def test_missing_plans_ruin_one_model_and_not_two() -> None:
    table = demo_table(stores=2, products=12, days=400)
    outcomes = {one.way: one for one in missing_plans.run(table, horizon_days=14, seed=1, threads=1)}

    def lost(way: str) -> float:
        return outcomes[way].missing[0] / outcomes[way].complete[0]

    core = outcomes["core alone"].complete[0]
    assert outcomes["core + correction"].missing[0] == core
    assert lost(ONE_MODEL) > lost("core + correction, not left out") > 1
    assert outcomes[ONE_MODEL].missing[0] > core
    assert all(isinstance(one, Outcome) for one in outcomes.values())
