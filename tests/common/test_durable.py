"""A file is the old one or the new one, whatever happens while it is written."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from common.durable import put_in_place


def test_a_file_and_its_folder_come_into_being_at_once(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    with put_in_place(path) as draft:
        draft.write_text("whole")
        assert not path.exists()

    assert path.read_text() == "whole"
    assert [one.name for one in path.parent.iterdir()] == ["file.txt"]


def test_whoever_fails_half_way_leaves_the_old_file_and_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")
    with suppress(OSError), put_in_place(path) as draft:
        draft.write_text("ha")
        raise OSError

    assert path.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["file.txt"]
