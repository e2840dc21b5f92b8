"""Searches go before photos that are encoded, and hold them up for a moment at most."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import pytest

from photostock.index.code_space import Vectors
from photostock.index.semantic import Semantic, encoded
from photostock.index.vectors import VectorIndex
from photostock.photo import Photo
from photostock.precedence import Precedence

LONG_S = 30.0


class Counting:
    """An encoder that counts how many texts it gets at a time, and on which threads."""

    version, dimensions = "1.0.0", 2

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.threads: set[int] = set()

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.sizes.append(len(texts))
        self.threads.add(threading.get_ident())
        return np.array([[1.0, len(text)] for text in texts], dtype=np.float32)


def test_with_a_core_left_nobody_waits() -> None:
    precedence = Precedence(cores=4)
    with precedence.searching(), precedence.searching():
        assert precedence.give_way(longest_s=LONG_S)


def test_on_two_cores_one_search_is_waited_for_and_its_end_is_noticed() -> None:
    precedence, begun = Precedence(cores=2), threading.Event()
    gone_on: list[bool] = []

    def wait() -> None:
        begun.set()
        gone_on.append(precedence.give_way(longest_s=LONG_S))

    waiting = threading.Thread(target=wait)
    with precedence.searching():
        waiting.start()
        assert begun.wait(LONG_S)
        assert gone_on == []
    waiting.join(LONG_S)
    assert gone_on == [True]


def test_a_search_that_never_ends_holds_nobody_up_for_long() -> None:
    precedence = Precedence(cores=2)
    with precedence.searching():
        assert not precedence.give_way(longest_s=0.001)


def test_a_search_that_fails_is_not_waited_for() -> None:
    precedence = Precedence(cores=1)
    with pytest.raises(ValueError, match="broken"), precedence.searching():
        raise ValueError("broken")
    assert precedence.give_way(longest_s=0)


@pytest.mark.parametrize("cores", [1, 2, 8])
def test_photos_are_encoded_one_by_one_whatever_the_cores(cores: int) -> None:
    encoder, photos = Counting(), [Photo(id=f"p{n}", title="x" * (n + 1)) for n in range(40)]
    semantic = Semantic(encoder, VectorIndex(dimensions=2))
    known = {"p3": np.array([0.0, 1.0], dtype=np.float32)}
    vectors = encoded(semantic, photos, known, Precedence(cores=cores))
    assert list(vectors) == [photo.id for photo in photos]
    assert [vectors[photo.id][1] for photo in photos if photo.id != "p3"] == [n + 1 for n in range(40) if n != 3]
    assert vectors["p3"] is known["p3"]
    assert set(encoder.sizes) == {1}
    assert threading.get_ident() in encoder.threads or cores > 2
