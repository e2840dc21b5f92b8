"""`python -m supermegaretail`: the two processes, and what is done offline."""

from __future__ import annotations

import argparse
import sys
from datetime import date
from pathlib import Path

from common.command_line import between, command, main, positive_int, seed
from supermegaretail.columns import FIRST_DAY, LAST_DAY
from supermegaretail.data_command import add_data, checked, known_sales
from supermegaretail.settings import RetailSettings


def parser() -> argparse.ArgumentParser:
    """The commands; each imports what it needs when it runs, so that the API process never loads LightGBM."""
    whole = argparse.ArgumentParser(prog="python -m supermegaretail", description=__doc__)
    commands = whole.add_subparsers(metavar="COMMAND")
    command(commands, "api", _api, "serve forecasts: answers with every other process dead")
    command(commands, "model", _model, "serve the LightGBM models to the API")
    train = command(
        commands,
        "train",
        _train,
        "train core and correction on all sales: champions if there are none, else candidates",
    )
    train.add_argument("--seed", type=seed, default=1)
    train.add_argument("--threads", type=int, default=2, choices=range(1, 65), metavar="N", help="default: 2")
    train.add_argument("--despite-quality", metavar="REASON", help="train although the data check stops, and say why")
    labels = command(commands, "label", _label, "make labels for `train` of what people decided; tell what may go")
    labels.add_argument("--version", default="champion", help="of the core that is asked (default: champion)")
    evaluate = command(commands, "evaluate", _evaluate, "compare the tiers on held-out weeks")
    evaluate.add_argument("--horizon-days", type=int, default=28, choices=range(1, 29), metavar="1..28")
    evaluate.add_argument(
        "--origins", type=between(int, 1, 100), default=3, help="how many rolling origins (default: 3)"
    )
    evaluate.add_argument("--seed", type=seed, default=1)
    evaluate.add_argument(
        "--peers", action="store_true", help="ask statsforecast and mlforecast, too (`forecast-peers`)"
    )
    evaluate.add_argument("--peer-series", type=positive_int, default=500, help="of how many series (default: 500)")
    evaluate.add_argument("--html", type=Path, help="the page (default: supermegaretail/evaluation.html in VAR_DIR)")
    evaluate.add_argument("--json", type=Path, help="where to write the figures, if anywhere")
    missing = command(commands, "missing-plans", _missing_plans, "what each way to forecast says when plans go missing")
    missing.add_argument("--horizon-days", type=int, default=7, choices=range(1, 29), metavar="1..28")
    missing.add_argument("--seed", type=seed, default=1)
    competitor = command(commands, "new-competitor", _new_competitor, "an override is learnt from, and retired")
    competitor.add_argument("--seed", type=seed, default=1)
    competitor.add_argument("--html", type=Path, help="the page, if it is to be written")
    forecast = command(commands, "forecast", _forecast, "forecast a whole chain into a parquet file")
    whole_or_part = forecast.add_mutually_exclusive_group(required=True)
    whole_or_part.add_argument("--all", action="store_true", help="every store")
    whole_or_part.add_argument("--store", action="append", default=[], help="only this store; may be repeated")
    forecast.add_argument("--horizon-days", type=int, default=7, choices=range(1, 29), metavar="1..28")
    forecast.add_argument(
        "--as-of",
        type=between(date.fromisoformat, FIRST_DAY, LAST_DAY),
        metavar="DATE",
        help="default: the last day with sales",
    )
    forecast.add_argument("--quantiles", type=_level, nargs="+", default=[], metavar="LEVEL", help="such as 0.5 0.95")
    forecast.add_argument("--version", default="champion", help="of the core model, or an alias (default: champion)")
    forecast.add_argument("--out", type=Path, metavar="FILE", help="default: forecasts.parquet beside the sales")
    forecast.add_argument("--threads", type=int, default=1, choices=range(1, 65), metavar="N", help="default: 1")
    timed = command(commands, "benchmark", _benchmark, "what a batch costs beside LightGBM's own predictions")
    timed.add_argument(
        "--series",
        type=between(int, 1, 1_000_000),
        nargs="+",
        default=[1_000, 10_000, 50_000],
        metavar="N",
        help="how many",
    )
    timed.add_argument("--horizon-days", type=int, default=7, choices=range(1, 29), metavar="1..28")
    timed.add_argument("--quantiles", type=_level, nargs="+", default=[], metavar="LEVEL", help="such as 0.5 0.95")
    timed.add_argument("--rounds", type=int, default=3, choices=range(1, 101), metavar="N", help="default: 3")
    replay = command(commands, "replay", _replay, "forecast a logged request again, and tell what differs")
    replay.add_argument("request_id", metavar="REQUEST_ID")
    _release(command(commands, "release", lambda _: 2, "propose, review, roll out and take back versions"))
    data = command(commands, "data", lambda _: _usage(data), "make or import sales")
    add_data(data)
    return whole


