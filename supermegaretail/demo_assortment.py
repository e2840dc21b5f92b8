"""The demo chain's stores and products: names, categories, and from when to when each store sells each product."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

CITIES = {"east": "Eastholm", "north": "Norwick", "south": "Sandport", "west": "Westbury"}


@dataclass(frozen=True, slots=True)
class Category:
    """What a group of products has in common; all but units and price are effects on the logarithm of demand.

    units: typical sales per store and day. price: of one unit. weekend: Saturday against Thursday. season: July against
    spring. warmth: per °C above the season's usual. festive: share of the calendar's effect.
    """

    name: str
    group: str
    units: float
    price: float
    weekend: float
    season: float
    warmth: float
    festive: float


CATEGORIES = (
    Category("bakery", "fresh", 9.0, 2.2, 0.45, -0.15, -0.010, 0.9),
    Category("dairy", "fresh", 11.0, 1.8, 0.25, 0.00, 0.000, 0.7),
    Category("drinks", "grocery", 6.0, 1.5, 0.50, 0.40, 0.040, 1.2),
    Category("frozen", "grocery", 2.0, 3.5, 0.20, 0.60, 0.030, 0.6),
    Category("household", "non-food", 0.5, 4.5, 0.30, 0.00, 0.000, 0.3),
    Category("meat", "fresh", 4.0, 6.0, 0.55, 0.10, 0.015, 1.3),
    Category("produce", "fresh", 12.0, 2.0, 0.30, 0.25, 0.010, 0.8),
    Category("snacks", "grocery", 2.5, 2.5, 0.45, -0.25, 0.000, 1.1),
)


@dataclass(frozen=True, slots=True)
class Assortment:
    """Who sells what and when.

    regions: of each store, into CITIES. categories: of each product, into CATEGORIES. listed, delisted: by store and
    product, the first day on sale and the first one off it again; the same day where the store never sells it.
    """

    stores: list[str]
    regions: NDArray[np.int64]
    skus: list[str]
    categories: NDArray[np.int64]
    listed: NDArray[np.int64]
    delisted: NDArray[np.int64]

    def trait(self, name: str) -> NDArray[np.float64]:
        """A number of each product's category, by product and day (one, for all days)."""
        return np.array([[float(getattr(CATEGORIES[place], name))] for place in self.categories])


def assortment(rng: Generator, *, stores: int, products: int, days: int, plan_days: int) -> Assortment:
    """Draws the chain: `days` of sales, then `plan_days` that are only planned."""
    regions = np.sort(np.arange(stores) % len(CITIES))
    categories = np.sort(np.arange(products) % len(CATEGORIES))
    listed, delisted = _lifetimes(rng, stores=stores, products=products, days=days, plan_days=plan_days)
    store_names = [f"{list(CITIES)[region]}-{number}" for region, number in _numbered(regions)]
    skus = [f"{CATEGORIES[category].name}-{number:03d}" for category, number in _numbered(categories)]
    return Assortment(store_names, regions, skus, categories, listed, delisted)


def _lifetimes(
    rng: Generator, *, stores: int, products: int, days: int, plan_days: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Most products are always there; some come, some go, some are announced, and no store has them all."""
    listed, delisted = np.zeros(products), np.full(products, float(days + plan_days))
    announced, new, gone = np.split(
        rng.permutation(products), np.cumsum([products // 30, products // 10, products // 10])
    )[:3]
    listed[announced] = days
    listed[new] = days * rng.uniform(0.35, 0.98, new.size)
    delisted[gone] = days * rng.uniform(0.35, 0.97, gone.size)
    delays = rng.integers(0, 10, (stores, products)) * np.isin(np.arange(products), new)
    starts = (listed + delays).astype(np.int64)
    absent = rng.random((stores, products)) < 0.06
    absent[np.arange(products) % stores, np.arange(products)] = False  # each product is sold somewhere
    return starts, np.where(absent, starts, delisted.astype(np.int64))


def _numbered(places: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Each place with its number, from 1, among those like it; equal places stand together."""
    return [(int(place), at - int(np.searchsorted(places, place)) + 1) for at, place in enumerate(places)]
