"""The whole way round with a model so tiny that it knows nothing: pinned by hand, taught, and asked about the pin."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from common.overrides.agreements import Agreements
from common.state.database import open_state
from common.state.overrides import OverrideStore
from common.versions.registry import Registry
from photostock.catalogue import Catalogue
from photostock.feedback.store import FeedbackStore
from photostock.index.encoder import OnnxEncoder
from photostock.labels.labelling import labels_in_force
from photostock.labels.retiring import look
from photostock.reranker.train import train
from photostock.reranker.training_ids import trained_on
from photostock.settings import PhotoSettings
from tests.photostock.tiny_model import photos

QUERY, PLACE = "white beach", 3
STEPS = 30


@pytest.mark.timeout(600)
async def test_a_pin_is_taught_by_the_next_training_whose_version_is_then_asked_whether_it_may_go(
    registry: Registry, tiny: Path, tmp_path: Path
) -> None:
    settings = PhotoSettings(var_dir=tmp_path)
    shutil.copytree(registry.root, settings.registry_dir)
    own = Registry(settings.registry_dir)
    encoder, texts = OnnxEncoder.load(own.load("encoder")), [photo.text for photo in photos()]
    cosines = encoder.encode(texts) @ encoder.encode([QUERY])[0]
    ninth = photos()[int(np.argsort(-cosines, kind="stable")[8])].id
    state = open_state(settings)
    Catalogue(state).add(photos())
    FeedbackStore(state)  # its table
    now = datetime.now(UTC)
    pin = OverrideStore(state, "photostock").add(
        f"{ninth}\n{QUERY}",
        {"effect": "pin", "photo_id": ninth, "query": QUERY, "value": PLACE},
        owner="Ann",
        reason="what people mean",
        ends_at=now + timedelta(days=9),
        now=now,
    )
    assert [one.agrees for one in await look(settings, "1.0.0")] == [False]

    labels = labels_in_force(state, photos()).pairs
    made = train(photos(), own, encoder_model=tiny, steps=STEPS, layers=2, labels=labels)

    assert made.training["labels"]["functions"] == [pin.id]
    assert ninth in trained_on(own.load("reranker", made.version))
    assert [one.override_id for one in await look(settings, made.version)] == [pin.id]
    told = Agreements(state, "photostock").all()[pin.id]
    assert (told["version"], told["agrees"]) == (made.version, told["ratio"] <= 1)
    state.dispose()
