"""Files that name a person lose them, a database in use loses nothing, and nobody's file stops the work on others."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import polars
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from common.erasing.files import cleaned
from common.erasing.person import Person
from common.erasing.pictures import LARGEST_PART_BYTES, told_by
from common.erasing.scan import Wanted, scan_files

ANN = Person("ann-17", "a" * 64)
WANTED = Wanted([ANN])
PIECE = bytes(range(64))
EVEN = Image.new("RGB", (8, 8), "teal")
WRITE = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('BEGIN IMMEDIATE')"


def clean(folder: Path, wanted: Wanted = WANTED, *, except_in: tuple[Path, ...] = ()) -> int:
    return cleaned(folder, wanted, lambda *_: None, except_in=except_in)


def test_a_picture_goes_if_it_is_theirs_whole_and_not_for_a_piece_of_it(tmp_path: Path) -> None:
    theirs, others = b"\xff\xd8\xff theirs" + PIECE, b"\xff\xd8\xff others" + PIECE
    (tmp_path / "copy.jpg").write_bytes(theirs)
    (tmp_path / "others.jpg").write_bytes(others)
    wanted = Wanted([ANN], [PIECE], [sha256(theirs).hexdigest()])
    assert clean(tmp_path, wanted) == 1
    assert scan_files(tmp_path, wanted).places == ["file others.jpg"]


def test_a_picture_goes_if_it_tells_of_them_and_not_for_bytes_that_look_like_their_id(tmp_path: Path) -> None:
    EVEN.save(tmp_path / "theirs.jpg", comment="by ann-17")
    EVEN.save(tmp_path / "others.jpg", comment="by ann-170, not by bob")
    with (tmp_path / "others.jpg").open("ab") as file:
        file.write(b" ann-17 ")
    assert clean(tmp_path) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["others.jpg"]


def author(name: str) -> Image.Exif:
    exif = Image.Exif()
    exif[0x13B] = name
    return exif


def photoshop(name: bytes) -> bytes:
    """A part of a JPEG as Photoshop writes it: with nothing between the name and the next resource."""
    by = b"\x1c\x02\x50" + len(name).to_bytes(2) + name
    told = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0" + len(by).to_bytes(4) + by + b"8BIM\x04\x25\0\0\0\0\0\0"
    return b"\xff\xed" + (len(told) + 2).to_bytes(2) + told


def picture(kind: str, name: str) -> bytes:
    out, texts = BytesIO(), PngInfo()
    if kind == "jpeg with a picture in it":
        EVEN.save(out, "jpeg", comment="by " + name)
        small = b"\xff\xe1\x01\x02" + b"Exif\0\0 \xff\xda".ljust(256)
        return out.getvalue()[:2] + small + out.getvalue()[2:]
    if kind == "jpeg of photoshop":
        EVEN.save(out, "jpeg")
        return out.getvalue()[:2] + photoshop(name.encode()) + b"\xff\xff" + out.getvalue()[2:]
    if kind == "webp":
        EVEN.save(out, "webp", exif=author(name))
    elif kind == "webp with xmp":
        EVEN.save(out, "webp", xmp=f"<dc:creator>{name}</dc:creator>".encode())
    elif kind == "png, told behind":
        texts.add(b"tEXt", b"Author\0" + name.encode(), after_idat=True)
        EVEN.save(out, "png", pnginfo=texts)
    else:
        texts.add_text("Author", name, zip=kind == "png, packed")
        EVEN.save(out, "png", pnginfo=texts)
    return out.getvalue()


@pytest.mark.parametrize(
    "kind",
    [
        "jpeg with a picture in it",
        "jpeg of photoshop",
        "webp",
        "webp with xmp",
        "png",
        "png, told behind",
        "png, packed",
    ],
)
def test_a_picture_of_any_kind_goes_if_it_tells_of_them_wherever_it_does(tmp_path: Path, kind: str) -> None:
    for name in ("ann-17", "ann-170"):
        (tmp_path / name.replace("-", "")).write_bytes(picture(kind, name))
    assert scan_files(tmp_path, WANTED).places in (["file ann17"], ["inside of file ann17"])
    assert clean(tmp_path) == 1
    assert scan_files(tmp_path, WANTED).clean
    assert [path.name for path in tmp_path.iterdir()] == ["ann170"]


def test_an_accent_in_a_text_of_a_png_names_them_though_it_is_not_in_utf_8(tmp_path: Path) -> None:
    (tmp_path / "one.png").write_bytes(picture("png", "Zoë 17"))
    zoe = Wanted([Person("Zoë 17", "b" * 64)])
    assert scan_files(tmp_path, zoe).places == ["inside of file one.png"]
    assert clean(tmp_path, zoe) == 1


def test_no_picture_hides_a_name_by_the_sum_that_stands_behind_it(tmp_path: Path) -> None:
    for number in range(40):  # about 9 of such sums begin with a letter or a digit
        texts = PngInfo()
        texts.add_text(f"Author {number}", "ann-17")
        EVEN.save(tmp_path / f"{number}.png", pnginfo=texts)
    assert len(scan_files(tmp_path, WANTED).places) == 40


def test_pixels_are_passed_over_and_a_part_that_would_fill_the_memory_is_told(tmp_path: Path) -> None:
    for name, kind in (("pixels.webp", b"VP8 "), ("told.webp", b"XMP ")):
        with (tmp_path / name).open("wb") as file:
            file.write(b"RIFF\0\0\0\0WEBP" + kind + (LARGEST_PART_BYTES + 2).to_bytes(4, "little"))
            file.seek(LARGEST_PART_BYTES + 2, 1)
            file.write(b"EXIF\x06\0\0\0bob-17")
    assert list(told_by(tmp_path / "pixels.webp")) == [b"bob-17"]
    assert scan_files(tmp_path, WANTED).unreadable == ["told.webp: ValueError"]


@pytest.mark.parametrize("spelt_as", ["state.sqlite3", "folder/../state.sqlite3"])
def test_whoever_writes_keeps_every_database_to_themselves_while_files_are_cleaned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelt_as: str
) -> None:
    monkeypatch.chdir(tmp_path)
    var_dir = Path("var")
    (var_dir / "folder").mkdir(parents=True)
    databases = [var_dir / "state.sqlite3", var_dir / "other.sqlite3"]
    for path in databases:
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("CREATE TABLE notes (text TEXT)")
            database.execute("INSERT INTO notes VALUES ('ann-17')")
    asked = list[str]()
    with (
        closing(sqlite3.connect(databases[0], isolation_level=None)) as first,
        closing(sqlite3.connect(databases[1], isolation_level=None)) as second,
    ):
        for database in (first, second):
            database.execute("BEGIN IMMEDIATE")
        state = tmp_path / "var" / spelt_as
        cleaned(var_dir, WANTED, lambda copy, _: asked.append(Path(str(copy.url.database)).name), except_in=[state])
        for path in databases:
            other = subprocess.run([sys.executable, "-c", WRITE, path], capture_output=True, text=True, check=False)
            assert "database is locked" in other.stderr
    assert asked == ["other.sqlite3"]


KINDS: dict[str, Any] = {
    "plain": polars.String,
    "words": polars.Categorical,
    "listed": polars.Enum(["ann-17", "bob"]),
    "bytes": polars.Binary,
    "lists": polars.List(polars.String),
    "structures": polars.List(polars.Struct({"who": polars.String})),
}
MADE_OF: dict[str, Any] = {
    "bytes": str.encode,
    "lists": lambda text: ["x", text],
    "structures": lambda text: [{"who": text}],
}


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_a_parquet_file_go_whatever_kind_of_column_names_the_person(tmp_path: Path, kind: str) -> None:
    made = MADE_OF.get(kind, str)
    users = polars.Series([made("ann-17"), made("bob"), None], dtype=KINDS[kind])
    path = tmp_path / "sold.parquet"
    polars.DataFrame({"n": [1, 2, 3], "user_id": users, "of": ["a", "b", "c"]}).write_parquet(path)
    assert clean(tmp_path) == 1
    assert polars.read_parquet(path)["n"].to_list() == [2, 3]
    assert scan_files(tmp_path, WANTED).clean


WORDS = polars.Enum(["ann-17", "bob", "c"])
NESTED: dict[str, tuple[Any, Any]] = {
    "itself": (WORDS, "bob"),
    "list": (polars.List(WORDS), ["bob", "c", None]),
    "array": (polars.Array(WORDS, (1, 2)), [["c", "bob"]]),
    "structure": (polars.Struct({"n": polars.Int64, "who": polars.List(WORDS)}), {"n": 1, "who": ["c", "bob"]}),
}


@pytest.mark.parametrize("kind", NESTED)
def test_no_list_of_words_keeps_a_name_in_a_parquet_file_however_deep_it_lies(tmp_path: Path, kind: str) -> None:
    dtype, value = NESTED[kind]
    path = tmp_path / "sold.parquet"
    polars.DataFrame({"told": polars.Series([value, None], dtype=dtype)}).write_parquet(path)
    assert not scan_files(tmp_path, WANTED).clean
    assert clean(tmp_path) == 1
    assert polars.read_parquet(path)["told"].to_list() == [value, None]
    assert b"ann-17" not in path.read_bytes()
    assert scan_files(tmp_path, WANTED).clean


def test_a_number_in_a_structure_is_somebody_only_in_a_field_of_people(tmp_path: Path) -> None:
    path = tmp_path / "sold.parquet"
    told = [{"sku": "1042", "user": "bob"}, {"sku": "7", "user": "1042"}]
    polars.DataFrame({"n": [1, 2], "told": told}).write_parquet(path)
    assert clean(tmp_path, Wanted([Person("1042", "b" * 64)])) == 1
    assert polars.read_parquet(path)["n"].to_list() == [1]


def test_a_parquet_file_that_no_row_makes_name_them_is_left_and_not_counted(tmp_path: Path) -> None:
    path = tmp_path / "sold.parquet"
    polars.DataFrame({"ann-17": [1, 2], "of": ["a", "b"]}).write_parquet(path)
    before = path.read_bytes()
    assert (clean(tmp_path), path.read_bytes()) == (0, before)


def test_a_damaged_parquet_file_stops_nothing_and_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 ann-17 PAR1")
    (tmp_path / "b.log").write_text("ann-17 came\nbob came\n")
    assert clean(tmp_path) == 1
    assert (tmp_path / "b.log").read_text() == "bob came\n"
    assert scan_files(tmp_path, WANTED).places == ["file a.parquet"]


AFTER_ESCAPES = (
    "%2F",
    "%20",
    "%0a",
    "%C2%A0",
    "%E2%80%9C",
    "%252F",
    "%25c2%25a0",
    "\\n",
    "\\t",
    "\\u0020",
    "\\u00a0",
    "\\u201C",
    "\\x1b",
    "_",
)
AFTER_LETTERS = ("x", "2F", "%41", "%2541", "%25C3%25A9", "%C3%A9", "\\u00eb", "\\x41", "n")


@pytest.mark.parametrize("before", AFTER_ESCAPES)
def test_an_id_after_an_escape_is_found_and_replaced(tmp_path: Path, before: str) -> None:
    text = f"see {before}ann-17 there"
    (tmp_path / "report.html").write_text(text)
    assert scan_files(tmp_path, WANTED).places == ["file report.html"]
    assert ANN.without(text) == f"see {before}{ANN.pseudonym} there"
    assert clean(tmp_path) == 1
    assert scan_files(tmp_path, WANTED).clean


@pytest.mark.parametrize("spelt", ["ann%2017", "ann%252017", "zo%C3%AB-17", "zo%25c3%25ab-17"])
def test_an_id_in_an_address_within_an_address_is_found(spelt: str) -> None:
    people = [Person("ann 17", "a" * 64), Person("zoë-17", "b" * 64)]
    assert [person.named_in(f"?next=%2Fby%2F{spelt}%26page=2") for person in people].count(True) == 1


@pytest.mark.parametrize("before", AFTER_LETTERS)
def test_an_id_after_a_letter_however_it_is_spelt_is_somebody_elses(tmp_path: Path, before: str) -> None:
    (tmp_path / "report.html").write_text(f"see {before}ann-17 there")
    assert scan_files(tmp_path, WANTED).clean
    assert not ANN.named_in(f"see {before}ann-17 there")
