"""A synthetic chain of supermarkets, with what makes retail hard.

Weekly and yearly seasons, holidays, promotions, price changes, weather, new and discontinued products, products that
are announced but have no history yet, slow movers that mostly sell nothing, and stock-outs that hide demand. All
effects add up on the logarithm of demand; units are then drawn around it. The last 28 days are plans, without sales.

Arrays have one axis per word of their comment: store, region, product, day (days of sales, then planned ones).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl
from numpy.random import Generator
from numpy.typing import NDArray

from supermegaretail.demo_assortment import CATEGORIES, CITIES, Assortment, assortment
from supermegaretail.demo_calendar import demo_calendar
from supermegaretail.table import clean

LAST_SALES_DAY = date(2026, 6, 28)
PLAN_DAYS = 28
OPENING_HOURS = 16  # 06 to 22
WEEK = np.array([-0.4, -0.5, -0.3, 0.0, 0.8, 1.0, 0.2])  # Monday to Sunday, times the category's weekend effect
DEPTHS = np.array([1.0, 0.9, 0.8, 0.75, 0.67, 0.6])  # paid in a promotion; 1.0 is a display at the usual price
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Offers:
    """What the chain decides ahead: list prices (product, day); promotions, discounts (region, product, day)."""

    list_price: Floats
    promoted: NDArray[np.bool_]
    discount: Floats


def demo_table(*, seed: int = 7, stores: int = 6, products: int = 60, days: int = 900) -> pl.DataFrame:
    """Sales of the `days` up to 28 June 2026 and plans for the 28 after them, as the canonical table."""
    rng = np.random.default_rng(seed)
    calendar = demo_calendar(LAST_SALES_DAY - timedelta(days - 1), days + PLAN_DAYS)
    chain = assortment(rng, stores=stores, products=products, days=days, plan_days=PLAN_DAYS)
    offers = _offers(rng, chain, calendar)
    usual, unusual = _weather(rng, calendar, days=days)
    expected = _expected(rng, chain, calendar, offers, unusual)
    units = rng.poisson(expected * rng.gamma(15, 1 / 15, expected.shape))
    stockout_hours = _stockouts(rng, units, expected)
    sales = rng.binomial(units, 1 - stockout_hours / OPENING_HOURS)
    return _table(chain, calendar, offers, usual + unusual, sales, stockout_hours, days=days)


def _offers(rng: Generator, chain: Assortment, calendar: pl.DataFrame) -> Offers:
    """Prices change some twice a year; promotions run from Thursday to Wednesday, most of them in the whole chain."""
    products, days = len(chain.skus), calendar.height
    steps = rng.normal(0, 0.06, (products, days)) * (rng.random((products, days)) < 1 / 150)
    first_price = chain.trait("price") * rng.lognormal(0, 0.4, (products, 1))
    week = (np.arange(days) + calendar["date"][0].weekday() + 4) // 7
    weeks = int(week[-1]) + 1
    everywhere = rng.random((products, weeks)) < 0.07
    here = rng.random((len(CITIES), products, weeks)) < 0.03
    depth = rng.choice(DEPTHS, (products, weeks), p=[0.12, 0.18, 0.25, 0.2, 0.15, 0.1])
    promoted = (everywhere | here)[..., week]
    return Offers(first_price * np.exp(steps.cumsum(axis=1)), promoted, np.where(promoted, depth[:, week], 1.0))


def _weather(rng: Generator, calendar: pl.DataFrame, *, days: int) -> tuple[Floats, Floats]:
    """The season's temperature and the deviation from it (region, day) in °C; a fading forecast on planned days."""
    usual = np.array([[9.0], [7.0], [13.0], [11.0]]) + 9 * _summer(calendar)
    shocks = rng.normal(0, 1.9, usual.shape) * (np.arange(calendar.height) < days)
    return usual, _lasting(shocks, 0.8)


