"""`python -m photostock train`, where another encoder is to take over from the one that serves."""

from __future__ import annotations

import shutil
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from common.state.database import open_state
from common.versions.registry import CHAMPION, Manifest, Registry
from photostock.catalogue import Catalogue
from photostock.filter import relevance_training
from photostock.photo import Photo
from photostock.reranker import learning
from photostock.settings import PhotoSettings
from photostock.train_command import train
from tests.photostock.tiny_model import photos, tiny_model

COMPONENTS = ("encoder", "filter", "reranker")


class Killed(Exception):
    """What a signal does to a training, as far as a test can say it."""


class Training:
    """`train` over a `VAR_DIR`, with few seconds for the reranker."""

    def __init__(self, settings: PhotoSettings) -> None:
        self.registry = Registry(settings.registry_dir)
        self._settings = settings

    def run(self, model: Path, catalogue: list[Photo]) -> None:
        state = open_state(self._settings)
        chosen = self._settings.model_copy(update={"encoder_model": str(model)})
        train(chosen, Catalogue(state), catalogue, Namespace(seed=1, minutes=0.1, layers=2))
        state.dispose()

    @property
    def champions(self) -> list[str | None]:
        return [self.registry.champion(component) for component in COMPONENTS]

    @property
    def made_for(self) -> set[str]:
        """The encoders that are champion, or that a champion was made for."""
        of_others = {self.registry.made_for(component, CHAMPION)["encoder"] for component in COMPONENTS[1:]}
        return {self.registry.resolve("encoder", CHAMPION), *of_others}


@pytest.fixture
def training(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Training:
    """An encoder and a reranker are there."""
    monkeypatch.setenv("VAR_DIR", str(tmp_path / "var"))
    settings = PhotoSettings()
    settings.registry_dir.parent.mkdir(parents=True)
    shutil.copytree(registry.root, settings.registry_dir)
    state = open_state(settings)
    Catalogue(state).add(photos())
    state.dispose()
    return Training(settings)


@pytest.mark.timeout(600)
def test_another_encoder_serves_when_its_filter_and_reranker_do_also_after_a_killed_training(
    training: Training, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training.run(tiny, photos())
    before = training.champions
    assert None not in before
    other = tiny_model(tmp_path / "other", seed=2)

    def learn(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(learning, "learn", learn)
        with pytest.raises(Killed):
            training.run(other, photos())
    assert training.champions == before
    assert training.made_for == {"1.0.0"}

    training.run(other, photos())
    assert None not in training.champions
    assert training.made_for == {"1.1.0"}


def test_where_no_reranker_can_be_trained_another_encoder_waits_for_none(training: Training, tmp_path: Path) -> None:
    training.run(tiny_model(tmp_path / "other", seed=2), photos()[:3])
    assert training.registry.champion("encoder") == "1.1.0"


def test_what_somebody_decides_while_a_training_goes_on_stays_decided(
    training: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    learn = relevance_training.train

    def meanwhile(*given: Any, **options: Any) -> Manifest:
        training.registry.publish("encoder", {"model": b"a person's"}, alias=CHAMPION)
        return learn(*given, **options)

    monkeypatch.setattr(relevance_training, "train", meanwhile)
    training.run(tiny_model(tmp_path / "other", seed=2), photos()[:3])
    assert training.registry.champion("encoder") == "1.2.0"
    assert "these are published and do not serve: encoder 1.1.0" in capsys.readouterr().out


@pytest.mark.parametrize("count", [1, 40])
def test_a_catalogue_without_queries_is_told_why_no_reranker_is_trained(
    training: Training, tiny: Path, capsys: pytest.CaptureFixture[str], count: int
) -> None:
    training.run(tiny, [replace(photo, queries=()) for photo in photos()[:count]])
    assert "no reranker is trained: 0 photos have queries" in capsys.readouterr().out
