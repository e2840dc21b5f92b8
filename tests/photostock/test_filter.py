"""The gate: it fails closed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from photostock.catalogue import Photo
from photostock.filter.colours import NAMED_COLOURS, NAMES, UnknownColour
from photostock.filter.filter import Conditions, PhotoFilter

PHOTO = Photo(id="p", title="A photo", licence="CC BY 4.0", color="#3c70b8", created_at="2020-05-17T22:30:00-05:00")


def filled(*photos: Photo) -> PhotoFilter:
    photo_filter = PhotoFilter()
    for row, photo in enumerate(photos):
        photo_filter.add(row, photo)
    return photo_filter


def allowed(photo: Photo, conditions: Conditions) -> bool:
    return bool(filled(photo).allowed(conditions)[0])


def test_without_conditions_everything_safe_is_allowed() -> None:
    unsafe = replace(PHOTO, safe=False)
    assert filled(PHOTO, unsafe, PHOTO).allowed(Conditions()).tolist() == [True, False, True]


def test_an_erased_photo_is_shown_to_nobody() -> None:
    photo_filter = filled(PHOTO, PHOTO)
    photo_filter.remove(0)
    assert photo_filter.allowed(Conditions()).tolist() == [False, True]


def test_a_photo_that_replaces_another_is_there_in_the_step_in_which_the_other_goes() -> None:
    photo_filter = filled(PHOTO, PHOTO)
    seen_before = photo_filter._rows
    photo_filter.replace({2: PHOTO, 3: replace(PHOTO, safe=False)}, gone=[0, 1])
    assert seen_before.shown.tolist() == [True, True]
    assert photo_filter.allowed(Conditions()).tolist() == [False, False, True, False]
    with pytest.raises(ValueError, match="no row"):
        photo_filter.replace({4: PHOTO}, gone=[9])
    assert len(photo_filter.allowed(Conditions())) == 4


def test_a_row_that_was_skipped_is_not_allowed() -> None:
    photo_filter = PhotoFilter()
    photo_filter.add(3000, PHOTO)
    assert np.flatnonzero(photo_filter.allowed(Conditions())).tolist() == [3000]


def test_rows_survive_growth() -> None:
    photos = [replace(PHOTO, safe=row % 3 > 0) for row in range(2500)]
    mask = filled(*photos).allowed(Conditions(licence="CC BY 4.0"))
    assert mask.tolist() == [photo.safe for photo in photos]


@pytest.mark.parametrize(
    ("width", "height", "fits"), [(3, 2, "landscape"), (2, 3, "portrait"), (2, 2, "square")], ids=str
)
def test_orientation_is_that_of_the_picture(width: int, height: int, fits: str) -> None:
    photo = replace(PHOTO, width=width, height=height)
    found = [o for o in ("landscape", "portrait", "square") if allowed(photo, Conditions(orientation=o))]
    assert found == [fits]


def test_a_licence_must_be_exactly_the_one_asked_for() -> None:
    assert allowed(PHOTO, Conditions(licence="CC BY 4.0"))
    assert not allowed(PHOTO, Conditions(licence="CC BY"))
    assert not allowed(replace(PHOTO, licence=""), Conditions(licence="CC BY 4.0"))


def test_a_photo_is_hidden_before_the_day_it_was_made() -> None:
    assert not allowed(PHOTO, Conditions(as_of=date(2020, 5, 17)))  # in UTC it is the 18th
    assert allowed(PHOTO, Conditions(as_of=date(2020, 5, 18)))
    assert allowed(replace(PHOTO, created_at=""), Conditions(as_of=date(1990, 1, 1)))


def test_every_shade_has_the_name_it_stands_for_and_no_other() -> None:
    for name, shades in NAMED_COLOURS.items():
        for shade in shades:
            photo = replace(PHOTO, color=shade)
            assert [other for other in NAMES if allowed(photo, Conditions(color=other))] == [name]


@pytest.mark.parametrize(
    ("colour", "name"),
    [("#b01818", "red"), ("#87715e", "brown"), ("#5a7237", "green"), ("#8ab4e8", "blue"), ("#6f6d71", "grey")],
)
def test_colours_are_named_as_people_name_them(colour: str, name: str) -> None:
    assert allowed(replace(PHOTO, color=colour), Conditions(color=name))


def test_an_exact_colour_finds_what_looks_like_it() -> None:
    photos = [replace(PHOTO, color=colour) for colour in ("#3c70b8", "#4478BC", "#3c70b8", "#b83c3c", "#ffffff")]
    assert filled(*photos).allowed(Conditions(color="#3C70B8")).tolist() == [True, True, True, False, False]


def test_what_it_does_not_understand_it_refuses() -> None:
    photo_filter = filled(PHOTO)
    for nonsense in ("blurple", "#12345", "#12345g", ""):
        with pytest.raises(UnknownColour):
            photo_filter.allowed(Conditions(color=nonsense))
        with pytest.raises(UnknownColour):
            photo_filter.add(1, replace(PHOTO, color=nonsense))
    with pytest.raises(ValueError, match="diagonal"):
        photo_filter.allowed(Conditions(orientation="diagonal"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="taken"):
        photo_filter.add(0, PHOTO)
    with pytest.raises(ValueError, match="no row"):
        photo_filter.remove(1)
    assert photo_filter.allowed(Conditions()).tolist() == [True]
