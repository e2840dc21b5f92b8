"""How every experiment ends: with what broke, or that nothing did, and the exit code that goes with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Console


def verdict(broken: Sequence[str], console: Console) -> int:
    """Shows a sentence for each part of a promise that was not kept; 1 if there is one."""
    for sentence in broken:
        console.print(sentence, style="red", soft_wrap=True)
    if not broken:
        console.print("the promise held", style="green")
    return int(bool(broken))


def counts(told: Counter[str]) -> str:
    """In words, most frequent first."""
    return ", ".join(f"{times} {what}" for what, times in told.most_common()) or "nothing"
