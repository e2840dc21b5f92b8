"""`python -m photostock train` as a person at a terminal sees it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

from sqlalchemy import Engine

from common.command_line import by_the_way
from common.versions.registry import Registry
from photostock.catalogue import Catalogue, Photo
from photostock.erasing import feedback_store
from photostock.feedback.learning import clicked_queries, with_clicked
from photostock.filter import relevance_training
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
    """Publishes all three: the encoder as champion, filter and reranker so if none was made for that encoder."""
    state, registry = feedback_store().engine, Registry(settings.registry_dir)
    photos = _with_clicked(photos, state)
    encoder = publish_encoder(registry, model=settings.encoder_model)
    print(f"encoder {encoder.version} is champion")
    library = Library(catalogue)
    library.refresh()
    pictures = PictureStore(settings.pictures_dir)
    loaded = OnnxEncoder.load(registry.load("encoder", encoder.version), pictures=pictures.read)
    library.use_encoder(loaded)
    kept = dict(catalogue.vectors(encoder.version))
    train_filter(photos, registry, loaded, seed=arguments.seed, kept_vectors=kept)
    if loaded.sees:
        print("no reranker is trained: it grows out of its encoder's own layers, and those of this one only embed")
        return
    plan = Plan.of(Split.of(photos, seed=arguments.seed), minutes=arguments.minutes, layers=arguments.layers)
    print(f"training the reranker: {plan}")
    first = not _serves(registry, "reranker", encoder.version)  # later ones are candidates
    labels = labels_in_force(state, photos).pairs
    if labels:
        decisions = len({name for one in labels for name in one.sources})
        print(f"{len(labels):,} labels are learnt from as well, of {decisions:,} decisions")
    reranker = train_reranker(
        photos,
        registry,
        seed=arguments.seed,
        budget_seconds=plan.budget_seconds,
        encoder_model=settings.encoder_model,
        layers=plan.layers,
        checkpoint_dir=settings.var_dir / "photostock" / "training",
        kept_vectors=kept,
        promote=first,
        labels=labels,
    )
    _tell("reranker", reranker.version, reranker.metrics, first=first)
    with by_the_way("which overrides may go", command=f"python -m photostock label --version {reranker.version}"):
        tell_what_may_go(settings, reranker.version)


def train_filter(
    photos: Sequence[Photo], registry: Registry, encoder: Encoder, *, seed: int, kept_vectors: Mapping[str, bytes]
) -> None:
    """Champion if there is none for this encoder, else a candidate."""
    first = not _serves(registry, "filter", encoder.version)
    try:
        weights = relevance_training.train(
            photos, registry, encoder, seed=seed, kept_vectors=kept_vectors, promote=first
        )
    except NothingToLearnFrom as error:
        print(f"the filter keeps the order of the encoder: {error}")
        return
    first = first or weights.version == registry.champion("filter")  # what these photos make again is no candidate
    _tell("filter", weights.version, weights.metrics, first=first)


def _serves(registry: Registry, component: str, encoder_version: str) -> bool:
    """Whether there is a champion that was made for this encoder; one of another encoder is of no use."""
    champion = registry.champion(component)
    return champion is not None and registry.made_for(component, champion).get("encoder") == encoder_version


def _tell(component: str, version: str, metrics: Mapping[str, float], *, first: bool) -> None:
    figures = ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())
    print(f"{component} {version} is {'champion' if first else 'published'} ({figures})")
    if not first:
        print(f"next: python -m photostock release propose {component} {version} --why REASON")


def _with_clicked(photos: Sequence[Photo], state: Engine) -> list[Photo]:
    clicked = clicked_queries(state)
    if clicked:
        print(f"{len(clicked):,} queries are added for which people chose a photo")
    return with_clicked(photos, clicked)
