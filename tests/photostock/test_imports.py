from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from photostock.imports import ImportProblem, PhotoImport, read_any, summary
from photostock.photo import Photo

PUBLISHED = (
    "photo_id photo_url photo_image_url photo_submitted_at photo_featured photo_width photo_height photo_aspect_ratio "
    "photo_description photographer_username photographer_first_name photographer_last_name exif_camera_make "
    "exif_camera_model exif_iso exif_aperture_value exif_focal_length exif_exposure_time photo_location_name "
    "photo_location_latitude photo_location_longitude photo_location_country photo_location_city stats_views "
    "stats_downloads ai_description ai_primary_landmark_name ai_primary_landmark_latitude "
    "ai_primary_landmark_longitude ai_primary_landmark_confidence blur_hash"
)
PHOTO_COLUMNS = PUBLISHED.split()


def coco(folder: Path, **changes: Any) -> Path:
    document = {
        "info": {},
        "licenses": [{"url": "http://example.org", "id": 4, "name": "Attribution License"}],
        "images": [
            {"id": 139, "file_name": "a.jpg", "width": 640, "height": 426, "license": 4, "date_captured": "2013-11-21"},
            {"id": 285, "file_name": "b.jpg", "width": 586, "height": 640, "license": 4},
        ],
        "annotations": [
            *({"image_id": 139, "id": n, "caption": f" caption\n{n} "} for n in range(5)),
            {"image_id": 285, "id": 9, "caption": "A big bear"},
        ],
    }
    path = folder / "captions_val2017.json"
    path.write_text(json.dumps(document | changes))
    return path


def unsplash(folder: Path, rows: list[dict[str, str]], *, name: str = "photos.tsv000") -> Path:
    defaults = {"photo_width": "4000", "photo_height": "3000", "photographer_username": "ann"}
    lines = ["\t".join(PHOTO_COLUMNS)]
    lines += ["\t".join((defaults | row).get(column, "") for column in PHOTO_COLUMNS) for row in rows]
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return path


def parquet(folder: Path, **columns: Any) -> Path:
    path = folder / "photos.parquet"
    pl.DataFrame(columns).write_parquet(path)
    return path


def reasons(imported: PhotoImport) -> list[str]:
    return [reason for _, reason in imported.rejects]


def test_coco_captions_become_title_description_and_queries(tmp_path: Path) -> None:
    imported = read_any(coco(tmp_path))
    first, second = imported.photos
    assert (first.id, first.title, first.description) == ("139", "caption 0", "caption 1")
    assert first.queries == ("caption 2", "caption 3", "caption 4")
    assert (first.width, first.height, first.licence) == (640, 426, "Attribution License")
    assert first.created_at == "2013-11-21T00:00:00Z"
    assert (second.title, second.description, second.queries) == ("A big bear", "", ())
    assert imported.rejects == []


