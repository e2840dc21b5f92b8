"""`python -m supermegaretail train` as a person at a terminal sees it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import UTC, datetime

import polars as pl
from rich.console import Console

from common.command_line import Failed
from common.state.database import open_state
from common.versions.registry import Registry
from common.versions.slots import CHAMPION
from supermegaretail import training
from supermegaretail.decisions import labels_in_force
from supermegaretail.quality.findings import Report
from supermegaretail.quality.gate import QualityStop, judged
from supermegaretail.quality.show import show_briefly
from supermegaretail.settings import RetailSettings


def train(
    settings: RetailSettings,
    table: pl.DataFrame,
    check: Callable[[pl.DataFrame], Report],
    arguments: argparse.Namespace,
) -> None:
    """Publishes a core and its correction: champions if there are none, else candidates."""
    registry = Registry(settings.registry_dir)
    report = check(table)
    show_briefly(report, Console())
    try:
        quality = judged(report, despite=arguments.despite_quality)
    except QualityStop as stop:
        raise Failed(str(stop)) from stop
    _, labels = labels_in_force(registry, open_state(settings), version=CHAMPION, now=datetime.now(UTC))
    first = registry.champion("core") is None  # later ones are candidates
    trained = training.train(
        table,
        registry,
        seed=arguments.seed,
        threads=arguments.threads,
        quality=quality,
        promote=first,
        labels=labels,
    )
    if (taught := trained[0].training.get("labels")) is not None:
        print(f"{taught['rows']} labels were learnt from as well, of {len(taught['functions'])} decisions")
    for manifest in trained:
        metrics = ", ".join(f"{name} {value:.4g}" for name, value in manifest.metrics.items())
        print(f"{manifest.component} {manifest.version} is {'champion' if first else 'published'} ({metrics})")
    if not first:
        print(f"next: python -m supermegaretail release propose core {trained[0].version} --why REASON")
