"""The models of the API process: those that it has in memory itself, and what it knows of the reranker's versions."""

from __future__ import annotations

from collections.abc import Mapping

from common.state.snapshot import Snapshot
from common.versions.registry import Registry
from common.versions.slots import CHAMPION, ModelSlots
from photostock.filter.relevance import Relevance
from photostock.index.encoder import OnnxEncoder
from photostock.library import Library
from photostock.own_pictures.store import PictureStore
from photostock.reranker.released import Released, reader


class Models:
    """Requests read memory; the rest is for worker threads."""

    def __init__(self, registry: Registry, library: Library, pictures: PictureStore) -> None:
        self._library = library

        def load_encoder(number: str) -> OnnxEncoder:
            return OnnxEncoder.load(registry.load("encoder", number), pictures=pictures.read)

        self._encoders = ModelSlots("encoder", registry, load_encoder)
        self._filters = ModelSlots("filter", registry, lambda number: Relevance.load(registry.load("filter", number)))
        self.rerankers = Snapshot[Mapping[str, Released]]("reranker releases", reader(registry), first={})

    def relevance(self) -> Relevance | None:
        """The filter's weights, if they were learnt for the encoder that serves."""
        serving, encoder = self._filters.get(CHAMPION), self._library.encoder
        return serving[1] if serving is not None and encoder is not None and serving[1].made_for(encoder) else None

    def released(self, version: str) -> Released | None:
        """What a version of the reranker says of itself."""
        return self.rerankers.value.get(version)

    @property
    def trouble(self) -> str | None:
        """Why searches have no vectors, or those of an older encoder."""
        library = self._library
        return self._encoders.trouble or library.preparing or (None if library.encoder else "photos are being encoded")

    def encode(self) -> None:
        """After an import this takes long, and meanwhile words are searched."""
        self._encoders.refresh()
        self._filters.refresh()
        if (serving := self._encoders.get(CHAMPION)) is not None:
            self._library.use_encoder(serving[1])