def test_bad_coco_rows_are_reported_with_their_position_and_not_dropped(tmp_path: Path) -> None:
    images: list[Any] = [
        {"id": 1, "width": 10, "height": 10},
        {"id": 1, "width": 10, "height": 10},
        {"id": 2, "width": "wide", "height": 10},
        {"id": "../3"},
        {"id": 4},
        "not an image",
    ]
    annotations: list[Any] = [
        *({"image_id": i, "caption": "A dog"} for i in (1, 2, "../3")),
        {"image_id": 77, "caption": "nobody's"},
        {"image_id": 1},
        {"image_id": [], "caption": "odd"},
        5,
    ]
    imported = read_any(coco(tmp_path, images=images, annotations=annotations))
    assert [photo.id for photo in imported.photos] == ["1"]
    assert [line for line, _ in imported.rejects] == [2, 3, 4, 4, 5, 5, 6, 6, 7]
    assert sum("annotation" in reason for reason in reasons(imported)) == 4


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "not JSON"),
        ("[]", "not an object"),
        ("{}", "images"),
        ('{"images": []}', "annotations"),
        ('{"images": [], "annotations": [{"image_id": 1, "bbox": []}]}', "instances"),
    ],
)
def test_json_that_is_not_coco_captions_is_refused_with_a_reason(tmp_path: Path, content: str, complaint: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(ImportProblem, match=complaint):
        read_any(path)


def test_unsplash_rows_become_photos_with_keywords_and_colours_from_beside(tmp_path: Path) -> None:
    row = {
        "photo_id": "-bX9_2",
        "photo_submitted_at": "2020-07-02 14:22:03.12361",
        "photo_description": '"a ""red"" door\nin Rome"',
        "ai_description": "red wooden door",
        "photographer_first_name": "Ann",
        "photographer_last_name": "Lee",
        "photo_location_country": "Italy",
        "stats_downloads": "120",
    }
    unsplash(tmp_path, [row])
    (tmp_path / "keywords.tsv000").write_text(
        "photo_id\tkeyword\tai_service_1_confidence\tai_service_2_confidence\tsuggested_by_user\n"
        "-bX9_2\twood\t20.5\t\tf\n-bX9_2\tdoor\t\t99.1\tf\n-bX9_2\trome\t\t\tt\n-bX9_2\t\t\t\tf\n"
    )
    (tmp_path / "colors.tsv000").write_text(
        "photo_id\thex\tred\tgreen\tblue\tkeyword\tai_coverage\tai_score\n"
        "-bX9_2\t111111\t0\t0\t0\tblack\t0.1\t0.9\n-bX9_2\tAA2030\t0\t0\t0\tred\t0.6\t0.2\n"
    )
    imported = read_any(tmp_path)
    assert imported.photos == [
        Photo(
            id="-bX9_2",
            title='a "red" door in Rome',
            description="red wooden door",
            tags=("rome", "door", "wood", "Italy"),
            photographer="Ann Lee",
            width=4000,
            height=3000,
            color="#aa2030",
            licence="Unsplash License",
            created_at="2020-07-02T14:22:03Z",
            popularity=120.0,
        )
    ]
    assert imported.rejects == [(5, "keywords.tsv000: no photo_id or no keyword")]


def test_the_file_of_unsplash_may_be_named_instead_of_its_folder(tmp_path: Path) -> None:
    path = unsplash(tmp_path, [{"photo_id": "a", "ai_description": "a tree"}])
    unsplash(tmp_path, [{"photo_id": "b", "ai_description": "a sea"}], name="photos.tsv001")
    assert [photo.id for photo in read_any(path).photos] == ["a", "b"]
    assert read_any(path).photos[0].title == "a tree"


def test_bad_unsplash_rows_are_reported_with_their_line(tmp_path: Path) -> None:
    rows = [
        {"photo_id": "good", "ai_description": "a tree"},
        {"photo_id": "wide", "ai_description": "x", "photo_width": "very"},
        {"photo_id": "date", "ai_description": "x", "photo_submitted_at": "once"},
        {"photo_id": "mute"},
        {"photo_id": "good", "ai_description": "again"},
    ]
    path = unsplash(tmp_path, rows)
    path.write_text(path.read_text() + "short\trow\n")
    imported = read_any(path)
    assert [photo.id for photo in imported.photos] == ["good"]
    assert [line for line, _ in imported.rejects] == [3, 4, 5, 6, 7]
    assert "2 columns instead of 31" in reasons(imported)[-1]


def test_parquet_captions_are_read_with_whatever_else_is_known(tmp_path: Path) -> None:
    path = parquet(
        tmp_path,
        photo_id=["a", "b", None, "d", "e"],
        captions=[["one", "two", "three"], ["only"], ["x"], None, ["y"]],
        width=[640, None, 1, 1, 0],
        height=[480, None, 1, 1, 5],
        license_name=["CC", None, "", "", ""],
        date_captured=["2013-11-14 17:02:52", None, None, None, None],
        file_name=["a.jpg"] * 5,
    )
    imported = read_any(path)
    assert imported.photos == [
        Photo(
            "a",
            "one",
            "two",
            width=640,
            height=480,
            licence="CC",
            created_at="2013-11-14T17:02:52Z",
            queries=("three",),
        ),
        Photo("b", "only"),
    ]
    assert [line for line, _ in imported.rejects] == [3, 4, 5]


def test_parquet_of_something_else_is_refused_with_a_reason(tmp_path: Path) -> None:
    with pytest.raises(ImportProblem, match="no column `photo_id`"):
        read_any(parquet(tmp_path, sales=[1]))
    with pytest.raises(ImportProblem, match="not a list of texts"):
        read_any(parquet(tmp_path, photo_id=["a"], captions=["one"]))
    (tmp_path / "photos.parquet").write_bytes(b"PAR1 torn")
    with pytest.raises(ImportProblem, match="not parquet"):
        read_any(tmp_path / "photos.parquet")


def test_missing_and_unknown_files_are_named_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(ImportProblem, match=r"nowhere\.json does not exist"):
        read_any(tmp_path / "nowhere.json")
    with pytest.raises(ImportProblem, match=r"no photos\.tsv000"):
        read_any(tmp_path)
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(ImportProblem, match=r"notes\.txt is none of"):
        read_any(tmp_path / "notes.txt")


SCALARS = st.none() | st.integers() | st.text()
IMAGES = st.dictionaries(st.sampled_from(["id", "width", "date_captured"]), SCALARS | st.lists(SCALARS, max_size=2))
ANNOTATIONS = st.dictionaries(st.sampled_from(["image_id", "caption"]), SCALARS)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(images=st.lists(SCALARS | IMAGES, max_size=4), annotations=st.lists(SCALARS | ANNOTATIONS, max_size=4))
def test_no_json_of_any_shape_ends_in_an_unexpected_error(
    tmp_path: Path, images: list[Any], annotations: list[Any]
) -> None:
    try:
        imported = read_any(coco(tmp_path, images=images, annotations=annotations))
    except ImportProblem:
        return
    assert len(imported.photos) + sum("annotation" not in r for r in reasons(imported)) == len(images)


def test_the_summary_tells_what_came_in_and_what_did_not(tmp_path: Path) -> None:
    rows = [{"photo_id": "good", "ai_description": "a tree"}] + [{"photo_id": f"mute{n}"} for n in range(12)]
    told = summary(read_any(unsplash(tmp_path, rows)))
    assert told.startswith("1 photos, 0 queries with a known answer\n12 rows left out\n  3: ")
    assert told.endswith("… and 2 more")
    assert "left out" not in summary(read_any(coco(tmp_path)))
