"""How long a reranker is trained, and how deep it is, where nobody decided that: by how much there is to learn."""

from __future__ import annotations

from dataclasses import dataclass

from photostock.reranker.split import Split
from photostock.reranker.views import TURNS, interchangeable

LEAST_BUDGET_S, MOST_BUDGET_S = 120.0, 1_380.0  # CPU time
CAPTION_CPU_S, KEY_WORD_CPU_S = 0.0083, 0.006  # per layer, query and view: some 5,500 captions pay for 23 minutes
FEW_LAYERS, MANY_LAYERS = 4, 6
LONG_S = 480.0  # from which the deeper network is the better one


@dataclass(frozen=True, slots=True)
class Plan:
    """CPU time over all cores, and layers of the encoder's that are kept."""

    budget_seconds: float
    layers: int
    queries: int
    views: int  # of each photo, see `views`

    @classmethod
    def of(cls, split: Split, *, minutes: float | None = None, layers: int | None = None) -> Plan:
        """What was decided stays decided; searches with key words never need the deeper network."""
        captions = interchangeable(split.photos)
        queries, views = sum(len(photo.queries) for photo in split.learning), TURNS if captions else 1
        most_layers = MANY_LAYERS if captions else FEW_LAYERS
        wanted_s = queries * views * (layers or most_layers) * (CAPTION_CPU_S if captions else KEY_WORD_CPU_S)
        budget_seconds = min(max(wanted_s, LEAST_BUDGET_S), MOST_BUDGET_S) if minutes is None else 60 * minutes
        chosen = layers or (most_layers if budget_seconds >= LONG_S else FEW_LAYERS)
        return cls(budget_seconds, chosen, queries, views)

    def __str__(self) -> str:
        """For the terminal."""
        views = f", in {self.views} views" if self.views > 1 else ""
        budget = f"{self.budget_seconds / 60:.1f} minutes of CPU time"
        return f"{budget} and {self.layers} layers for {self.queries:,} searches{views}"
