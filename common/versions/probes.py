"""Golden probes: questions with the exact answers that a version gave when it was published, asked again at every load.

With the same libraries on the same kind of processor the answers must be the same to the last bit. Elsewhere numbers
may differ by a tolerance that the version states itself, for another processor rounds in another order.
"""

from __future__ import annotations

import json
import math
import platform
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from common.versions.manifest import ArtifactError, Manifest, Release, check_libraries, installed

PROBES = "probes.json"
CPU_FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm", "sve")  # choose kernels

Ask = Callable[[Any], Any]


class ProbeMismatch(ArtifactError):
    """A version does not answer as it did when it was published."""


class GoldenProbes(BaseModel):
    """What the artifact `probes.json` holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    questions: list[Any]
    answers: list[Any]  # numbers, texts, lists and objects of them; null for what is no number
    tolerance: float  # relative to the largest number of an answer, where libraries or processor are others
    libraries: dict[str, str]
    processor: str


def probes_file(questions: Sequence[Any], ask: Ask, *, libraries: Sequence[str], tolerance: float) -> bytes:
    """The artifact for questions that JSON can hold, with what `ask` answers to them now."""
    asked = json.loads(json.dumps(_plain(list(questions))))
    probes = GoldenProbes(
        questions=asked,
        answers=[_plain(ask(question)) for question in asked],
        tolerance=tolerance,
        libraries=installed(tuple(libraries)),
        processor=processor(),
    )
    return probes.model_dump_json().encode()


def check_probes(release: Release, ask: Ask) -> None:
    """Raises `ArtifactError` when the libraries have another major version, or an answer is not what it was.

    A version without probes has nothing to replay.
    """
    manifest = release.manifest
    if PROBES not in manifest.artifacts:
        return
    probes = _read(manifest, release.path(PROBES))
    check_libraries(manifest, serving=tuple(probes.libraries))
    same_machine = (probes.libraries, probes.processor) == (installed(tuple(probes.libraries)), processor())
    tolerance = 0.0 if same_machine else probes.tolerance
    for place, (question, expected) in enumerate(zip(probes.questions, probes.answers, strict=True), start=1):
        try:
            told = json.loads(json.dumps(_plain(ask(question))))
        except Exception as error:  # libraries raise errors of their own
            raise _mismatch(manifest, f"golden probe {place} can't be answered: {error}") from error
        apart = difference(expected, told)
        if apart > tolerance:
            of = len(probes.questions)
            raise _mismatch(
                manifest, f"golden probe {place} of {of} is answered otherwise than at its release ({apart:.2g})"
            )


def difference(expected: Any, told: Any) -> float:
    """How far apart two answers are, relative to the largest number expected; infinite if they differ in shape."""
    largest = max((abs(number) for number in _numbers(expected)), default=0.0)
    apart = _apart(expected, told)
    return apart / largest if largest else apart


@cache
def processor() -> str:
    """The kind of processor, as far as it chooses how numbers are added up: `x86_64 avx2 avx512f`."""
    try:
        flags = set(re.findall(r"\w+", Path("/proc/cpuinfo").read_text()))
    except OSError:
        flags = set()
    return " ".join([platform.machine(), *(name for name in CPU_FEATURES if name in flags)])


def _read(manifest: Manifest, path: Path) -> GoldenProbes:
    try:
        probes = GoldenProbes.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise _mismatch(manifest, f"{PROBES} can't be read: {error}") from error
    if len(probes.questions) != len(probes.answers):
        raise _mismatch(manifest, f"{PROBES} has {len(probes.questions)} questions and {len(probes.answers)} answers")
    return probes


def _mismatch(manifest: Manifest, what: str) -> ProbeMismatch:
    return ProbeMismatch(f"{manifest.component} {manifest.version}: {what}")


def _apart(expected: Any, told: Any) -> float:
    if _is_number(expected) and _is_number(told):
        return abs(float(expected) - float(told))
    if isinstance(expected, list) and isinstance(told, list) and len(expected) == len(told):
        return max(map(_apart, expected, told), default=0.0)
    if isinstance(expected, dict) and isinstance(told, dict) and expected.keys() == told.keys():
        return max((_apart(expected[key], told[key]) for key in expected), default=0.0)
    return 0.0 if type(expected) is type(told) and expected == told else math.inf


def _numbers(answer: Any) -> list[float]:
    if _is_number(answer):
        return [answer]
    parts = answer.values() if isinstance(answer, dict) else answer if isinstance(answer, list) else ()
    return [number for part in parts for number in _numbers(part)]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _plain(answer: Any) -> Any:
    """With None for what is no number: JSON has no NaN."""
    if isinstance(answer, float):
        return answer if math.isfinite(answer) else None
    if isinstance(answer, dict):
        return {key: _plain(value) for key, value in answer.items()}
    if isinstance(answer, list | tuple):
        return [_plain(value) for value in answer]
    return answer
