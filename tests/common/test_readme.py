"""The examples of `common/README.md`, run as they are written, against a service that is there and one that is not."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

import common
from tests.json_server import json_server

README = Path(common.__file__).parent / "README.md"


def score(question: dict[str, Any]) -> dict[str, Any]:
    scores = [{"id": text["id"], "score": 0.9 if "good" in text["text"] else 0.1} for text in question["texts"]]
    return {"version": "1.0.0", "scores": scores}


async def run_examples(model_url: str, shadow_url: str) -> dict[str, Any]:
    """Everything that the examples define, as if they were typed one after the other."""
    names: dict[str, Any] = {"__name__": "readme"}
    for example in re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL):
        source = example.replace("http://127.0.0.1:8002", model_url).replace("http://127.0.0.1:9002", shadow_url)
        code = compile(source, str(README), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        waiting = eval(code, names)
        if waiting is not None:
            await waiting
    await names["upstream"].aclose()
    return names


async def test_the_examples_work() -> None:
    with json_server(score) as url, json_server(score) as other:
        names = await run_examples(url, other)
    assert names["outcome"].reason is None
    assert {key: one.value for key, one in names["outcomes"].items()} == {"review-1": 0.9, "review-2": 0.1}
    assert names["shadow"].report.agreed == 1
    assert [one.served_by for one in names["answers"]] == ["model", "model"]


@pytest.mark.parametrize("nobody", ["http://127.0.0.1:1"])
async def test_the_examples_work_though_nobody_is_there(nobody: str) -> None:
    names = await run_examples(nobody, nobody)
    assert names["outcome"].is_default
    assert [one.value for one in names["answers"]] == [1.0, 0.0]
    assert {one.degraded for one in names["answers"]} == {True}
