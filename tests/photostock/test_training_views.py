"""Captions of one photo by several people: each can be what is searched with, and each what is found."""

from __future__ import annotations

import numpy as np

from photostock.catalogue import Photo
from photostock.reranker.lists import WRONG_ANSWERS, ListMaker
from photostock.reranker.views import interchangeable, view, views
from tests.photostock.conftest import WordEncoder

CAPTIONED = Photo(
    id="a",
    title="A dog runs on the beach",
    description="Brown dog near the sea",
    queries=("A wet spaniel at the seaside", "A dog that chases waves", "Dog and waves in the evening"),
)
SEARCHED = Photo(
    id="b", title="Evening walk along the old pier", description="Long shadows and two walkers", queries=("pier",)
)


def test_every_caption_is_searched_with_and_found_in_some_view() -> None:
    turned = [view(CAPTIONED, turn) for turn in range(5)]
    everything = {CAPTIONED.title, CAPTIONED.description, *CAPTIONED.queries}
    assert {photo.title for photo in turned} == {photo.description for photo in turned} == everything
    assert {query for photo in turned for query in photo.queries} == everything
    assert all(
        len(photo.queries) == 3 and {photo.title, photo.description}.isdisjoint(photo.queries) for photo in turned
    )


def test_a_view_keeps_everything_but_the_texts_and_comes_round_again() -> None:
    assert view(CAPTIONED, 0) == CAPTIONED == view(CAPTIONED, 5)
    assert [photo.id for photo in views([CAPTIONED, SEARCHED], 1)] == ["a", "b"]


def test_a_photo_with_a_single_text_stays_as_it_is() -> None:
    lonely = Photo(id="c", title="A dog", queries=("dog",))
    assert view(lonely, 1) == lonely


def test_key_words_are_no_captions() -> None:
    assert interchangeable([CAPTIONED])
    assert not interchangeable([SEARCHED])
    assert not interchangeable([])


def test_what_people_chose_for_the_same_query_is_never_a_wrong_answer() -> None:
    dog, other = Photo("a", "A dog", queries=("Dog",)), Photo("b", "A dog at the sea", queries=("dog",))
    cats = [Photo(f"c{n}", f"A cat number {n}", queries=(f"cat {n}",)) for n in range(8)]
    lists = ListMaker([dog, other, *cats], WordEncoder())
    for seed in range(20):
        of_dog, of_other = lists.for_training([0, 1], np.random.default_rng(seed))
        assert of_dog.texts[0] == dog.text
        assert other.text not in of_dog.texts
        assert dog.text not in of_other.texts
        assert len(of_dog.texts) == 1 + WRONG_ANSWERS
