"""Features on their way to the model process: the very numbers that were sent, or a refusal."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from pydantic import ValidationError

from supermegaretail.model_contract import Features, PredictionRequest, packed, unpacked

VALUES = np.array([[0.1, np.nan, 1e300], [-0.0, 1 / 3, 5e-324]])


def request(stable: list[bytes]) -> PredictionRequest:
    return PredictionRequest(
        version="champion",
        features_version="2",
        as_of=date(2026, 6, 28),
        horizon_days=7,
        items=[Features(id=str(place), stable=row, extended=None) for place, row in enumerate(stable)],
    )


def test_features_arrive_bit_by_bit_as_they_were_sent() -> None:
    read = PredictionRequest.model_validate_json(request(packed(VALUES)).model_dump_json())
    found = unpacked([item.stable for item in read.items], (3,))
    assert found.tobytes() == VALUES.tobytes()


def test_features_of_several_days_keep_their_shape() -> None:
    by_day = np.arange(24.0).reshape(2, 4, 3)
    np.testing.assert_array_equal(unpacked(packed(by_day), (4, 3)), by_day)


def test_nothing_is_packed_as_nothing() -> None:
    assert packed(VALUES[:0]) == []
    assert unpacked([], (3,)).shape == (0, 3)


@pytest.mark.parametrize("rows", [[b"\x00" * 23], [b"\x00" * 24, b"\x00" * 16], [b""]])
def test_numbers_of_another_shape_are_refused(rows: list[bytes]) -> None:
    with pytest.raises(ValueError, match=r"shape \(3,\)"):
        unpacked(rows, (3,))


def test_infinite_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        unpacked(packed(np.array([[1.0, np.inf, 0.0]])), (3,))


@pytest.mark.parametrize("stable", ['"AA*A"', "[1.0]", "null", '"AAAA", "more": 1'])
def test_what_is_no_base64_or_no_known_field_is_refused(stable: str) -> None:
    whole = request(packed(VALUES[:1])).model_dump_json()
    start = whole.index('"stable":') + len('"stable":')
    spoilt = whole[:start] + stable + whole[whole.index(',"extended"') :]
    with pytest.raises(ValidationError):
        PredictionRequest.model_validate_json(spoilt)