def _expected(rng: Generator, chain: Assortment, calendar: pl.DataFrame, offers: Offers, unusual: Floats) -> Floats:
    """Expected demand in units (store, product, day); 0 on days when the shops are closed."""
    stores, products, days = len(chain.stores), len(chain.skus), calendar.height
    years = (np.arange(days) - days) / 365
    weekday = calendar["date"].dt.weekday().to_numpy() - 1
    of_store = rng.normal(0, 0.35, (stores, 1, 1)) + _lasting(rng.normal(0, 0.02, (stores, 1, days)), 0.97)
    of_store_week = (WEEK + rng.normal(0, 0.1, (stores, 7)))[:, weekday][:, None, :]
    of_product = (
        np.log(chain.trait("units")) + rng.normal(0, 0.9, (products, 1)) + rng.normal(0, 0.15, (products, 1)) * years
    )
    of_product += chain.trait("season") * _summer(calendar) + chain.trait("festive") * calendar["effect"].to_numpy()
    of_product += _lasting(rng.normal(0, 0.03, (products, days)), 0.985)
    of_region = chain.trait("warmth") * unusual[:, None, :] + _response(rng, chain, offers)
    taste = rng.normal(0, 0.3, (stores, products, 1))
    return np.exp(of_product + of_store + taste + chain.trait("weekend") * of_store_week + of_region[chain.regions])


def _response(rng: Generator, chain: Assortment, offers: Offers) -> Floats:
    """What offers do to demand (region, product, day): price and display now, less afterwards, less for the rivals."""
    elasticity = rng.uniform(1.0, 2.2, (len(chain.skus), 1))
    display = rng.uniform(0.2, 0.5, (len(chain.skus), 1))
    price = offers.list_price / offers.list_price[:, :1] * offers.discount
    promoted = offers.promoted.astype(np.float64)
    before = np.concatenate([np.zeros_like(promoted[..., :7]), promoted[..., :-7]], axis=-1)
    alike = (chain.categories[:, None] == chain.categories) & ~np.eye(len(chain.skus), dtype=bool)
    rivals = (alike / np.maximum(alike.sum(axis=1, keepdims=True), 1)) @ promoted
    effect: Floats = -elasticity * np.log(price) + display * promoted - 0.15 * before * (1 - promoted) - 0.7 * rivals
    return effect


def _stockouts(rng: Generator, units: NDArray[np.int64], expected: Floats) -> Floats:
    """Hours without stock (store, product, day): shelves run empty on busy days, and some deliveries fail for days."""
    likely = 0.01 + 0.15 * (units > 1.5 * expected + 3)
    hours = np.ceil(OPENING_HOURS * rng.beta(1.2, 2.5, units.shape)) * (rng.random(units.shape) < likely)
    failed = _lasting((rng.random(units.shape) < 0.0012).astype(np.float64), 0.5) > 0.2
    return np.where(failed, OPENING_HOURS, hours) * (expected > 0)


def _table(
    chain: Assortment,
    calendar: pl.DataFrame,
    offers: Offers,
    temperature: Floats,
    sales: NDArray[np.int64],
    stockout_hours: Floats,
    *,
    days: int,
) -> pl.DataFrame:
    """One row per store, product and day on sale."""
    day_axis = np.arange(calendar.height)
    on_sale = (day_axis >= chain.listed[..., None]) & (day_axis < chain.delisted[..., None])
    store, product, day = np.nonzero(on_sale)
    region, category = chain.regions[store], chain.categories[product]
    offer = (region, product, day)
    discount = offers.discount[offer]
    columns = {
        "store": pl.Series(chain.stores).gather(store),
        "sku": pl.Series(chain.skus).gather(product),
        "date": calendar["date"].gather(day),
        "sales": sales[on_sale],
        "price": (offers.list_price[product, day] * discount).round(2),
        "discount": discount,
        "promotion": offers.promoted[offer],
        **{name: calendar[name].gather(day) for name in ("holiday", "event", "event_type")},
        "stockout_hours": stockout_hours[on_sale],
        "category_1": pl.Series([category.group for category in CATEGORIES]).gather(category),
        "category_2": pl.Series([category.name for category in CATEGORIES]).gather(category),
        "city": pl.Series(list(CITIES.values())).gather(region),
        "x_temperature": temperature[region, day].round(1),
    }
    unknown = pl.when(pl.Series(day < days)).then(pl.col("sales", "stockout_hours"))
    return clean(pl.DataFrame(columns).with_columns(unknown)).rows


def _summer(calendar: pl.DataFrame) -> Floats:
    """1 in the middle of July, -1 in January."""
    return np.cos(2 * np.pi * (calendar["date"].dt.ordinal_day().to_numpy() - 197) / 365.25)


def _lasting(shocks: Floats, memory: float) -> Floats:
    """What random shocks add up to along the last axis when each day keeps the share `memory` of the day before."""
    total = shocks.copy()
    for day in range(1, shocks.shape[-1]):
        total[..., day] += memory * total[..., day - 1]
    return total
