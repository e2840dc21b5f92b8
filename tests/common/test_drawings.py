"""Small drawings: what is written on them is not cut off."""

from __future__ import annotations

import re

import pytest

from common.report.svg import WIDTH, Line, line_chart


@pytest.mark.parametrize("most", [16.0, 1_000.0, 120_000.0])
def test_the_last_label_of_an_axis_ends_within_the_drawing(most: float) -> None:
    line = Line("served", [(0.0, 1.0), (most, 2.0)], "all")
    drawn = line_chart([line], title="Items", description="By hour", x_title="hour", y_title="items", limits=(0, most))
    labels = re.findall(r'<text class="middle" x="([\d.]+)" y="\d+">([^<]+)</text>', drawn)
    assert len(labels) > 2
    assert all(float(x) + 3.5 * len(text) <= WIDTH for x, text in labels)
