"""The audit log: durable, in order, and sealed."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete, event, select, update

from common.__main__ import parser
from common.command_line import main
from common.panel.audit import AuditLog, entries, heads, sealed_anew
from common.panel.commands import at_the_shell
from common.panel.told import Discretion
from common.settings import ServiceSettings
from common.state.database import open_state


@pytest.fixture
def state(tmp_path: Path) -> Engine:
    return open_state(ServiceSettings(var_dir=tmp_path))


@pytest.fixture
def audit(state: Engine) -> AuditLog:
    return AuditLog(state, "small")


def test_entries_are_listed_newest_first_page_by_page_with_what_came_of_them(audit: AuditLog) -> None:
    for number in range(5):
        audit.record(
            actor="ann", action="override.added", target=f"store {number}", reason="a feast", after={"n": number}
        )
    asked = audit.asked(actor="bob", action="PUT /x", target="/x", reason="why", details={"sent": {}})
    audit.came_to(asked, actor="bob", action="PUT /x", status=409, details={})
    first = audit.listed(limit=2)
    assert [(one["actor"], one["came_to"]) for one in first] == [("bob", {"status": 409}), ("ann", {"status": "done"})]
    second = audit.listed(limit=2, before=first[-1]["number"])
    assert [one["target"] for one in second] == ["store 3", "store 2"]
    assert second[0]["details"] == {"after": {"n": 3}}


def test_writers_of_several_services_make_one_chain_without_a_gap(state: Engine) -> None:
    def write(name: str) -> None:
        log = AuditLog(state, name)
        for number in range(5):
            log.record(actor=name, action="x", target=str(number))

    writers = [threading.Thread(target=write, args=(f"service-{number}",)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    verdict = AuditLog(state, "reader").verify()
    assert (verdict.entries, verdict.broken_at) == (20, None)


@pytest.mark.parametrize(
    ("harm", "broken_at"),
    [
        (update(entries).where(entries.c.number == 2).values(reason="something else"), 2),
        (update(entries).where(entries.c.number == 2).values(actor="eve"), 2),
        (delete(entries).where(entries.c.number == 2), 2),
        (delete(entries).where(entries.c.number == 4), 4),
        (update(heads).values(number=3), 4),
    ],
)
def test_whatever_is_changed_or_removed_shows(state: Engine, audit: AuditLog, harm: object, broken_at: int) -> None:
    for number in range(4):
        audit.record(actor="ann", action="x", target=str(number), reason="because")
    assert audit.verify().broken_at is None
    with state.begin() as connection:
        connection.execute(harm)  # type: ignore[call-overload]
    assert audit.verify().broken_at == broken_at


def test_a_log_that_was_written_anew_lacks_a_hash_that_was_seen_before(
    tmp_path: Path, audit: AuditLog, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VAR_DIR", str(tmp_path))
    audit.record(actor="ann", action="x")
    seen = audit.verify().digest
    audit.record(actor="bob", action="y")
    assert main(parser(), ["audit", "verify", "--expect", seen]) == 0
    assert main(parser(), ["audit", "verify", "--expect", "0" * 64]) == 1
    assert "written anew" in capsys.readouterr().err


def test_of_very_many_entries_the_oldest_go_and_the_chain_goes_on(
    state: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("common.panel.audit.SHORTENED_BY", 10)
    audit = AuditLog(state, "small", most_entries=25)
    for number in range(60):
        audit.record(actor="ann", action="x", target=str(number))
    verdict = audit.verify()
    assert (verdict.broken_at, verdict.gone > 0, verdict.entries <= 25 + 10) == (None, True, True)
    told = next(one for one in audit.listed() if one["action"] == "audit.shortened")
    assert told["target"] == str(verdict.gone)
    kept = list(audit.exported())
    assert [kept[0]["number"], len(kept)] == [verdict.gone + 1, verdict.entries]
    monkeypatch.setenv("VAR_DIR", str(tmp_path))
    assert main(parser(), ["audit", "export", "--after", str(kept[-3]["number"])]) == 0
    assert sum(line.startswith("{") for line in capsys.readouterr().out.splitlines()) == 2
    with state.begin() as connection:
        connection.execute(delete(entries).where(entries.c.number == kept[0]["number"]))
    assert audit.verify().broken_at == verdict.gone + 1
    with state.begin() as connection:
        connection.execute(update(heads).values(gone=kept[0]["number"], gone_digest=kept[0]["digest"]))
    assert "no entry tells why" in str(audit.verify().problem)


@pytest.mark.parametrize("before", ["WHERE audit_log.action", "WHERE audit_log.number BETWEEN"])
@pytest.mark.parametrize("anew", [False, True])
def test_a_sound_log_that_is_shortened_or_sealed_anew_while_it_is_read_is_not_called_broken(
    state: Engine, monkeypatch: pytest.MonkeyPatch, before: str, anew: bool
) -> None:
    monkeypatch.setattr("common.panel.audit.SHORTENED_BY", 10)
    audit, once = AuditLog(state, "small", most_entries=15), iter([True])

    def write() -> None:
        for number in range(30):
            audit.record(actor="ann", action="x", target=str(number))
        if anew:
            with state.begin() as connection:
                connection.execute(update(entries).values(reason="somebody"))
                sealed_anew(connection)

    write()
    reading = open_state(ServiceSettings(var_dir=Path(str(state.url.database)).parent))

    @event.listens_for(reading, "before_cursor_execute")
    def meanwhile(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if before in statement and next(once, False):
            write()

    assert AuditLog(reading, "reader").verify().broken_at is None
    assert next(once, None) is None


def test_a_hash_that_may_have_gone_with_the_oldest_entries_is_not_taken_for_a_sign_of_tampering(
    state: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("common.panel.audit.SHORTENED_BY", 10)
    monkeypatch.setenv("VAR_DIR", str(tmp_path))
    audit = AuditLog(state, "small", most_entries=15)
    audit.record(actor="ann", action="x")
    first = audit.verify().digest
    for number in range(30):
        audit.record(actor="ann", action="x", target=str(number))
    with state.connect() as connection:
        last_gone = connection.execute(select(heads.c.gone_digest)).scalar_one()
    assert main(parser(), ["audit", "verify", "--expect", last_gone]) == 0
    assert main(parser(), ["audit", "verify", "--expect", first]) == 1
    said = capsys.readouterr().err
    assert f"it may be one of those up to number {audit.verify().gone}" in said
    assert "written anew" not in said


def test_a_log_that_was_shortened_is_sealed_anew_from_where_it_begins(
    state: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("common.panel.audit.SHORTENED_BY", 10)
    audit = AuditLog(state, "small", most_entries=15)
    for number in range(30):
        audit.record(actor="ann", action="x", target=str(number))
    with state.begin() as connection:
        connection.execute(update(entries).values(reason="somebody"))
        sealed_anew(connection)
    assert audit.verify().broken_at is None


def test_an_operator_made_at_the_command_line_is_told_their_token_once_and_noted(
    tmp_path: Path, audit: AuditLog, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VAR_DIR", str(tmp_path))
    assert main(parser(), ["operators", "add", "ann", "--role", "operate"]) == 0
    token = capsys.readouterr().out.strip()
    assert main(parser(), ["operators", "add", "ann", "--role", "release"]) == 1
    assert main(parser(), ["operators", "add", "admin", "--role", "read"]) == 1
    assert main(parser(), ["operators", "list"]) == 0
    assert token not in capsys.readouterr().out
    assert all(token.encode() not in path.read_bytes() for path in tmp_path.iterdir())
    assert main(parser(), ["operators", "change", "ann", "--role", "read"]) == 0
    assert main(parser(), ["operators", "change", "nobody", "--role", "read"]) == 1
    assert main(parser(), ["operators", "list"]) == 0
    assert '"role": "read"' in capsys.readouterr().out
    assert main(parser(), ["operators", "remove", "ann"]) == 0
    told = [(one["action"], one["target"], one["came_to"]["status"]) for one in audit.listed()]
    assert told == [
        ("operators.remove", "ann", 200),
        ("operators.change", "nobody", 409),
        ("operators.change", "ann", 200),
        ("operators.add", "admin", 409),
        ("operators.add", "ann", 409),
        ("operators.add", "ann", 200),
    ]
    monkeypatch.setenv("USER", "bob")
    monkeypatch.setenv("LOGNAME", "bob")
    assert at_the_shell() != "shell:bob"


def test_control_characters_and_halves_of_characters_do_not_get_in(audit: AuditLog) -> None:
    audit.record(actor="ann", action="x", reason="one\r\n\x1b[2Jtwo\x00\ud800")
    assert audit.listed()[0]["reason"] == "one   [2Jtwo  "


def test_what_a_sensitive_field_holds_is_left_out_everywhere() -> None:
    discretion = Discretion({"user_id": "u-4711", "reason": "u-4711 asked", "nested": [{"token": "s3cret"}]})
    kept = discretion.value({"user_id": "u-4711", "reason": "U-4711 asked, s3cret", "big": "x" * 9_000})
    assert kept["user_id"] == "***"
    assert kept["reason"] == "*** asked, ***"
    assert len(kept["big"]) == 500
