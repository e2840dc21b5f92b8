"""Sales, corrections, overrides and forecasts in any order: what was acknowledged is what the next forecast uses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.fuzz.conftest import OPERATOR, STATES, House
from tests.supermegaretail.conftest import LAST_DAY

SHOP = "fuzzed"
PRODUCTS = st.sampled_from(["milk", "bread", "\u05d0\u05d1\u202e", "e\u0301\U0001f4a3", "a/../b", "'; --"])
DAYS = st.integers(0, 3)
UNITS = st.sampled_from([0.0, 1.0, 2.5, 40.0, 1e-320, 1e9])


class RetailStates(RuleBasedStateMachine):
    """The truth in two dicts, beside the service."""

    client: httpx.Client

    @initialize()
    def begin(self) -> None:
        self.sold: dict[tuple[str, int], float] = {}
        self.overridden: dict[str, tuple[str, float]] = {}
        self.shop = f"{SHOP}-{datetime.now(UTC).timestamp()}"

    @rule(sku=PRODUCTS, day=DAYS, units=UNITS)
    def report_a_sale_or_correct_it(self, sku: str, day: int, units: float) -> None:
        self._report(sku, day, units)

    def _report(self, sku: str, day: int, units: float) -> None:
        date = LAST_DAY - timedelta(days=day)
        row = {"store": self.shop, "sku": sku, "date": date.isoformat(), "sales": units}
        assert self.client.post("/v1/sales", json={"sales": [row]}).status_code == 201
        self.sold[sku, day] = units

    @rule(sku=PRODUCTS, units=st.sampled_from([0.0, 3.0, 1e9]))
    def override(self, sku: str, units: float) -> None:
        wish = {
            "store": self.shop,
            "sku": sku,
            "demand_per_day": units,
            "owner": "fuzz",
            "reason": "a try",
            "ends_at": (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
        }
        if sku in self.overridden:
            return  # two at a time would be another story
        answer = self.client.post("/v1/admin/overrides", json=wish, headers=OPERATOR)
        assert answer.status_code == 201, answer.text
        self.overridden[sku] = (answer.json()["id"], units)

    @rule(sku=PRODUCTS)
    def withdraw(self, sku: str) -> None:
        if sku in self.overridden:
            answer = self.client.delete(f"/v1/admin/overrides/{self.overridden.pop(sku)[0]}", headers=OPERATOR)
            assert answer.status_code == 204

    @rule(sku=PRODUCTS, horizon=st.integers(1, 28))
    def forecast_twice(self, sku: str, horizon: int) -> None:
        asked = {"items": [{"store": self.shop, "sku": sku}], "horizon_days": horizon, "as_of": LAST_DAY.isoformat()}
        one = self._forecast(asked)
        assert self._forecast(asked) == one
        assert len(one["demand"]) == horizon
        if sku in self.overridden:
            assert one["served_by"] == "override"
            assert one["demand"] == [self.overridden[sku][1]] * horizon
        else:
            assert one["served_by"] != "override"

    @rule(units=UNITS)
    def a_correction_that_is_corrected_changes_nothing(self, units: float) -> None:
        for (sku, day), before in list(self.sold.items())[:2]:
            asked = {"items": [{"store": self.shop, "sku": sku}], "as_of": LAST_DAY.isoformat()}
            first = self._forecast(asked)
            self._report(sku, day, units)
            self._report(sku, day, before)
            assert self._forecast(asked) == first

    def _forecast(self, asked: dict[str, Any]) -> dict[str, Any]:
        answer = self.client.post("/v1/forecasts", json=asked)
        assert answer.status_code == 200, answer.text
        [one] = answer.json()["forecasts"]
        return {name: one[name] for name in ("served_by", "dates", "demand", "override_id")}  # a reason may change


def test_what_was_acknowledged_is_what_forecasts_use(house: House) -> None:
    with httpx.Client(base_url=house.url("supermegaretail-api"), timeout=30) as client:

        class States(RetailStates):
            pass

        States.client = client
        run_state_machine_as_test(States, settings=STATES)
    assert house.troubles("supermegaretail-api") == []


@pytest.mark.parametrize("units", ["1", True, -0.5, 1e10, None, [1]])
def test_a_number_that_is_none_is_refused(house: House, units: object) -> None:
    row = {"store": "a", "sku": "b", "date": LAST_DAY.isoformat(), "sales": units}
    answer = httpx.post(f"{house.url('supermegaretail-api')}/v1/sales", json={"sales": [row]}, timeout=30)
    assert (answer.status_code, "sales.0.sales" in answer.json()["detail"]) == (422, True)


@pytest.mark.parametrize("date", ["0001-01-01", "1900-02-29", "2024-02-29", "9999-12-31", "2026-6-1", "0000-00-00"])
def test_dates_at_the_limits_are_taken_or_refused_but_never_a_bug(house: House, date: str) -> None:
    url = house.url("supermegaretail-api")
    asked = {"items": [{"store": "north", "sku": "milk"}], "as_of": date, "horizon_days": 28}
    assert httpx.post(f"{url}/v1/forecasts", json=asked, timeout=30).status_code in (200, 422)
    for path, row in (("sales", {"sales": 1.0}), ("plans", {"price": 1.0})):
        whole = {path: [{"store": "limits", "sku": "b", "date": date, **row}]}
        assert httpx.post(f"{url}/v1/{path}", json=whole, timeout=30).status_code in (201, 422)
    assert house.troubles("supermegaretail-api") == []
