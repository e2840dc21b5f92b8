"""Gates on the published files and on what it costs to ask them."""

from __future__ import annotations

import time
from datetime import date
from statistics import median

import numpy as np

from common.releases.gate import Finding
from common.versions.registry import Registry, RegistryError
from supermegaretail.baseline import plausible_maximum
from supermegaretail.features import MAX_HORIZON_DAYS
from supermegaretail.history import SalesHistory
from supermegaretail.models import correction_for, read
from supermegaretail.releasing.limits import GateLimits
from supermegaretail.releasing.pair import Pair

ROUNDS = 15
TIMED_ITEMS, TIMED_DAYS = 32, 7
LEAST_MS = 2.0  # a difference below that no caller feels


def probes(registry: Registry, core_version: str) -> Finding:
    """Both models load as the model process would load them: checksums, features, golden probes."""
    try:
        models = read(registry, core_version)
    except (RegistryError, ValueError) as error:
        return Finding("golden probes", False, f"core {core_version} can't be loaded: {error}")
    if models.correction is None:
        return Finding("golden probes", False, f"the correction can't be loaded: {models.correction_trouble}")
    return Finding("golden probes", True, "both models load and answer as they did when they were published")


def size(own_bytes: int, champion_bytes: int | None, limits: GateLimits) -> Finding:
    """Bytes of both models' files beside the champion's, neither much larger nor much smaller."""
    if champion_bytes is None:
        return Finding("size", True, f"{own_bytes:,} bytes", {"bytes": own_bytes})
    ratio = own_bytes / max(champion_bytes, 1)
    passed = _graded(max(ratio, 1 / max(ratio, 1e-9)), limits.larger_doubtful, limits.larger)
    told = f"{own_bytes:,} bytes, {ratio:.2f} × the champion's"
    return Finding("size", passed, told, {"bytes": own_bytes, "ratio": ratio})


def latency(candidate: Pair, champion: Pair | None, history: SalesHistory, as_of: date, limits: GateLimits) -> Finding:
    """Time of one answer beside the champion's, asked in turn in this process: medians of many."""
    items = list(history.panel.places)[:TIMED_ITEMS]
    inputs = history.inputs(items, as_of=as_of, horizon_days=TIMED_DAYS)
    pairs = [candidate] if champion is None else [candidate, champion]
    spent_ms: list[list[float]] = [[] for _ in pairs]
    for number in range(ROUNDS + 1):
        for place, pair in enumerate(pairs):
            began_s = time.perf_counter()
            pair.answer(inputs, as_of=as_of)
            if number:  # the first answer takes many times the later ones
                spent_ms[place].append(1_000 * (time.perf_counter() - began_s))
    own = median(spent_ms[0])
    if champion is None:
        return Finding("latency", True, f"{own:.1f} ms for {len(items)} items", {"ms": own})
    usual = median(spent_ms[1])
    ratio = own / max(usual, 1e-6)
    passed = True if own - usual < LEAST_MS else _graded(ratio, limits.slower_doubtful, limits.slower)
    told = f"{own:.1f} ms for {len(items)} items, {ratio:.2f} × the champion's time"
    return Finding("latency", passed, told, {"ms": own, "ratio": ratio})


def plausible(candidate: Pair, history: SalesHistory, as_of: date, limits: GateLimits) -> Finding:
    """Of every item four weeks ahead: numbers, none negative, none beyond what the service would believe."""
    items = list(history.panel.places)
    known, _ = history.stable(items, as_of=as_of)
    items = [item for item, is_known in zip(items, known, strict=True) if is_known]
    demand = candidate.demand(history, items, as_of=as_of, horizon_days=MAX_HORIZON_DAYS)
    most = plausible_maximum(history, items, as_of=as_of)[:, None]
    figures = {
        "no number": float(np.mean(~np.isfinite(demand))),
        "negative": float(np.mean(demand < 0)),
        "more than plausible": float(np.mean(demand > most)),
    }
    closed = figures["no number"] > 0 or figures["negative"] > 0 or figures["more than plausible"] > limits.implausible
    seen = [f"{share:.2%} {name}" for name, share in figures.items() if share]
    return Finding("plausible", not closed, f"of {demand.size:,} forecasts {', '.join(seen) or 'all are'}", figures)


def bytes_of(registry: Registry, core_version: str) -> int:
    """Of all files of a core and of its correction."""
    correction = correction_for(registry, core_version)
    releases = [registry.load("core", core_version)]
    if correction is not None:
        releases.append(registry.load("correction", correction))
    return sum(release.path(file).stat().st_size for release in releases for file in release.manifest.artifacts)


def _graded(figure: float, doubtful: float, limit: float) -> bool | None:
    return False if figure > limit else None if figure > doubtful else True
