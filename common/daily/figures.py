"""Tables from the sums of a day: use, tiers, reasons, budgets, cost."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from common.daily.counting import CPU, DEGRADED, SERVING, UP
from common.daily.store import Amounts
from common.daily.tables import Cell, Table
from common.lifecycle.usage_store import Used

QUANTILES = (0.5, 0.95, 0.99)
MOST_ROWS = 40
Bounds = Mapping[float, float]  # upper bound in seconds: how many took at most so long


def use(used: Iterable[Used]) -> Table:
    """Who asked what how often."""
    calls = Counter[tuple[str, str]]()
    for one in used:
        calls[one.endpoint, one.caller] += one.calls
    rows = [(endpoint, caller, count) for (endpoint, caller), count in calls.most_common(MOST_ROWS)]
    return Table("use", "Requests by endpoint and caller", ("endpoint", "caller", "requests"), rows)


def budgets(sums: Amounts) -> Table:
    """How long answers took, and how many came too late, failed, or were refused for want of room."""
    within: dict[str, dict[float, float]] = defaultdict(dict)
    statuses: dict[str, Counter[str]] = defaultdict(Counter)
    late: dict[str, float] = {}
    for one, amount in sums.items():
        if one.measure == "within":
            within[one.subject][float(one.detail)] = amount
        elif one.measure == "requests":
            statuses[one.subject]["all"] += int(amount)
            statuses[one.subject][one.detail[:1] if one.detail != "429" else "429"] += int(amount)
        elif one.measure == "late":
            late[one.subject] = amount
    rows = [
        (
            route,
            counts["all"],
            *(_ms(quantile(within.get(route, {}), share)) for share in QUANTILES),
            int(late.get(route, 0)),
            counts["5"],
            counts["429"],
        )
        for route, counts in sorted(statuses.items(), key=lambda entry: -entry[1]["all"])[:MOST_ROWS]
    ]
    heads = ("route", "requests", "p50 ms", "p95 ms", "p99 ms", "late", "failed (5xx)", "no room (429)")
    note = "Percentiles are read from a histogram: right to within the width of its bucket, and at most 3,000 ms."
    return Table("budgets", "Budgets kept", heads, rows, note)


def tiers(sums: Amounts) -> Table:
    """Which tier served how many items."""
    served: dict[str, Counter[str]] = defaultdict(Counter)
    for one, amount in sums.items():
        if one.measure == "served":
            served[one.subject][one.detail] += int(amount)
    total = sum(sum(counts.values()) for counts in served.values())
    rows = [
        (tier, sum(counts.values()), _percent(sum(counts.values()), total), counts["true"])
        for tier, counts in sorted(served.items(), key=lambda entry: -sum(entry[1].values()))
    ]
    return Table("tiers", "Items by the tier that served them", ("tier", "items", "share %", "of these degraded"), rows)


def reasons(sums: Amounts) -> Table:
    """Why better tiers did not serve."""
    refused = sorted((-amount, one.subject, one.detail) for one, amount in sums.items() if one.measure == "refused")
    rows = [(tier, reason, int(-amount)) for amount, tier, reason in refused[:MOST_ROWS]]
    return Table("reasons", "Why better tiers did not serve", ("tier", "reason", "items"), rows)


def minutes(sums: Amounts) -> Table:
    """How long it was up, served, and was degraded by a fault."""
    rows = [
        (told, round(sums.get(one, 0.0), 1))
        for told, one in (("up", UP), ("serving", SERVING), ("degraded by a fault", DEGRADED))
    ]
    note = "Minutes of all replicas together. Degraded: better tiers refused a fifth of the items or more for a fault."
    return Table("minutes", "Minutes", ("state", "minutes"), rows, note)


def cost(sums: Amounts, models: Amounts, *, per_cpu_hour: float) -> Table:
    """What a thousand answers cost in processor time, and in money at the price that the settings name."""
    answers = sum(amount for one, amount in sums.items() if one.measure == "requests" and one.detail.startswith("2"))
    api_s, model_s = sums.get(CPU), models.get(CPU)  # None: nobody counted
    both_s = (api_s or 0.0) + (model_s or 0.0)
    rows: list[tuple[Cell, ...]] = []
    for what, seconds in (("api", api_s), ("model", model_s), ("together", both_s)):
        if seconds is None or not answers:
            rows.append((what, None if seconds is None else round(seconds, 1), None, None))
            continue
        each = 1_000 * seconds / answers
        rows.append((what, round(seconds, 1), round(each, 3), round(each / 3_600 * per_cpu_hour, 6)))
    heads = ("processes", "CPU seconds", "CPU seconds per 1,000 answers", "cost per 1,000 answers")
    note = (
        f"{int(answers)} requests were answered with 2xx. Processor time of the processes, starts and background work "
        f"included, at COST_PER_CPU_HOUR={per_cpu_hour:g}; memory, disks, the database and people are not in it."
    )
    return Table("cost", "Cost", heads, rows, note)


def quantile(within: Bounds, share: float) -> float:
    """Seconds within which that share was answered, straight between bounds; the last finite one at most; or NaN."""
    total = within.get(math.inf, 0.0)
    if not total:
        return math.nan
    wanted, below_s, below = share * total, 0.0, 0.0
    for bound_s, count in sorted(within.items()):
        if count >= wanted:
            if math.isinf(bound_s):
                return below_s
            return below_s + (bound_s - below_s) * (wanted - below) / max(count - below, 1e-9)
        below_s, below = bound_s, count
    return below_s


def _ms(seconds: float) -> float | None:
    return None if math.isnan(seconds) else round(1_000 * seconds, 1)


def _percent(part: float, whole: float) -> float | None:
    return round(100 * part / whole, 2) if whole else None
