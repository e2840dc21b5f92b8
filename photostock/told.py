"""What a page says about an answer, in words that a person understands: who answered, and why nobody better did."""

from __future__ import annotations

from collections.abc import Sequence

from photostock.contract import SearchAnswer

FOUND = {
    "reranker": "Found by meaning, then put in order by a closer look at the best.",
    "semantic": "Found by meaning.",
    "lexical": "Found by the words you typed.",
    "popular": "These are popular photos: nothing was found by meaning or by words.",
}
PARTS = {
    "reranker": "the closer look",
    "semantic": "the search by meaning",
    "lexical": "the search by words",
}
# By what is wrong; `{part}` is one of the above. Reasons that no reader can tell apart share a sentence.
WHY = {
    ("timeout", "no_time"): "{part} had no time left",
    ("unreachable", "disconnected", "http_status"): "{part} can't be reached",
    ("breaker_open", "demoted"): "{part} was in trouble a moment ago and is left alone",
    ("bulkhead_full", "overloaded"): "{part} is busy",
    ("not_loaded",): "{part} is not ready",
    ("switched_off",): "{part} is switched off",
    ("no_match",): "no photo has these words",
    ("other_order", "beyond_depth", "too_few", "no_query", "confident"): "",  # it was not needed
}
UNWELL = "{part} gave no answer that could be used"


def who_answered(answer: SearchAnswer) -> str:
    """One sentence, two when it is a makeshift."""
    parts = [FOUND[answer.served_by]]
    if answer.degraded and (reasons := why(answer.reason)):
        parts.append(f"Not as good as usual: {_joined(reasons)}.")
    return " ".join(parts)


def why(reason: str | None) -> list[str]:
    """The parts of `tier:reason, tier:reason` as clauses, without those that nobody need know."""
    pairs = [pair.partition(":")[::2] for pair in (reason or "").split(", ") if pair]
    clauses = [_clause(tier, code) for tier, code in pairs]
    return list(dict.fromkeys(clause for clause in clauses if clause))


def _clause(tier: str, code: str) -> str:
    sentence = next((sentence for codes, sentence in WHY.items() if code in codes), UNWELL)
    return sentence.format(part=PARTS.get(tier, tier))


def _joined(clauses: Sequence[str]) -> str:
    return clauses[0] if len(clauses) == 1 else f"{', '.join(clauses[:-1])} and {clauses[-1]}"
