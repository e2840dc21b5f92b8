"""`python -m photostock`: the two processes, and what is done offline."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from common.command_line import Failed, command, main
from common.progress import progress
from photostock.settings import PhotoSettings

if TYPE_CHECKING:
    from photostock.catalogue import Catalogue, Photo

BATCH = 500


def parser() -> argparse.ArgumentParser:
    """The commands; each imports what it needs when it runs, so that no serving process loads torch."""
    whole = argparse.ArgumentParser(prog="python -m photostock", description=__doc__)
    commands = whole.add_subparsers(metavar="COMMAND")
    command(commands, "api", _api, "serve searches: answers with every other process dead")
    command(commands, "reranker", _reranker, "serve the cross-encoder to the API")
    train = command(
        commands, "train", _train, "export the encoder, index the catalogue, train and publish the reranker"
    )
    train.add_argument("--seed", type=int, default=1)
    train.add_argument("--minutes", type=float, default=1.2, help="time for training the reranker (default: 1.2)")
    evaluate = command(commands, "evaluate", _evaluate, "what each stage adds, on queries with a known answer")
    evaluate.add_argument("--max-queries", type=int, default=1500)
    evaluate.add_argument("--seed", type=int, default=1)
    catalogue = command(commands, "catalogue", lambda _: _usage(catalogue), "make or import photos")
    kinds = catalogue.add_subparsers(metavar="KIND")
    demo = command(kinds, "demo", _demo, "make some thousands of drawn photos")
    demo.add_argument("--count", type=int, default=3000)
    demo.add_argument("--seed", type=int, default=7)
    imported = command(kinds, "import", _import, "import COCO captions, Unsplash Lite, or parquet with captions")
    imported.add_argument("path", type=Path, help="folder, .json, .tsv000 or .parquet")
    return whole


def _usage(usage_of: argparse.ArgumentParser) -> int:
    usage_of.print_help()
    return 2


def _api(_arguments: argparse.Namespace) -> int:
    from common.service.serve import serve
    from photostock.app import create_app

    settings = PhotoSettings()
    serve(lambda: create_app(settings), settings, port=settings.photostock_port)
    return 0


def _reranker(_arguments: argparse.Namespace) -> int:
    from common.service.serve import serve
    from photostock.reranker.server import create_app

    settings = PhotoSettings()
    serve(lambda: create_app(settings), settings, port=settings.photostock_reranker_port, gives_way=True)
    return 0


def _demo(arguments: argparse.Namespace) -> int:
    from common.demo import remember
    from photostock.demo_catalogue import demo_photos

    photos = list(demo_photos(count=arguments.count, seed=arguments.seed))
    _keep(photos)
    remember(PhotoSettings().var_dir, "queries", [photo.queries[0] for photo in photos if photo.queries][:200])
    return 0


def _import(arguments: argparse.Namespace) -> int:
    from photostock.imports import ImportProblem, read_any, summary

    try:
        with progress(f"reading {arguments.path}"):
            imported = read_any(arguments.path)
    except ImportProblem as problem:
        raise Failed(str(problem)) from problem
    print(summary(imported))
    if not imported.photos:
        raise Failed("there is not one good photo")
    _keep(imported.photos)
    return 0


def _keep(photos: Sequence[Photo]) -> None:
    catalogue = _catalogue()
    with progress(f"adding {len(photos)} photos", len(photos)) as report:
        for start in range(0, len(photos), BATCH):
            catalogue.add(photos[start : start + BATCH])
            report.advance(len(photos[start : start + BATCH]))
    print(f"the catalogue has {catalogue.count():,} photos")


def _catalogue() -> Catalogue:
    from common.state.database import open_state
    from photostock.catalogue import Catalogue

    return Catalogue(open_state(PhotoSettings()))


def _photos() -> list[Photo]:
    photos = list(_catalogue().photos())
    if not photos:
        raise Failed("there are no photos yet: run `catalogue demo` or `catalogue import FILE` first")
    return photos


def _train(arguments: argparse.Namespace) -> int:
    from common.versions.registry import Registry
    from photostock.index.encoder import OnnxEncoder
    from photostock.index.export import publish_encoder
    from photostock.library import Library
    from photostock.reranker.train import train

    settings = PhotoSettings()
    photos, registry = _photos(), Registry(settings.registry_dir)
    encoder = publish_encoder(registry, model=settings.encoder_model)
    print(f"encoder {encoder.version} is champion")
    library = Library(_catalogue())
    library.refresh()
    library.use_encoder(OnnxEncoder.load(registry.load("encoder", encoder.version)))
    reranker = train(
        photos,
        registry,
        seed=arguments.seed,
        budget_seconds=60 * arguments.minutes,
        encoder_model=settings.encoder_model,
        kept_vectors=dict(_catalogue().vectors(encoder.version)),
    )
    metrics = ", ".join(f"{name} {value:.4g}" for name, value in reranker.metrics.items())
    print(f"reranker {reranker.version} is champion ({metrics})")
    return 0


def _evaluate(arguments: argparse.Namespace) -> int:
    from common.versions.registry import Registry
    from photostock.evaluate import evaluate, render

    registry = Registry(PhotoSettings().registry_dir)
    kept = dict(_catalogue().vectors(registry.resolve("encoder", "champion")))
    wanted = {"max_queries": arguments.max_queries, "seed": arguments.seed}
    render(evaluate(_photos(), registry, kept_vectors=kept, **wanted))
    return 0


if __name__ == "__main__":
    sys.exit(main(parser()))
