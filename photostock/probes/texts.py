"""What probes ask with."""

from __future__ import annotations

from photostock.photo import Photo

TEXTS = (
    "A brown dog runs along the sandy beach",
    "Two dogs are sleeping on the sofa",
    "The café's terrace, with umbrellas — and rain!",
    "Running shoes on a wooden table",
    "A boat on the lake at sunset; mountains behind it",
    "Naïve façades of old houses in Zürich",
    "dog dog dog",
    "",
)


def photos() -> list[Photo]:
    """Photos of all shapes, colours and licences, some of which may not be shown."""
    colours = ("#000000", "#c03030", "#7a7a20", "#3c70b8", "#ffffff", "#e07898", "#4c8044", "#6e4c30")
    licences, sizes = ("CC0", "CC BY", ""), ((1600, 1067), (800, 1200), (500, 500))
    return [
        Photo(
            f"p{place}",
            TEXTS[place % len(TEXTS)] or "Untitled.",
            "On a day like this. " if place % 2 else "",
            ("tag", f"t{place % 4}")[: place % 3],
            width=sizes[place % 3][0],
            height=sizes[place % 3][1],
            color=colours[place % len(colours)],
            licence=licences[place % len(licences)],
            created_at=("", "2023-05-01T12:00:00", "2024-03-01T00:30:00+02:00")[place % 3],
            safe=place % 7 != 6,
        )
        for place in range(24)
    ]
