"""What the code around encoder and reranker does without a model."""

from __future__ import annotations

from typing import Any

from common.versions.manifest import ArtifactError
from photostock.text_model import number


def text_model() -> dict[str, Any]:
    """Which parameters of a manifest are taken for numbers."""
    answers: list[Any] = []
    for value in (1, 2.5, True, "3", None):
        try:
            answers.append(number({"n": value}, "n"))
        except ArtifactError:
            answers.append("refused")
    return {"numbers": answers}
