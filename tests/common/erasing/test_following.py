"""What a replica remembers is forgotten also where the database was away at its start."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

from common.erasing.following import Following
from common.state.erasures import ErasureStore


@pytest.mark.parametrize(("brought_back", "forgot"), [(3, 1), (0, 0)])
def test_whom_a_late_old_copy_brings_back_others_may_have_read_so_they_forget(
    tmp_path: Path, brought_back: int, forgot: int
) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'state.sqlite3'}")
    forgotten = list[str]()
    answers: list[Exception | int] = [OperationalError("", None, Exception("away")), brought_back]

    def at_start() -> int:
        if isinstance(answer := answers.pop(0), Exception):
            raise answer
        return answer

    following = Following(
        ErasureStore(engine, "photostock"),
        at_start=at_start,
        in_thread=lambda: forgotten.append("once"),
        on_loop=lambda: None,
    )
    following.refresh()
    assert forgotten == []
    following.refresh()
    following.refresh()
    engine.dispose()
    assert len(forgotten) == forgot
