"""`python -m photostock train` as a person at a terminal sees it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

from sqlalchemy import Engine

from common.command_line import by_the_way
from common.versions.registry import CHAMPION, Manifest, Registry
from photostock.catalogue import Catalogue, Photo
from photostock.erasing import feedback_store
from photostock.feedback.learning import clicked_queries, with_clicked
from photostock.filter import relevance_training
from photostock.filter.relevance import Relevance
from photostock.index.encoder import Encoder, OnnxEncoder
from photostock.index.export import publish_encoder
from photostock.labels.command import tell_what_may_go
from photostock.labels.labelling import labels_in_force
from photostock.library import Library
from photostock.own_pictures.store import PictureStore
from photostock.reranker.plan import Plan
from photostock.reranker.split import NothingToLearnFrom, Split
from photostock.reranker.train import train as train_reranker
from photostock.settings import PhotoSettings


def train(
    settings: PhotoSettings, catalogue: Catalogue, photos: Sequence[Photo], arguments: argparse.Namespace
) -> None:
    """Publishes all three: the first encoder as champion, filter and reranker so if none was made for that encoder.

    An encoder that takes over from another serves when filter and reranker are there that were made for it.
    """
    state, registry = feedback_store().engine, Registry(settings.registry_dir)
    before = {component: registry.champion(component) for component in ("encoder", "filter", "reranker")}
    photos = _with_clicked(photos, state)
    encoder = publish_encoder(registry, model=settings.encoder_model)
    serving = registry.champion("encoder")
    waits = serving != encoder.version
    print(
        f"encoder {encoder.version} is {f'published; {serving} serves until all is trained' if waits else 'champion'}"
    )
    if not waits:
        before["encoder"] = serving
    library = Library(catalogue)
    library.refresh()
    pictures = PictureStore(settings.pictures_dir)
    loaded = OnnxEncoder.load(registry.load("encoder", encoder.version), pictures=pictures.read)
    library.use_encoder(loaded)
    kept = dict(catalogue.vectors(encoder.version))
    made = [encoder] if waits else []
    made += train_filter(photos, registry, loaded, seed=arguments.seed, kept_vectors=kept)
    if loaded.sees or not waits:
        _serve(registry, made, before)
    if loaded.sees:
        print("no reranker is trained: it grows out of its encoder's own layers, and those of this one only embed")
        return
    labels = labels_in_force(state, photos).pairs
    try:
        split = Split.of(photos, seed=arguments.seed, labelled={pair.photo_id for pair in labels})
    except NothingToLearnFrom as error:
        _serve(registry, made, before)
        print(f"no reranker is trained: {error}")
        return
    plan = Plan.of(split, minutes=arguments.minutes, layers=arguments.layers)
    print(f"training the reranker: {plan}")
    first = not _serves(registry, "reranker", encoder.version)  # later ones are candidates
    if labels:
        decisions = len({name for one in labels for name in one.sources})
        print(f"{len(labels):,} labels are learnt from as well, of {decisions:,} decisions")
    reranker = train_reranker(
        photos,
        registry,
        seed=arguments.seed,
        budget_seconds=plan.budget_seconds,
        encoder_model=settings.encoder_model,
        encoder_version=encoder.version,
        layers=plan.layers,
        checkpoint_dir=settings.var_dir / "photostock" / "training",
        kept_vectors=kept,
        promote=False,
        relevance=_relevance(registry, made, loaded),
        labels=labels,
    )
    serve = _serve(registry, [*made, reranker] if first else made, before)
    _tell("reranker", reranker.version, reranker.metrics, first=first and serve)
    with by_the_way("which overrides may go", command=f"python -m photostock label --version {reranker.version}"):
        tell_what_may_go(settings, reranker.version)


def _relevance(registry: Registry, made: Sequence[Manifest], encoder: Encoder) -> Relevance | None:
    """The filter that the reranker will stand behind: the one just made if it is to be champion, else the champion."""
    new = next((one.version for one in made if one.component == "filter"), None)
    if new is None and not _serves(registry, "filter", encoder.version):
        return None
    relevance = Relevance.load(registry.load("filter", new or CHAMPION))
    return relevance if relevance.made_for(encoder) else None


def train_filter(
    photos: Sequence[Photo], registry: Registry, encoder: Encoder, *, seed: int, kept_vectors: Mapping[str, bytes]
) -> list[Manifest]:
    """Those that are to be champions: the new one, if there is none for this encoder. Else it is a candidate."""
    first = not _serves(registry, "filter", encoder.version)
    try:
        weights = relevance_training.train(
            photos, registry, encoder, seed=seed, kept_vectors=kept_vectors, promote=False
        )
    except NothingToLearnFrom as error:
        print(f"the filter keeps the order of the encoder: {error}")
        return []
    same = weights.version == registry.champion("filter")  # what these photos make again is no candidate
    _tell("filter", weights.version, weights.metrics, first=first or same)
    return [weights] if first else []


def _serve(registry: Registry, made: list[Manifest], before: dict[str, str | None]) -> bool:
    """Makes champions of them, one right after the other, and leaves none to be made champion later.

    False, and those that are left stay published, where somebody has decided meanwhile what serves in their place.
    """
    together = {"encoder", *(one.component for one in made)}

    def undecided() -> bool:
        return all(registry.champion(component) == before[component] for component in together)

    left = made.copy()
    made.clear()
    while left and undecided():
        one = left[0]
        registry.point(one.component, CHAMPION, one.version, why="trained", only_if=undecided)
        if registry.champion(one.component) == one.version:
            before[one.component] = left.pop(0).version
    if left:
        names = ", ".join(f"{one.component} {one.version}" for one in left)
        print(f"what serves was changed meanwhile, so these are published and do not serve: {names}")
    return not left


def _serves(registry: Registry, component: str, encoder_version: str) -> bool:
    """Whether there is a champion that was made for this encoder; one of another encoder is of no use."""
    champion = registry.champion(component)
    return champion is not None and registry.made_for(component, champion).get("encoder") == encoder_version


def _tell(component: str, version: str, metrics: Mapping[str, float], *, first: bool) -> None:
    figures = ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())
    print(f"{component} {version} is {'champion of its encoder' if first else 'published'} ({figures})")
    if not first:
        print(f"next: python -m photostock release propose {component} {version} --why REASON")


def _with_clicked(photos: Sequence[Photo], state: Engine) -> list[Photo]:
    clicked = clicked_queries(state)
    if clicked:
        print(f"{len(clicked):,} queries are added for which people chose a photo")
    return with_clicked(photos, clicked)
