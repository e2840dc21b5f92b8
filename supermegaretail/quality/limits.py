"""From which figure on a finding is a warning, and from which on it stops a training. Every limit has its reason.

Measured on three chains that are known to be sound (FreshRetailNet, one department of M5, the demo chain): a warning
begins above what they show, a stop where a model would learn the fault rather than the demand. Shares are from 0 to 1.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Graded:
    """A share or a ratio that is worth a warning from `warn` on, and stops from `stop` on."""

    warn: float
    stop: float


@dataclass(frozen=True, slots=True)
class Limits:
    """All limits of the report; windows are in days, counted back from the last day of sales."""

    month_days: int = 28  # four whole weeks: months of unlike length and unlike weekends would drift by themselves
    quiet_days: int = 7  # a whole week without a report or a sale: shorter gaps are closed days and late feeds
    live_days: int = 98  # what was silent for longer has left the assortment and says nothing about today's feed
    late_days: int = 2  # a feed of yesterday's sales may be a day behind; two days are a missed run
    gap_days: int = 28  # no chain closes for four weeks, so a few rows beyond such a gap have a wrong date …
    astray: float = 0.001  # … if they are so few of all rows; more of them are a chain that did close …
    open_share: float = 0.5  # … and so is a day on which a store sells such a share of what it usually does: a wrong
    open_reports: int = 3  # date comes with single rows, which would be as many only of a store of one product or two
    least_series: int = 10  # of fewer series half may well leave in a week: such findings warn and never stop

    # Assortments lose 1 % of their series a month, up to a tenth when seasons change; a third is a broken feed.
    silent: Graded = Graded(0.10, 0.35)
    # Sold on most days, then not once in a week while being reported: 5 % of M5 at its end, 22 % before a Christmas.
    quiet: Graded = Graded(0.20, 0.40)
    steady: float = 0.8  # sold on so many of its days: chance alone gives it a week without sales once in 80,000
    # Days without a report. From half on the report leaves out days without sales, and demand would be learnt too high.
    unreported: Graded = Graded(0.05, 0.50)
    # Refused at import. A few are typing errors; a fifth is a column read wrongly, and the rest is suspect too.
    rejected: Graded = Graded(0.001, 0.20)
    # Values that cannot be: one in a thousand is a till's error, one in twenty is a unit or a column mistaken.
    impossible: Graded = Graded(0.001, 0.05)
    free: Graded = Graded(0.01, 0.50)  # given away: gifts and samples are real (0.4 % in FreshRetailNet), half is not
    above_list: Graded = Graded(0.02, 0.50)  # 0.6 % in FreshRetailNet are dearer than listed; half is a share mistaken
    # Out of stock for most of the day: up to 12 % of a week in FreshRetailNet. From half on little demand is seen.
    sold_out: Graded = Graded(0.25, 0.50)
    # A value so many times its series' good days, and of more units than that, is a typing error or wholesale …
    huge_times: float = 30.0
    good_day: float = 0.95  # quantile of the other days with sales: of few enough days to be right itself
    huge_units: float = 100.0
    # … which a model survives unless those few days hold a tenth of all that was ever sold.
    huge: Graded = Graded(0.001, 0.10)
    whole: float = 0.98  # a series with so many days of whole units sells pieces: a fraction in it is an error
    # Level of a day, or store, against the 28 days before, as a ratio either way. Sound chains: 2.3 on the busiest day.
    level: Graded = Graded(2.5, 5.0)
    lasting_days: int = 4  # shops that close over Christmas sell nothing for up to three days
    recent_days: int = 56  # a step lies before what forecasts start from when it is older, so it only warns
    stores: Graded = Graded(0.0, 0.35)  # share of stores whose own level leapt: each of them is worth a look
    # Share of values missing, now against before: from nearly all missing on, a column was lost on its way.
    emptied: Graded = Graded(0.10, 0.90)
    flat: float = 0.05  # a promotion or discount on so many days, and then none in a month, was lost on its way too
    # Population stability index: 0.1 and 0.25 are its usual marks for "moved" and "another population".
    shifted: Graded = Graded(0.10, 0.25)
    distance: float = 0.1  # and values must have gone a tenth of their spread: the index alone leaps at one new value
    mean_ratio: Graded = Graded(1.25, 1.6)  # a month's mean against the month's before; M5's summers bring 1.14


LIMITS = Limits()
