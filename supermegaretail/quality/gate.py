"""Whether a training may begin: not on a table with a finding that stops, unless a person says why it should."""

from __future__ import annotations

from typing import Any

from supermegaretail.quality.findings import Report

LONGEST_REASON = 500


class QualityStop(Exception):
    """The table is not fit to learn from; the message says why in one line."""


def judged(report: Report, *, despite: str | None = None) -> dict[str, Any]:
    """What a training remembers of the report: the checks that `stops` it and the reason why it went on `despite` them.

    Raises `QualityStop` where a finding stops and `despite` gives no reason; a reason without need is not remembered.
    """
    stops = sorted({finding.check for finding in report.of("stop")})
    if not stops:
        return {"stops": []}
    reason = (despite or "").strip()[:LONGEST_REASON]
    if not reason:
        raise QualityStop(
            f"data quality stopped the training ({', '.join(stops)}); mend the data, or say why it is right: "
            '--despite-quality "REASON"'
        )
    return {"stops": stops, "despite": reason}
