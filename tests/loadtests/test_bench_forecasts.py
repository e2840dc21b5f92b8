"""What a request costs: the arithmetic, and that the parts of the base are what they say."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from loadtests.bench.bare_predict import BarePredict
from loadtests.bench.cpu import cpu_s_of
from loadtests.bench.empty_server import create_app
from loadtests.bench.forecasts import SIZES, Costs, over_target
from loadtests.processes import ProcessError

CHEAP = Costs(api_ms=1.0, model_ms=0.5, empty_ms=0.5, predict_ms=0.5)
DEAR = Costs(api_ms=9.0, model_ms=0.5, empty_ms=0.5, predict_ms=0.5)


def test_the_ratio_is_of_both_processes_to_both_parts_of_the_base() -> None:
    assert CHEAP.ratio == 1.5


def test_one_disturbed_round_does_not_miss_a_target() -> None:
    assert over_target([[CHEAP, CHEAP], [DEAR, DEAR], [CHEAP, CHEAP]]) == []
    assert over_target([[CHEAP, DEAR]]) == [SIZES[1]]


def test_the_empty_server_takes_the_body_and_gives_the_answer_that_it_was_given() -> None:
    with TestClient(create_app([b'{"one": 1}', b'{"two": 2}'])) as client:
        body = {"items": [{"store": "north", "sku": "milk"}], "horizon_days": 7}
        assert client.post("/1", json=body).json() == {"two": 2}
        assert client.post("/0", json={"items": "none"}).status_code == 422


def test_the_kernel_counts_the_time_of_a_process() -> None:
    before = cpu_s_of(os.getpid())
    until = time.process_time() + 0.1
    while time.process_time() < until:
        pass
    assert cpu_s_of(os.getpid()) - before >= 0.05


def test_without_models_it_says_what_makes_them(tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match="supermegaretail train"):
        BarePredict(tmp_path)
