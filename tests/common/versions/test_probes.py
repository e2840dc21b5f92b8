"""Golden probes: a version that does not answer as it did when it was published is not loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from common.versions.manifest import ArtifactError, Release
from common.versions.probes import PROBES, Ask, ProbeMismatch, check_probes, difference, probes_file
from common.versions.registry import Registry

QUESTIONS = [1.5, float("nan"), 3]


def answer(asked: Any) -> Any:
    return {"twice": [2 * asked if asked is not None else float("nan")], "word": "yes"}


def release(folder: Path, **changes: Any) -> Release:
    """A published version whose probes were changed before it was published."""
    document = json.loads(probes_file(QUESTIONS, answer, libraries=["numpy"], tolerance=0.01)) | changes
    registry = Registry(folder)
    registry.publish("core", {PROBES: json.dumps(document).encode()}, libraries={"numpy": "2.0.0"}, alias="champion")
    return registry.load("core")


def a_little_more(asked: Any) -> Any:
    told = answer(asked)
    told["twice"][0] *= 1.001
    return told


def test_the_same_answers_pass(tmp_path: Path) -> None:
    check_probes(release(tmp_path), answer)


def test_on_the_same_machine_nothing_may_differ_and_the_probe_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProbeMismatch, match=r"core 1\.0\.0: golden probe 1 of 3 is answered otherwise"):
        check_probes(release(tmp_path), a_little_more)


@pytest.mark.parametrize("elsewhere", [{"processor": "another"}, {"libraries": {"numpy": "2.0.0"}}])
def test_elsewhere_numbers_may_differ_by_the_tolerance_and_not_by_more(
    tmp_path: Path, elsewhere: dict[str, Any]
) -> None:
    there = release(tmp_path, **elsewhere)
    check_probes(there, a_little_more)
    with pytest.raises(ProbeMismatch):
        check_probes(there, lambda asked: answer(None if asked is None else asked * 1.02))


def test_another_shape_or_word_is_never_within_a_tolerance(tmp_path: Path) -> None:
    there = release(tmp_path, processor="another")

    def always(told: Any) -> Ask:
        return lambda _asked: told

    for told in ({"twice": [3.0, 3.0], "word": "yes"}, {"twice": [3.0], "word": "no"}, {"twice": [None]}, 3.0):
        with pytest.raises(ProbeMismatch):
            check_probes(there, always(told))


def test_a_question_that_makes_the_model_fail_is_a_mismatch(tmp_path: Path) -> None:
    def fail(_asked: Any) -> Any:
        raise ValueError("features of another shape")

    with pytest.raises(ProbeMismatch, match="can't be answered: features of another shape"):
        check_probes(release(tmp_path), fail)


def test_another_major_version_of_a_library_is_refused(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    content = probes_file(QUESTIONS, answer, libraries=["numpy"], tolerance=0.01)
    registry.publish("core", {PROBES: content}, libraries={"numpy": "0.9.0"}, alias="champion")
    with pytest.raises(ArtifactError, match=r"was made with numpy 0\.9\.0; here is"):
        check_probes(registry.load("core"), answer)


def test_a_version_from_before_there_were_probes_is_loaded(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    registry.publish("core", {"model.txt": b"trees"}, alias="champion")
    check_probes(registry.load("core"), a_little_more)


@pytest.mark.parametrize("damage", [{"answers": []}, {"unknown": 1}])
def test_probes_that_make_no_sense_are_refused(tmp_path: Path, damage: dict[str, Any]) -> None:
    with pytest.raises(ProbeMismatch):
        check_probes(release(tmp_path, **damage), answer)


def test_a_difference_is_relative_to_the_largest_number() -> None:
    assert difference([100.0, 1.0], [101.0, 1.5]) == pytest.approx(0.01)
    assert difference([None, True], [None, 1]) == float("inf")
