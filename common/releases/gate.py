"""What stands between a candidate and its release: gates, each with a finding of its own, and the verdict of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

Verdict = Literal["pass", "fail", "inconclusive"]
MARKS: Mapping[Verdict, str] = {"pass": "[green]pass[/]", "fail": "[red]fail[/]", "inconclusive": "[yellow]unsure[/]"}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one gate found, in a plain sentence.

    Args:
        passed: None where the figures don't decide, so that a person has to.
        figures: what it was judged by, finite numbers.
    """

    gate: str
    passed: bool | None
    told: str
    figures: Mapping[str, float] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        return "inconclusive" if self.passed is None else "pass" if self.passed else "fail"

    def as_json(self) -> dict[str, Any]:
        return {"gate": self.gate, "verdict": self.verdict, "told": self.told, "figures": dict(self.figures)}


def verdict_of(findings: Sequence[Finding]) -> Verdict:
    """One failure fails; else one doubt is a doubt."""
    verdicts = {finding.verdict for finding in findings}
    return "fail" if "fail" in verdicts else "inconclusive" if "inconclusive" in verdicts else "pass"


def reasons(findings: Sequence[Finding]) -> str:
    """What did not pass, failures first, in one line; empty where all passed."""
    failed = [finding for finding in findings if finding.passed is False]
    unsure = [finding for finding in findings if finding.passed is None]
    return "; ".join(f"{finding.gate}: {finding.told}" for finding in (*failed, *unsure))


def show(findings: Sequence[Finding], console: Console) -> None:
    """One line per gate."""
    table = Table("gate", "", "what was found")
    for finding in findings:
        table.add_row(finding.gate, MARKS[finding.verdict], finding.told)
    console.print(table)
