"""What a training may see, and what the result costs: on a model so tiny that it knows nothing."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from common.state.database import open_state
from common.versions.registry import Registry
from photostock.catalogue import Catalogue
from photostock.reranker.cost import NothingToMeasure, measure, searches
from photostock.reranker.split import Split
from photostock.reranker.train import train
from photostock.settings import PhotoSettings
from tests.photostock.tiny_model import photos


def test_photos_that_tune_are_not_even_wrong_answers_in_training(
    registry: Registry, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from photostock.reranker import learning

    class Seen(Exception):
        pass

    def learn(_network: object, _tokenizer: object, lessons: learning.Lessons, *_: object) -> None:
        raise Seen(lessons)

    monkeypatch.setattr(learning, "learn", learn)
    with pytest.raises(Seen) as caught:
        train(photos(), registry, encoder_model=tiny, steps=1, layers=2)
    lessons: learning.Lessons = caught.value.args[0]
    assert lessons.queries == 2 * 86
    shown = [
        set(text.lower().replace(".", " ").split())
        for step in itertools.islice(lessons.from_step(0), 44)
        for one in step
        for text in (one.query, *one.texts)
    ]
    for photo in Split.of(photos(), seed=1).tuning:
        colour_subject_place = set(photo.queries[0].split())
        assert not any(colour_subject_place <= words for words in shown)


@pytest.mark.parametrize(
    ("bfloat16_s", "chosen"), [(0.5, "bfloat16"), (0.9, "float32"), (1.1, "float32"), (8.0, "float32")]
)
def test_training_takes_the_short_numbers_only_where_they_are_clearly_quicker(
    bfloat16_s: float, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from photostock.reranker import precision

    seconds = {torch.bfloat16: bfloat16_s, torch.float32: 1.0}
    monkeypatch.setattr(precision, "_product_s", seconds.__getitem__)
    assert precision.quickest_precision() == chosen


def test_a_machine_chooses_the_same_format_again() -> None:
    from photostock.reranker.precision import quickest_precision

    assert len({quickest_precision() for _ in range(5)}) == 1


def test_scoring_is_measured_beside_a_bare_run_of_the_same_pairs_in_every_round(
    registry: Registry, tmp_path: Path
) -> None:
    settings = PhotoSettings(var_dir=tmp_path)
    with pytest.raises(NothingToMeasure, match="photostock train"):
        searches(settings, count=3)
    settings.registry_dir.symlink_to(registry.root)
    with pytest.raises(NothingToMeasure, match="catalogue demo"):
        searches(settings, count=3)
    state = open_state(settings)
    Catalogue(state).add(photos())
    state.dispose()
    release, lists = searches(settings, count=3)
    assert [len(one.texts) for one in lists] == [20] * 3
    costs = measure(release, lists, rounds=2)
    assert len(costs) == 6
    assert min(min(one) for one in costs) > 0
