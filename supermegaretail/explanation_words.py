"""What moved a forecast, in sentences that a planner reads. They tell what the models learnt, not what causes what."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from supermegaretail import explanation_features as known
from supermegaretail.contract import Contribution
from supermegaretail.events.planned import PlannedEvent
from supermegaretail.features import EXTENDED, STABLE, Floats
from supermegaretail.formulas import LOWEST_LEVEL, WINDOW_DAYS
from supermegaretail.overriding import Decision

LEAST_SPECIAL = 0.005  # what changes a day by less than that is not told
MIXED = 0.3  # a mean so much smaller than the largest day is no help: the extremes are told instead


@dataclass(frozen=True, slots=True)
class Subject:
    """What is known of one item: features as the models see them, and the days that are forecast."""

    days: Sequence[date]
    stable: Floats  # [STABLE]
    extended: Floats  # [horizon, EXTENDED]
    x_names: Sequence[str]
    special: Floats  # [horizon] what holidays and events do to the moving average where it is served

    def now(self, name: str) -> float:
        """A stable feature."""
        return float(self.stable[STABLE.index(name)])

    def ahead(self, name: str) -> Floats:
        """An extended feature on the target days [horizon], NaN where it is not known."""
        return np.asarray(self.extended[:, EXTENDED.index(name)])

    def share(self, name: str) -> str:
        """On how many of the days a flag is set, in words."""
        values = self.ahead(name)
        return f"on {int((values > 0).sum())} of {len(values)} days"


def of_models(
    contributions: Sequence[Contribution], subject: Subject, *, both: bool, start: float, end: float
) -> list[str]:
    """For a forecast of core, or of core and correction: `start` and `end` are units a day on average."""
    who = "core and correction make" if both else "the core model makes"
    told = [_sentence(one, subject) for one in contributions if one.feature in WHY]
    aside = ", holidays and events aside" if _special_days(subject) else ""
    return [f"The moving average is {units(start)} a day{aside}; {who} it {units(end)}.", *told]


def of_average(subject: Subject) -> list[str]:
    """For a forecast of the moving average."""
    level = max(subject.now("level") - LOWEST_LEVEL, 0)
    profile = [subject.now(f"weekday_{1 + step % 7}") for step in range(len(subject.days))]
    high, low = int(np.argmax(profile)), int(np.argmin(profile))
    lowest = f" and by {profile[low]:.2f} on {subject.days[low]:%A}" if low != high else ""
    return [
        f"The recent level is {units(level)} a day: the mean of the last 7, 14 and 28 days.",
        f"The weekday multiplies it by {profile[high]:.2f} on {subject.days[high]:%A}{lowest}.",
        *(f"So do holidays and events, by what was sold on such days: {days}." for days in _special_days(subject)),
        "No model is part of this forecast; its reason says why.",
    ]


def of_override(decision: Decision) -> list[str]:
    """For a person's decision."""
    told, value = decision.source, decision.value
    what = {
        "constant": f"set {units(value)} a day",
        "factor": f"multiplied the forecast by {value:g}",
        "floor": f"set at least {units(value)} a day",
        "ceiling": f"set at most {units(value)} a day",
    }[decision.effect]
    ends = (("first_day", " from"), ("last_day", " to"))
    days = "".join(f"{word} {told.value[name]}" for name, word in ends if name in told.value)
    return [f"{told.owner} {what}{days} until {told.ends_at}: {told.reason}"]


def of_event(event: PlannedEvent, effect: Floats) -> str:
    """For what a planner knows: `effect` [horizon] is what it makes of the recent level."""
    first, last = (date.fromordinal(day) for day in (event.first, event.last))
    expected = "like earlier ones" if event.factor is None else f"{event.factor:g} times the usual"
    low, high = float(effect.min()), float(effect.max())
    made = f"by {high:.2f}" if high - low < LEAST_SPECIAL else f"by {low:.2f} to {high:.2f}"
    return (
        f"{event.owner} told of {event.name!r} from {first} to {last}, expected to be {expected}; the recent level "
        f"was multiplied {made} for it: {event.reason}"
    )


def of_constant(value: float) -> list[str]:
    """For the last tier."""
    return [f"Nothing else could be told: {units(value)} a day is the constant for that; its reason says why."]


def units(value: float) -> str:
    """12.3 units, 0.04 units, 0 units."""
    return f"{value:.1f} units" if abs(value) >= 1 else f"{value:.2g} units"


