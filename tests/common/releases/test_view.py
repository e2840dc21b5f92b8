"""Reports as a person reads them."""

from __future__ import annotations

from common.releases.gate import Finding
from common.releases.view import findings_of, summary_of

FINDINGS = (
    Finding("accuracy", True, "WAPE 0.300"),
    Finding("bias", False, "+9 %"),
    Finding("shift", None, "store A: +11 %"),
)


def test_what_each_gate_found_is_shown_as_the_gate_wrote_it() -> None:
    shown = findings_of({"gates": [finding.as_json() for finding in FINDINGS]})

    assert [(one["gate"], one["result"], one["told"]) for one in shown] == [
        ("accuracy", "passed", "WAPE 0.300"),
        ("bias", "failed", "+9 %"),
        ("shift", "inconclusive", "store A: +11 %"),
    ]


def test_a_report_without_samples_is_told_in_its_sentence_and_its_reasons() -> None:
    report = {"kind": "automatic", "outcome": "fail", "sentence": "1 of 3 gates are open", "reasons": ["bias: +9 %"]}

    assert summary_of(report) == {
        "outcome": "fail",
        "outcome_told": "Not good enough by the rules",
        "sentence": "1 of 3 gates are open",
        "reasons": ["bias: +9 %"],
    }
    assert summary_of({}) is None
    assert summary_of(report | {"measures": []}) is None  # it has a review
