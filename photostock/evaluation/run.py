"""An evaluation from the first question to the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from common.versions.registry import Registry, UnknownVersion
from photostock.catalogue import Photo
from photostock.engine import Engine
from photostock.evaluation.asking import Asked, ask
from photostock.evaluation.bench import NotReady, bench
from photostock.evaluation.cases import cases
from photostock.evaluation.measures import Interval, Quality, ratio
from photostock.evaluation.peers import ask_peers
from photostock.evaluation.questions import Flags, Question, filtered, sample, slices, with_typos
from photostock.evaluation.report import CLEAN, DENSE, TYPO, WHOLE, Line, Report, Situation
from photostock.evaluation.variants import FILTER, HINTS, LEXICAL_ALONE, Variant, variants
from photostock.gains import gain_10
from photostock.reranker.training_ids import champion_trained_on
from photostock.settings import PhotoSettings

MAX_QUERIES = 1_500
ASIDE = 3  # situations beside the first ask one question in so many
LEAST_FILTERED = 20
PEER = "peer"
FILTERED: Mapping[str, tuple[str, ...]] = {
    "with the photo's orientation": ("orientation",),
    "with its orientation and licence": ("orientation", "licence"),
}


async def evaluate(
    settings: PhotoSettings,
    photos: Sequence[Photo],
    *,
    max_queries: int = MAX_QUERIES,
    seed: int = 1,
    peers: bool = False,
    pictures: bool = True,
) -> Report:
    """What each stage adds and each one removed costs, on queries that trained nothing; with `peers`, beside others.

    Raises `NotReady` where there is nothing to ask or nobody to be asked.
    """
    registry = Registry(settings.registry_dir)
    left_out = _trained(registry) & {photo.id for photo in photos if photo.queries}
    questions = sample(photos, left_out, most=max_queries, seed=seed)
    if not questions:
        raise NotReady(
            "there is no query left: none of the photos has one that did not train the reranker or the filter"
        )
    async with bench(settings) as (engine, has_reranker):
        chosen = variants(_present(engine, has_reranker))
        clean = await _ask_all(engine, chosen, questions, situation=CLEAN)
        asked, notes = ask_peers(photos, questions) if peers else ({}, [])
        situations = [_situation(CLEAN, clean | asked, chosen, seed=seed, parts=slices(questions, photos))]
        few = [variant for variant in chosen if variant.name in (LEXICAL_ALONE, DENSE, f"without {HINTS}", WHOLE)]
        some = questions[::ASIDE]
        typos = with_typos(some, seed=seed)
        mistyped = await _ask_all(engine, few, list(typos.values()), situation=TYPO) if typos else {}
        if typos:
            situations.append(_situation(TYPO, mistyped, few, seed=seed))
        for name, fields in FILTERED.items():
            narrowed = filtered(some, fields)
            if len(narrowed) >= LEAST_FILTERED:
                answered = await _ask_all(engine, few, narrowed, situation=name)
                situations.append(_situation(name, answered, few, seed=seed))
        return Report(
            photos=sum(photo.safe for photo in photos),
            left_out=len(left_out),
            seed=seed,
            versions=engine.own_versions() | _champion_reranker(registry),
            situations=tuple(situations),
            typo_kept={name: _kept(one, clean[name], list(typos), seed=seed) for name, one in mistyped.items()},
            notes=(*notes, *([] if has_reranker else ["there is no reranker, so nothing is said about it"])),
            cases=await cases(engine, questions, clean) if pictures else (),
        )


async def _ask_all(
    engine: Engine, chosen: Sequence[Variant], questions: Sequence[Question], *, situation: str
) -> dict[str, Asked]:
    """By variant; two that lack the same parts are asked once."""
    made: dict[frozenset[str], Asked] = {}
    for variant in chosen:
        if variant.without not in made:
            made[variant.without] = await ask(engine, variant, questions, what=f"{situation}: {variant.name}")
    return {variant.name: made[variant.without] for variant in chosen}


def _situation(
    name: str,
    asked: Mapping[str, Asked],
    chosen: Sequence[Variant],
    *,
    seed: int,
    parts: Mapping[str, Flags] | None = None,
) -> Situation:
    kinds = {variant.name: variant.kind for variant in chosen}
    parts = parts or {}
    return Situation(
        name,
        questions=len(asked[WHOLE].ranks),
        lines=tuple(_line(one, kinds.get(one, PEER), asked, seed=seed) for one in asked),
        parts={
            part: {one: float(gain_10(answered.ranks[flags]).mean()) for one, answered in asked.items()}
            for part, flags in parts.items()
        },
        sizes={part: int(flags.sum()) for part, flags in parts.items()},
    )


def _line(name: str, kind: str, asked: Mapping[str, Asked], *, seed: int) -> Line:
    answered = asked[name]
    values = gain_10(answered.ranks)
    to_dense, to_whole = (ratio(values, gain_10(asked[base].ranks), seed=seed) for base in (DENSE, WHOLE))
    return Line(
        name,
        kind,
        Quality.of(answered.ranks, seed=seed),
        to_dense=to_dense,
        to_whole=to_whole,
        cpu_ms=answered.cpu_ms,
        served_by=answered.served_by,
        failed=answered.failed,
    )


def _kept(mistyped: Asked, clean: Asked, places: Sequence[int], *, seed: int) -> Interval:
    return ratio(gain_10(mistyped.ranks), gain_10(clean.ranks[::ASIDE][places]), seed=seed)


def _present(engine: Engine, has_reranker: bool) -> frozenset[str]:
    """The parts that this installation has and that can be missing in another."""
    there = {"reranker": has_reranker, FILTER: engine.searcher.relevance() is not None}
    return frozenset(part for part, present in there.items() if present)


def _trained(registry: Registry) -> frozenset[str]:
    """Ids of the photos whose queries trained a champion: that of one part may come from another training."""
    return champion_trained_on(registry, "reranker") | champion_trained_on(registry, "filter")


def _champion_reranker(registry: Registry) -> dict[str, str]:
    try:
        return {"reranker": registry.resolve("reranker", "champion")}
    except UnknownVersion:
        return {}
