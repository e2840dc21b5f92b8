"""`python -m photostock label`: what decisions are worth as labels, and which overrides are no longer needed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from common.logs.configure import configure_logs
from common.overrides.agreements import sentence
from common.state.overrides import OverrideStore
from common.versions.registry import Registry, UnknownVersion
from photostock.erasing import feedback_store
from photostock.evaluation.bench import NotReady
from photostock.labels.decisions import SCOPE
from photostock.labels.labelling import Labelled, labels_in_force
from photostock.labels.retiring import look
from photostock.photo import Photo
from photostock.settings import PhotoSettings

COLUMNS = ("who, and how", "coverage", "overlaps", "conflicts", "compared", "accuracy", "by the model")


def run(settings: PhotoSettings, photos: Sequence[Photo], *, version: str) -> Labelled:
    """Shows how those who decided are doing; asks `version` what may go, and keeps that for the overrides' page."""
    made = labels_in_force(feedback_store().engine, photos)
    Console().print(shown(made))
    try:
        tell_what_may_go(settings, Registry(settings.registry_dir).resolve("reranker", version))
    except UnknownVersion as problem:
        print(f"no override is compared with a model: {problem}")
    return made


def tell_what_may_go(settings: PhotoSettings, version: str) -> None:
    """Asks the whole search with this version about all overrides in force, if there are any."""
    configure_logs(level=logging.WARNING)
    if not OverrideStore(feedback_store().engine, SCOPE).in_force(now=datetime.now(UTC)):
        return
    try:
        found = asyncio.run(look(settings, version))
    except NotReady as problem:
        print(f"no override is compared with a model: {problem}")
        return
    for one in found:
        if one.agrees:
            print(f"override {one.override_id} may go: {sentence(asdict(one))}")


def shown(made: Labelled) -> Table:
    """The functions, and what comes of them."""
    right = sum(pair.right for pair in made.pairs)
    title = (
        f"{made.spoken_of:,} pairs of a search and a photo: {right:,} to learn, {len(made.pairs) - right:,} as wrong"
    )
    alone = f"of {made.known:,} pairs with known clicks the votes alone get {made.foretold:,} right"
    table = Table(*COLUMNS, title=title, caption=alone if made.known else "no clicks are known of them yet")
    for one, by_model in zip(made.standings, made.accuracy, strict=True):
        accuracy = "" if one.accuracy is None else f"{one.accuracy:.2f}"
        shares = (f"{share:.0%}" for share in (one.coverage, one.overlaps, one.conflicts))
        table.add_row(one.name, *shares, f"{one.compared:,}", accuracy, f"{by_model:.2f}")
    return table
