from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from photostock.demo.scenes import EXTRAS
from photostock.demo.subjects import SUBJECTS
from photostock.demo_catalogue import demo_photos
from photostock.drawing.colours import rgb
from photostock.photo import Photo
from photostock.pictures import color_of, draw
from photostock.scene import INDOORS, Scene, scene_of

Pixels = npt.NDArray[np.float64]
SAMPLE = tuple(photo for photo in demo_photos(count=160))


def opened(photo: Photo, *, width_px: int = 96) -> Image.Image:
    return Image.open(io.BytesIO(draw(photo, width_px=width_px)))


def pixels(photo: Photo, *, width_px: int = 96) -> Pixels:
    return np.asarray(opened(photo, width_px=width_px), dtype=np.float64).reshape(-1, 3)


def of_scene(scene: Scene, *, width: int = 1200, height: int = 800) -> Photo:
    return Photo("p", "title", width=width, height=height, scene=scene.as_dict())


@pytest.mark.parametrize(("width", "height"), [(1200, 800), (800, 1200), (900, 900)])
@pytest.mark.parametrize("width_px", [16, 100, 640])
def test_a_picture_has_the_width_asked_for_and_the_shape_of_its_photo(width: int, height: int, width_px: int) -> None:
    image = opened(replace(SAMPLE[0], width=width, height=height), width_px=width_px)
    assert image.format == "JPEG"
    assert image.size == (width_px, round(width_px * height / width))


def test_the_same_photo_is_drawn_the_same() -> None:
    assert draw(SAMPLE[3], width_px=200) == draw(SAMPLE[3], width_px=200)


@pytest.mark.parametrize("width_px", [0, 15, -5, 2049])
def test_a_width_out_of_bounds_is_refused(width_px: int) -> None:
    with pytest.raises(ValueError, match="width_px"):
        draw(SAMPLE[0], width_px=width_px)


@pytest.mark.parametrize(("width", "height"), [(1, 100_000), (100_000, 1)])
def test_a_photo_of_absurd_shape_cannot_fill_the_memory(width: int, height: int) -> None:
    image = opened(Photo("p", "strip", width=width, height=height), width_px=64)
    assert image.height <= 256


def test_every_subject_can_be_drawn_and_no_two_look_the_same() -> None:
    seen = set()
    for subject in SUBJECTS:
        scene = Scene(subject.key, subject.places[0], "midday", colour=subject.colours[0], who="woman", pose="stand")
        if subject.places[0] in INDOORS:
            scene = replace(scene, light="window")
        if subject.poses:
            scene = replace(scene, pose=subject.poses[0])
        seen.add(draw(of_scene(scene), width_px=48))
    assert len(seen) == len(SUBJECTS)


@pytest.mark.parametrize("setting", sorted(EXTRAS))
def test_every_second_thing_shows(setting: str) -> None:
    light = "window" if setting in INDOORS else "midday"
    plain = Scene("gull", setting, light, colour="white", pose="fly", seed=5)
    for extra in EXTRAS[setting].split():
        assert draw(of_scene(replace(plain, extra=extra)), width_px=64) != draw(of_scene(plain), width_px=64)


def test_night_is_darker_than_day_and_winter_whiter_than_summer() -> None:
    day = Scene("oak", "meadow", "midday", colour="green")
    assert pixels(of_scene(replace(day, light="night"))).mean() < 0.5 * pixels(of_scene(day)).mean()
    ground = slice(-96 * 10, None)
    winter, summer = (pixels(of_scene(replace(day, season=season)))[ground] for season in ("winter", "summer"))
    assert winter.mean() > summer.mean() + 40


def test_black_and_white_has_no_colour() -> None:
    picture = pixels(of_scene(Scene("dog", "beach", "sunset", style="mono", pose="run")))
    assert np.abs(picture - picture.mean(axis=1, keepdims=True)).max() < 3


def test_the_named_colour_of_the_subject_can_be_seen() -> None:
    for name in ("red", "yellow", "blue"):
        plain = Scene("car", "studio", "window", colour=name, style="closeup")
        near = np.abs(pixels(of_scene(plain)) - np.array(rgb(_code(name)))).max(axis=1) < 45
        assert near.mean() > 0.03


def _code(name: str) -> str:
    return {"red": "#cd3230", "yellow": "#f5cb3c", "blue": "#3468b2"}[name]


def test_the_stated_colour_covers_much_of_the_picture() -> None:
    shares = []
    for photo in SAMPLE:
        distance = np.linalg.norm(pixels(photo, width_px=48) - np.array(rgb(photo.color)), axis=1)
        shares.append(float((distance < 50).mean()))
    assert min(shares) > 0.15
    assert np.median(shares) > 0.45


def test_the_stated_colour_is_that_of_the_scene() -> None:
    for photo in SAMPLE[:20]:
        scene = scene_of(photo.scene)
        assert scene is not None
        assert photo.color == color_of(scene)


@pytest.mark.parametrize("title", ["A dog", "", "word " * 400, "犬", "x" * 900])
def test_a_photo_without_a_scene_gets_a_placeholder_in_its_colour(title: str) -> None:
    photo = Photo("p-1", title, "A description", color="#b03020", width=400, height=300)
    mean = pixels(photo, width_px=320).mean(axis=0)
    assert mean[0] > mean[1] + 40
    assert mean[0] > mean[2] + 40


def test_a_placeholder_shows_its_title() -> None:
    one, other = (draw(Photo("p", title), width_px=320) for title in ("A dog on the beach", "A cat at home"))
    assert one != other


def test_a_recipe_of_another_version_falls_back_to_the_placeholder() -> None:
    recipe = {"subject": "dog", "mood": "happy"}
    assert draw(Photo("p", "A dog", scene=recipe), width_px=100) == draw(Photo("p", "A dog"), width_px=100)
    unknown = Scene("unicorn", "moon", "eclipse").as_dict()
    assert draw(Photo("p", "A dog", scene=unknown), width_px=100) == draw(Photo("p", "A dog"), width_px=100)