def _usage(usage_of: argparse.ArgumentParser) -> int:
    usage_of.print_help()
    return 2


def _release(parser: argparse.ArgumentParser) -> None:
    from common.releases.commands import add_arguments
    from common.releases.proposing import Proposal, add_propose
    from supermegaretail.releases import open_desk, promoted
    from supermegaretail.releasing.command import add_auto

    def review(component: str, version: str | None) -> Proposal:
        from common.versions.registry import Registry
        from supermegaretail.review.command import review

        return review(Registry(RetailSettings().registry_dir), known_sales(), component, version)

    steps = add_arguments(parser, open_desk, promoted=promoted)
    add_propose(steps, open_desk, review, releases_dir=lambda: RetailSettings().releases_dir, components=("core",))
    add_auto(steps, open_desk)


def _api(_arguments: argparse.Namespace) -> int:
    from common.service.serve import serve
    from supermegaretail.app import create_app

    settings = RetailSettings()
    serve(lambda: create_app(settings), settings, port=settings.supermegaretail_port)
    return 0


def _model(_arguments: argparse.Namespace) -> int:
    from common.service.serve import serve
    from supermegaretail.model_server import create_app

    settings = RetailSettings()
    serve(lambda: create_app(settings), settings, port=settings.supermegaretail_model_port, gives_way=True)
    return 0


def _train(arguments: argparse.Namespace) -> int:
    from supermegaretail.train_command import train

    train(RetailSettings(), known_sales(), checked, arguments)
    return 0


def _label(arguments: argparse.Namespace) -> int:
    from rich.console import Console

    from common.state.database import open_state
    from supermegaretail.label_command import run

    settings = RetailSettings()
    run(settings, open_state(settings), known_sales(), version=arguments.version, console=Console())
    return 0


def _evaluate(arguments: argparse.Namespace) -> int:
    from supermegaretail.evaluation import evaluate
    from supermegaretail.evaluation.page import save_page
    from supermegaretail.evaluation.terminal import render

    report = evaluate(
        known_sales(),
        horizon_days=arguments.horizon_days,
        origin_count=arguments.origins,
        seed=arguments.seed,
        peers=arguments.peers,
        peer_series=arguments.peer_series,
    )
    render(report)
    page = arguments.html or RetailSettings().table_path.with_name("evaluation.html")
    save_page(report, page)
    print(f"the page with plots: {page}")
    if arguments.json:
        report.save_json(arguments.json)
    return 0


def _forecast(arguments: argparse.Namespace) -> int:
    from supermegaretail.batch_command import forecast

    settings = RetailSettings()
    made = forecast(
        settings,
        known_sales(),
        stores=arguments.store,
        version=arguments.version,
        as_of=arguments.as_of,
        horizon_days=arguments.horizon_days,
        levels=sorted({*arguments.quantiles}),
        out=arguments.out or settings.table_path.with_name("forecasts.parquet"),
        threads=arguments.threads,
    )
    print(made)
    return 0


def _benchmark(arguments: argparse.Namespace) -> int:
    from supermegaretail.batch_command import benchmark

    within = benchmark(
        RetailSettings(),
        series=arguments.series,
        horizon_days=arguments.horizon_days,
        levels=sorted({*arguments.quantiles}),
        rounds=arguments.rounds,
    )
    return 0 if within else 1


def _level(text: str) -> float:
    level = float(text)
    if not 0 < level < 1:
        raise argparse.ArgumentTypeError(f"{text} does not lie between 0 and 1")
    return level


def _missing_plans(arguments: argparse.Namespace) -> int:
    from rich.console import Console

    from supermegaretail.missing_plans import render, run

    render(run(known_sales(), horizon_days=arguments.horizon_days, seed=arguments.seed, threads=2), Console())
    return 0


def _new_competitor(arguments: argparse.Namespace) -> int:
    from rich.console import Console

    from supermegaretail.new_competitor import render, run, save_page

    story = run(seed=arguments.seed)
    render(story, Console())
    if arguments.html:
        save_page(story, arguments.html)
    return 0 if story.retired is not None else 1


def _replay(arguments: argparse.Namespace) -> int:
    import asyncio

    from supermegaretail.monitoring.replay import in_words
    from supermegaretail.monitoring.replaying import replay_here

    print(in_words(asyncio.run(replay_here(arguments.request_id, RetailSettings()))))
    return 0


if __name__ == "__main__":
    sys.exit(main(parser()))
