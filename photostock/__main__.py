"""`python -m photostock`: the two processes, and what is done offline."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from common.command_line import Failed, between, command, main, positive_int, seed
from common.erasing import commands as erasing
from common.progress import progress
from photostock.settings import PhotoSettings

if TYPE_CHECKING:
    from photostock.catalogue import Catalogue, Photo
    from photostock.importers.rows import PhotoImport

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
    train.add_argument("--seed", type=seed, default=1)
    train.add_argument(
        "--minutes",
        type=between(float, 0.01, 10_000),
        help="CPU time for the reranker, over all cores (default: by how much there is to learn)",
    )
    train.add_argument(
        "--layers",
        type=between(int, 1, 24),
        help="of the reranker: more are better and slower (default: 4, or 6 if it has the time)",
    )
    label = command(commands, "label", _label, "what `train` would learn of decisions about searches, and what may go")
    label.add_argument("--version", default="champion", help="of the reranker that is asked (default: champion)")
    evaluate = command(
        commands,
        "evaluate",
        _evaluate,
        "what each stage adds and costs, on queries with a known answer: tables and a page",
    )
    evaluate.add_argument(
        "--max-queries", type=positive_int, default=500, help="more take longer and tell more (default: 500)"
    )
    evaluate.add_argument("--seed", type=seed, default=1)
    evaluate.add_argument("--peers", action="store_true", help="also ask BM25, MiniLM in full precision, and both")
    evaluate.add_argument("--html", type=Path, help="the page (default: photostock/evaluation.html in VAR_DIR)")
    evaluate.add_argument("--json", type=Path, help="where to write the figures, if anywhere")
    _release(command(commands, "release", lambda _: 2, "propose, review, roll out and take back versions"))
    feedback = command(commands, "feedback", _feedback, "what people did: click-through by place and by tier")
    feedback.add_argument("--first-day", type=date.fromisoformat, metavar="YYYY-MM-DD")
    feedback.add_argument("--last-day", type=date.fromisoformat, metavar="YYYY-MM-DD")
    erase = command(commands, "erase", _erase, "forget a person: their id is read from standard input")
    erasing.add_arguments(erase)
    catalogue = command(commands, "catalogue", lambda _: _usage(catalogue), "make or import photos")
    kinds = catalogue.add_subparsers(metavar="KIND")
    demo = command(kinds, "demo", _demo, "make some thousands of drawn photos")
    demo.add_argument("--count", type=positive_int, default=3000)
    demo.add_argument("--seed", type=seed, default=7)
    imported = command(
        kinds, "import", _import, "import captions (COCO, parquet), Unsplash Lite, or a folder of pictures"
    )
    imported.add_argument("path", type=Path, help="folder, .json, .tsv000 or .parquet")
    return whole


def _usage(usage_of: argparse.ArgumentParser) -> int:
    usage_of.print_help()
    return 2


def _release(parser: argparse.ArgumentParser) -> None:
    from common.releases.commands import add_arguments
    from common.releases.proposing import Proposal, add_propose
    from photostock.releases import open_desk

    def review(component: str, version: str | None) -> Proposal:
        import asyncio
        import logging

        from common.logs.configure import configure_logs
        from photostock.review.command import review
        from photostock.review.figures import review_by_figures

        if component != "reranker":
            return review_by_figures(PhotoSettings(), component, version)
        configure_logs(level=logging.WARNING)
        return asyncio.run(review(PhotoSettings(), _photos(), component, version))

    steps = add_arguments(parser, open_desk)
    components = ("reranker", "encoder", "filter")
    add_propose(steps, open_desk, review, releases_dir=lambda: PhotoSettings().releases_dir, components=components)


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
    _keep(_with_pictures(imported))
    return 0


def _with_pictures(imported: PhotoImport) -> list[Photo]:
    from photostock.own_pictures.keeping import with_picture
    from photostock.own_pictures.reading import UnreadablePicture, read_picture
    from photostock.own_pictures.store import PictureStore

    store, photos = PictureStore(PhotoSettings().pictures_dir), []
    with progress("reading pictures", len(imported.photos)) as report:
        for photo in imported.photos:
            report.advance()
            try:
                picture = read_picture(imported.files[photo.id].read_bytes()) if photo.id in imported.files else None
            except (OSError, UnreadablePicture) as error:
                print(f"{photo.id} comes without its picture: {error}")
                picture = None
            photos.append(with_picture(photo, picture, digest=store.save(photo.id, picture.jpeg)) if picture else photo)
    return photos


def _keep(photos: Sequence[Photo]) -> None:
    catalogue = _catalogue()
    if erased := len(photos) - len(photos := catalogue.without_erased(photos)):
        print(f"{erased:,} photos stay away: they were erased with the people whom they belonged to")
    with progress(f"adding {len(photos)} photos", len(photos)) as report:
        for start in range(0, len(photos), BATCH):
            catalogue.add(photos[start : start + BATCH])
            report.advance(len(photos[start : start + BATCH]))
    print(f"the catalogue has {catalogue.count():,} photos")


def _catalogue() -> Catalogue:
    from common.erasing.second_copy import SecondCopy
    from common.state.database import open_state
    from photostock.catalogue import Catalogue

    settings = PhotoSettings()
    state = open_state(settings)
    SecondCopy(settings.var_dir, "photostock").adopt_key(state)
    return Catalogue(state)


def _photos() -> list[Photo]:
    photos = list(_catalogue().photos())
    if not photos:
        raise Failed("there are no photos yet: run `catalogue demo` or `catalogue import FILE` first")
    return photos


def _train(arguments: argparse.Namespace) -> int:
    from photostock.train_command import train

    train(PhotoSettings(), _catalogue(), _photos(), arguments)
    return 0


def _label(arguments: argparse.Namespace) -> int:
    from photostock.labels.command import run

    run(PhotoSettings(), _photos(), version=arguments.version)
    return 0


def _feedback(arguments: argparse.Namespace) -> int:
    from photostock.erasing import feedback_store
    from photostock.feedback.report import feedback_report
    from photostock.feedback.terminal import render

    render(feedback_report(feedback_store().engine, first=arguments.first_day, last=arguments.last_day))
    return 0


def _erase(arguments: argparse.Namespace) -> int:
    return erasing.erase("photostock", arguments)


def _evaluate(arguments: argparse.Namespace) -> int:
    import asyncio
    import logging

    from common.logs.configure import configure_logs
    from photostock.evaluation.bench import NotReady
    from photostock.evaluation.page import save_page
    from photostock.evaluation.run import evaluate
    from photostock.evaluation.terminal import render

    configure_logs(level=logging.WARNING)
    settings = PhotoSettings()
    wanted = {"max_queries": arguments.max_queries, "seed": arguments.seed, "peers": arguments.peers}
    try:
        report = asyncio.run(evaluate(settings, _photos(), **wanted))
    except NotReady as problem:
        raise Failed(str(problem)) from problem
    render(report)
    page = arguments.html or settings.var_dir / "photostock" / "evaluation.html"
    save_page(report, page)
    print(f"with pictures: {page}")
    if arguments.json is not None:
        report.save_json(arguments.json)
    return 0


if __name__ == "__main__":
    # Read when numpy is loaded. For matrices as small as ours threads only spin: codes of ten photos took 1.6 ms of
    # processor time in place of 0.2.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.exit(main(parser()))
