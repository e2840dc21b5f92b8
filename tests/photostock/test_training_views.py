"""Captions of one photo by several people: each can be what is searched with, and each what is found."""

from __future__ import annotations

from photostock.catalogue import Photo
from photostock.reranker.views import interchangeable, view, views

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
