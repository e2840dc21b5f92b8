"""`release propose reranker`: both versions asked what trained neither, the report, the proposal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from common.command_line import Failed, by_the_way
from common.releases.proposing import Proposal, candidate_of
from common.releases.review import report_of
from common.versions.registry import CHAMPION, Registry
from photostock.contract import SearchFields
from photostock.evaluation.asking import ask
from photostock.evaluation.bench import NotReady, bench
from photostock.evaluation.questions import Question, sample
from photostock.evaluation.variants import Variant
from photostock.labels.retiring import propose
from photostock.photo import Photo
from photostock.reranker.training_ids import champion_trained_on, trained_on
from photostock.review.report import SHOWN, Both, reviewed, samples
from photostock.settings import PhotoSettings

MOST_QUERIES = 300
SEED = 1
BY_THE_MODEL = "reranker"
LEAST_ANSWERED = 0.5  # share of searches; with less, it is mostly the tiers below that are compared


@dataclass(frozen=True, slots=True)
class OfVersion(Variant):
    """The whole search with one version of the reranker."""

    version: str = CHAMPION

    def fields(self, **wanted: Any) -> SearchFields:
        return SearchFields(**wanted, version=self.version)


async def review(
    settings: PhotoSettings, photos: Sequence[Photo], component: str, version: str | None, *, most: int = MOST_QUERIES
) -> Proposal:
    """The report on a reranker beside the champion; without `version` on the newest.

    Raises `Failed` where there is nothing to compare, or nothing to compare with.
    """
    registry = Registry(settings.registry_dir)
    candidate = candidate_of(registry, component, version)
    champion = registry.resolve(component, CHAMPION)
    questions = _questions(registry, photos, (champion, candidate), most=most)
    try:
        both = await _ask_both(settings, questions, champion=champion, candidate=candidate)
    except NotReady as problem:
        raise Failed(str(problem)) from problem
    shares = _answered(both, champion=champion, candidate=candidate)
    told = reviewed(
        both,
        photos,
        champion=champion,
        candidate=candidate,
        doubts=[f"{name} put only {share:.0%} in order" for name, share in shares.items() if share < LEAST_ANSWERED],
        facts=[
            f"{len(questions):,} queries of photos that neither version learnt from, in {len(photos):,} photos",
            *(f"{name} put {share:.1%} of the searches in order itself" for name, share in shares.items()),
        ],
    )
    return Proposal(component, candidate, report_of(told), samples(both))


def _questions(registry: Registry, photos: Sequence[Photo], versions: Sequence[str], *, most: int) -> list[Question]:
    trained = champion_trained_on(registry, "filter").union(
        *(trained_on(registry.load("reranker", version)) for version in versions)
    )
    questions = sample(photos, trained, most=most, seed=SEED)
    if not questions:
        raise Failed("there is no query left: every photo that has one trained one of the versions, or the filter")
    return questions


async def _ask_both(settings: PhotoSettings, questions: Sequence[Question], *, champion: str, candidate: str) -> Both:
    async with bench(settings) as (engine, _):
        asked = [
            await ask(
                engine,
                OfVersion(version, "whole", frozenset(), version),
                questions,
                what=f"asking reranker {version}",
                best_of=SHOWN,
            )
            for version in (champion, candidate)
        ]
        with by_the_way("which overrides may go", command=f"python -m photostock label --version {candidate}"):
            await propose(engine, candidate)
    return Both(questions, *asked)


def _answered(both: Both, *, champion: str, candidate: str) -> dict[str, float]:
    """The share of searches that each version put in order itself; the rest kept the order of the tiers below."""
    return {
        version: asked.served_by.get(BY_THE_MODEL, 0.0)
        for version, asked in ((champion, both.champion), (candidate, both.candidate))
    }
