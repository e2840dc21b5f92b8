"""What scoring a search's candidates costs beside the bare model: `python -m photostock.reranker.cost 24 5`.

For so many searches and rounds; prints one line of JSON. `python -m loadtests bench-reranker` calls it.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from tokenizers import Tokenizer

from common.state.database import open_state
from common.versions.registry import Registry, RegistryError, Release
from photostock.catalogue import Catalogue
from photostock.index.encoder import OnnxEncoder
from photostock.ranking import RERANK_DEPTH
from photostock.reranker.lists import ListMaker, QueryList
from photostock.reranker.model import Reranker
from photostock.settings import PhotoSettings
from photostock.text_model import MODEL, TOKENIZER, number, padded, session

MOST_PHOTOS = 2_000  # among which candidates are found


class NothingToMeasure(Exception):
    """What is missing."""


class Cost(NamedTuple):
    """Milliseconds of processor time for one search's candidates."""

    ours_ms: float  # `Reranker.score`: words to tokens, chunks, fusion
    bare_ms: float  # one run of the model on the same pairs, which are tokens already, padded to the longest


def measure(release: Release, lists: list[QueryList], *, rounds: int) -> list[Cost]:
    """For each search in each round both ways, one right after the other and in turn the first, on one thread."""
    reranker, bare = Reranker.load(release), session(str(release.path(MODEL)))
    tokenizer: Tokenizer = Tokenizer.from_file(str(release.path(TOKENIZER)))
    tokenizer.no_padding()
    tokenizer.enable_truncation(int(number(release.manifest.parameters, "max_tokens")))
    names = [node.name for node in bare.get_inputs()]
    feeds = [padded([tokenizer.encode(one.query, text) for text in one.texts], names) for one in lists]
    bare.run(None, feeds[0])
    costs = []
    for round_number in range(rounds):
        for one, feed in zip(lists, feeds, strict=True):

            def ours(one: QueryList = one) -> Any:
                return reranker.score(one.query, one.texts, one.cosines)

            def theirs(feed: dict[str, Any] = feed) -> Any:
                return bare.run(None, feed)

            if round_number % 2:
                bare_ms, ours_ms = _cpu_ms(theirs), _cpu_ms(ours)
            else:
                ours_ms, bare_ms = _cpu_ms(ours), _cpu_ms(theirs)
            costs.append(Cost(ours_ms, bare_ms))
    return costs


def searches(settings: PhotoSettings, *, count: int, seed: int = 1) -> tuple[Release, list[QueryList]]:
    """The champion, and candidates of its encoder for some of the catalogue's own searches."""
    registry = Registry(settings.registry_dir)
    try:
        release = registry.load("reranker")
        encoder = OnnxEncoder.load(registry.load("encoder", release.manifest.compatible_with["encoder"]))
    except RegistryError as error:
        raise NothingToMeasure(f"{error}: `python -m photostock train` makes the reranker") from error
    catalogue = Catalogue(open_state(settings))
    photos = list(islice((photo for photo in catalogue.photos() if photo.queries), MOST_PHOTOS))
    if len(photos) < RERANK_DEPTH:
        raise NothingToMeasure(
            "the catalogue has too few photos with searches: run `python -m photostock catalogue demo`"
        )
    kept = dict(catalogue.vectors(encoder.version, of=[photo.id for photo in photos]))
    lists = ListMaker(photos, encoder, kept=kept)
    chosen = np.random.default_rng(seed).permutation(len(lists))[:count].tolist()
    return release, lists.as_served(chosen, depth=RERANK_DEPTH)


def _cpu_ms(work: Callable[[], Any]) -> float:
    started_s = time.thread_time()
    work()
    return (time.thread_time() - started_s) * 1000


def main(count: int, rounds: int) -> int:
    """Prints what was measured, or what is missing."""
    try:
        release, lists = searches(PhotoSettings(), count=count)
    except NothingToMeasure as error:
        print(error, file=sys.stderr)
        return 1
    costs = measure(release, lists, rounds=rounds)
    print(json.dumps({"reranker": release.manifest.version, "costs": [one._asdict() for one in costs]}))
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
