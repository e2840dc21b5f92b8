"""The menu and the mutations, without any network."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from loadtests.faults import MENU, UnknownFaultError, find_fault
from loadtests.misbehave import BEHAVIOURS
from loadtests.mutations import MUTATIONS, mutate

ANSWER: dict[str, Any] = {
    "items": [{"id": "a", "demand": [1.0, 2.0]}, {"id": "b", "demand": [3.0, 4.5]}, {"id": "c", "demand": [0.0, 0.0]}],
    "versions": {"core": "1.2.0"},
    "complete": True,
}


def mutated(fault: str, document: Any = ANSWER) -> Any:
    return json.loads(mutate(fault, document))


def test_every_fault_has_its_own_name_and_a_sentence() -> None:
    assert len({fault.name for fault in MENU}) == len(MENU)
    assert all(fault.sentence.endswith(".") for fault in MENU)


def test_the_proxy_can_do_everything_on_the_menu_but_signals() -> None:
    assert set(BEHAVIOURS) | {"refused"} == {fault.name for fault in MENU if fault.kind != "process"}
    assert set(MUTATIONS) | {"truncated_json"} == {fault.name for fault in MENU if fault.kind == "content"}


def test_an_unknown_fault_is_answered_with_the_menu() -> None:
    with pytest.raises(UnknownFaultError, match="drip_body"):
        find_fault("drip")


def test_too_few_and_too_many_items_change_the_items_and_not_what_is_inside_them() -> None:
    assert [item["id"] for item in mutated("too_few_items")["items"]] == ["a", "b"]
    assert [item["id"] for item in mutated("too_many_items")["items"]] == ["a", "b", "c", "c"]
    assert mutated("too_few_items")["items"][0]["demand"] == [1.0, 2.0]


@pytest.mark.parametrize(
    ("fault", "ids"),
    [
        ("shuffled_ids", ["b", "c", "a"]),
        ("duplicated_ids", ["a", "a", "a"]),
        ("foreign_ids", ["foreign-a", "foreign-b", "foreign-c"]),
    ],
)
def test_ids_are_spoiled_in_objects_and_in_plain_lists_and_values_stay_in_place(fault: str, ids: list[str]) -> None:
    assert [item["id"] for item in mutated(fault)["items"]] == ids
    assert [item["demand"] for item in mutated(fault)["items"]] == [item["demand"] for item in ANSWER["items"]]
    assert mutated(fault, {"ids": ["a", "b", "c"]}) == {"ids": ids}
    assert mutated(fault)["versions"] == ANSWER["versions"]


@pytest.mark.parametrize(
    ("fault", "numbers"),
    [
        ("infinity", [math.inf, math.inf]),
        ("huge_numbers", [1e308, 1e308]),
        ("negative", [-2.0, -3.0]),
        ("nulls", [None, None]),
        ("strings_for_numbers", ["1.0", "2.0"]),
    ],
)
def test_numbers_are_spoiled_wherever_they_are_and_truth_values_are_no_numbers(fault: str, numbers: list[Any]) -> None:
    assert mutated(fault)["items"][0]["demand"] == numbers
    assert mutated(fault)["complete"] is True


def test_nan_is_written_as_careless_servers_write_it() -> None:
    assert b'"demand": [NaN, NaN]' in mutate("nan", ANSWER)


def test_another_version_and_another_shape() -> None:
    assert mutated("other_version")["versions"] == {"core": "0.0.0-other"}
    assert mutated("other_version")["items"] == ANSWER["items"]
    assert "items" not in mutated("other_shape")


def test_versions_can_be_wrong_one_at_a_time() -> None:
    two: dict[str, Any] = {
        "version": "1.0.0",
        "correction_version": "1.1.0",
        "correction_reason": None,
        "predictions": [],
    }
    assert mutated("other_correction", two) == {**two, "correction_version": "0.0.0-other"}
    assert mutated("other_correction", {**two, "correction_version": None})["version"] == "0.0.0-other"
    assert mutated("other_correction")["versions"] == {"core": "0.0.0-other"}


def test_long_strings_are_in_place_of_every_text_and_of_nothing_else() -> None:
    made = mutated("long_strings")
    assert {len(item["id"]) for item in made["items"]} == {len(made["versions"]["core"])} == {10_000}
    assert [item["demand"] for item in made["items"]] == [item["demand"] for item in ANSWER["items"]]


def test_truncated_json_is_half_of_the_answer() -> None:
    whole = json.dumps(ANSWER).encode()
    assert mutate("truncated_json", ANSWER) == whole[: len(whole) // 2]
