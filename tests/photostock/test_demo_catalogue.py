from __future__ import annotations

import re
from collections import Counter
from datetime import datetime

import pytest

from photostock.demo import words
from photostock.demo.people import PHOTOGRAPHERS
from photostock.demo.scenes import EXTRAS
from photostock.demo.subjects import SUBJECTS
from photostock.demo_catalogue import demo_photos
from photostock.drawing import extras
from photostock.drawing.cast import knows
from photostock.drawing.colours import NAMED
from photostock.drawing.food import TOPPINGS
from photostock.drawing.places import PLACES
from photostock.drawing.rooms import ROOMS
from photostock.photo import Photo, problem_of
from photostock.scene import scene_of


@pytest.fixture(scope="module")
def photos() -> list[Photo]:
    return list(demo_photos())


def test_the_same_seed_gives_the_same_photos_and_another_seed_others() -> None:
    assert list(demo_photos(count=40, seed=3)) == list(demo_photos(count=40, seed=3))
    assert list(demo_photos(count=40, seed=3)) != list(demo_photos(count=40, seed=4))


def test_a_larger_catalogue_begins_with_the_smaller_one(photos: list[Photo]) -> None:
    assert list(demo_photos(count=25)) == photos[:25]


def test_every_photo_may_enter_the_catalogue_and_has_everything(photos: list[Photo]) -> None:
    assert len({photo.id for photo in photos}) == len(photos) == 3000
    for photo in photos:
        assert problem_of(photo) is None
        assert photo.title
        assert photo.description
        assert len(photo.tags) >= 2
        assert photo.photographer
        assert photo.licence
        assert photo.popularity > 0
        assert 1 <= len(photo.queries) <= 3
        assert scene_of(photo.scene) is not None


def test_what_is_told_can_be_drawn() -> None:
    for subject in SUBJECTS:
        assert knows(subject.key)
        assert set(subject.colours) <= set(NAMED)
        assert set(subject.places) <= set(PLACES) | set(ROOMS)
    assert set(words.PLACES) == set(PLACES) | set(ROOMS) == set(EXTRAS)
    assert set(words.TOPPINGS) == set(TOPPINGS)
    assert set(words.EXTRAS) == set(extras.EXTRAS) == {extra for line in EXTRAS.values() for extra in line.split()}


def test_title_and_description_are_two_people_s_words(photos: list[Photo]) -> None:
    def told(text: str) -> set[str]:
        return set(re.findall(r"[a-z]+", text.lower()))

    shared = [len(told(p.title) & told(p.description)) / len(told(p.title)) for p in photos]
    assert 0.2 < sum(shared) / len(shared) < 0.7


def test_articles_fit_their_words(photos: list[Photo]) -> None:
    for photo in photos:
        text = f"{photo.title} {photo.description}"
        assert not re.search(r"\b[Aa] [aeiou]|\b[Aa]n [^aeiou]|  ", text), text


def test_queries_are_neither_copies_nor_without_a_hold(photos: list[Photo]) -> None:
    queries = [(query, photo) for photo in photos for query in photo.queries]
    copied = sum(query in photo.text.lower() for query, photo in queries)
    assert copied < 0.05 * len(queries)
    held = sum(any(word in photo.text.lower() for word in query.split() if len(word) > 3) for query, photo in queries)
    assert held > 0.95 * len(queries)
    assert len({query for query, _ in queries}) > 0.97 * len(queries)


def test_many_photos_share_a_subject_but_hardly_any_share_all_words(photos: list[Photo]) -> None:
    subjects = Counter(photo.scene["subject"] for photo in photos if photo.scene)
    assert len(subjects) == len(SUBJECTS)
    assert min(subjects.values()) >= 10
    assert len({photo.text for photo in photos}) > 0.995 * len(photos)


def test_few_photographers_are_busy_and_few_photos_popular(photos: list[Photo]) -> None:
    busy = Counter(photo.photographer for photo in photos)
    assert set(busy) == set(PHOTOGRAPHERS)
    assert max(busy.values()) > 8 * min(busy.values())
    popular = sorted((photo.popularity for photo in photos), reverse=True)
    assert sum(popular[:300]) > 0.35 * sum(popular)


def test_the_filter_has_something_to_do(photos: list[Photo]) -> None:
    assert set(Counter(photo.orientation for photo in photos)) == {"landscape", "portrait", "square"}
    assert len({photo.licence for photo in photos}) >= 3
    assert 10 < sum(not photo.safe for photo in photos) < 100


def test_the_moment_fits_the_scene(photos: list[Photo]) -> None:
    for photo in photos:
        moment, scene = datetime.fromisoformat(photo.created_at), scene_of(photo.scene)
        assert scene is not None
        if scene.light == "night":
            assert moment.hour >= 22
        if scene.setting == "snow":
            assert moment.month in (12, 1, 2)