def _sentence(one: Contribution, subject: Subject) -> str:
    what = f"{one.feature}: {WHY[one.feature](subject)}."
    high, low = int(np.argmax(one.per_day)), int(np.argmin(one.per_day))
    if one.per_day[low] < 0 < one.per_day[high] and abs(one.units_per_day) < MIXED * np.abs(one.per_day).max():
        most, least = units(one.per_day[high]), units(-one.per_day[low])
        return f"{most} more on {_day(subject.days[high])}, {least} less on {_day(subject.days[low])}, from {what}"
    return f"{units(abs(one.units_per_day))} a day {'more' if one.units_per_day >= 0 else 'less'} from {what}"


def _special_days(subject: Subject) -> list[str]:
    """The three days that holidays and events change most, in one phrase; none where they change nothing."""
    changed = np.flatnonzero(np.abs(subject.special - 1) >= LEAST_SPECIAL)
    most = np.sort(changed[np.argsort(-np.abs(subject.special[changed] - 1), kind="stable")[:3]]).tolist()
    return [", ".join(f"by {subject.special[step]:.2f} on {_day(subject.days[step])}" for step in most)] if most else []


def _day(day: date) -> str:
    return f"{day:%A} {day.isoformat()}"


def _period(about: Subject) -> str:
    return f"{about.days[0].isoformat()} to {about.days[-1].isoformat()}"


def _recent_sales(about: Subject) -> str:
    week, month = (about.now(f"recent_{days}") * about.now("level") for days in (7, 28))
    return f"{units(week)} a day in the last 7 days, {units(month)} in the last 28"


def _irregular(about: Subject) -> str:
    return f"nothing was sold on {about.now('zero_share_56'):.0%} of the last 56 days"


def _age(about: Subject) -> str:
    days = int(about.now("days_since_first_sale"))
    return f"first sold {days} days ago" if days < WINDOW_DAYS else f"sold for {days} days or more"


def _stock_outs(about: Subject) -> str:
    return f"out of stock for {about.now('stockout_hours_7'):.1f} hours a day in the last 7 days"


def _trend(name: str) -> Callable[[Subject], str]:
    def why(about: Subject) -> str:
        change = about.now(name) - 1
        return f"it sold {abs(change):.0%} {'more' if change >= 0 else 'less'} in the last 7 days than in the last 28"

    return why


def _price(about: Subject) -> str:
    ratios = about.ahead("price_ratio_28")
    if np.isnan(ratios).all():
        return "no price is planned"
    change = float(np.nanmean(ratios)) - 1
    if abs(change) < 0.005:
        return "the one of the last 28 days"
    return f"{abs(change):.0%} {'above' if change > 0 else 'below'} its mean of the last 28 days"


def _discount(about: Subject) -> str:
    ahead = about.ahead("discount")
    if np.isnan(ahead).all():
        return "no discount is planned"
    change = float(np.nanmean(about.ahead("discount_change_28"))) if about.ahead("discount_change_28").any() else 0.0
    off = 1 - float(np.nanmean(ahead))
    return f"{max(off, 0):.0%} off the list price" + (f", after {max(off + change, 0):.0%} before" if change else "")


def _promotion(about: Subject) -> str:
    if np.isnan(about.ahead("promotion")).all():
        return "no promotions are planned"
    before = float(np.nanmean(about.ahead("promotion") - about.ahead("promotion_change_28")))
    past = "" if np.isnan(before) else f", in the last 28 days on {before:.0%}"
    return f"{about.share('promotion')}{past}"


def _holiday(about: Subject) -> str:
    return about.share("holiday")


def _event(about: Subject) -> str:
    return about.share("event")


def _other_inputs(about: Subject) -> str:
    names = ", ".join(name.removeprefix("x_").replace("_", " ") for name in about.x_names)
    return names or "unnamed"


WHY: Mapping[str, Callable[[Subject], str]] = {
    known.RECENT_SALES: _recent_sales,
    known.IRREGULAR: _irregular,
    known.AGE: _age,
    known.STOCK_OUTS: _stock_outs,
    known.WEEKDAY: lambda about: f"{about.days[0]:%A} to {about.days[-1]:%A}, {len(about.days)} days",
    known.TIME_OF_MONTH: lambda about: _period(about),
    known.SEASON: lambda about: _period(about),
    known.DAYS_AHEAD: lambda about: f"up to {len(about.days)}",
    known.PRICE: _price,
    known.DISCOUNT: _discount,
    known.PROMOTION: _promotion,
    known.HOLIDAY: _holiday,
    known.EVENT: _event,
    known.EVERYWHERE: _trend("product_trend"),
    known.STORE: _trend("store_trend"),
    known.SIMILAR: lambda _: "their discounts and promotions",
    known.OTHER_INPUTS: _other_inputs,
}
