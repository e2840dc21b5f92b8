"""A case of a report as two lists of pictures: what stands where, and how it moved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def draw(case: Mapping[str, Any]) -> dict[str, Any]:
    """Query, a sentence, and both lists of a search of a report."""
    lists = [
        {"name": "Champion", "photos": _list(case, "champion", beside="candidate", alone="gone")},
        {"name": "Candidate", "photos": _list(case, "candidate", beside="champion", alone="added")},
    ]
    ranks = {name: _place(case[f"{name}_rank"]) for name in ("champion", "candidate")}
    told = (
        f"Meant was “{_title(case, case['meant'])}” (marked green): "
        f"{ranks['champion']} with the champion, {ranks['candidate']} with the candidate."
    )
    return {"query": case["query"], "told": told, "lists": lists}


def _list(case: Mapping[str, Any], version: str, *, beside: str, alone: str) -> list[dict[str, Any]]:
    """One version's pictures; `alone` marks those that the other version does not show."""
    there = {photo_id: place for place, photo_id in enumerate(case[beside], start=1)}
    shown = []
    for here, photo_id in enumerate(case[version], start=1):
        other, meant = there.get(photo_id), photo_id == case["meant"]
        before, after = (here, other) if alone == "gone" else (other, here)
        moved = alone if before is None or after is None else _moved(before, after, to=alone == "gone")
        shown.append(
            {
                "id": photo_id,
                "title": _title(case, photo_id),
                "meant": meant,
                "mark": "moved" if other else alone,
                "told": f"meant; {moved}" if meant else moved,
            }
        )
    return shown


def _moved(before: int, after: int, *, to: bool) -> str:
    """How a picture goes from the champion's list to the candidate's: where `to`, or else where it comes from."""
    if before == after:
        return "same place"
    way = "up" if after < before else "down"
    return f"{way} to {after}" if to else f"{way} from {before}"


def _title(case: Mapping[str, Any], photo_id: str) -> str:
    return str(case["titles"].get(photo_id) or photo_id)


def _place(rank: int | None) -> str:
    return "not among the first 50" if rank is None else f"place {rank}"
