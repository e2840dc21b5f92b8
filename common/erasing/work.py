"""One erasure from its wish to its certificate: rows first, at once and durably; then files, free space, and the proof.

Each step can be done again. A crash leaves the erasure under way, by keyed hash; going on needs the id once more, for
it is kept nowhere.
"""

from __future__ import annotations

import fcntl
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, delete, func, inspect, select, table
from sqlalchemy.exc import SQLAlchemyError

from common.erasing.compaction import compact_tables, emptied_log, empty_log, rewrite_file
from common.erasing.files import cleaned
from common.erasing.journal import Certificate, Journal
from common.erasing.keeper import Belongings, Keeper
from common.erasing.looking import look
from common.erasing.person import Person
from common.erasing.scan import Found, Wanted, scan_tables
from common.erasing.second_copy import SecondCopy
from common.erasing.texts import pseudonymised
from common.erasing.whose import decided_in, folders_of_others, of_others, others_here
from common.panel.audit import AuditLog, entries, sealed_anew
from common.panel.operators import operators
from common.state.database import create_tables
from common.state.erasures import ERASED_BEFORE, ErasureStore, keys
from common.state.overrides import overrides

ONE_MACHINE = "files and kept answers of this machine only were searched: others need the id, too"
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Erased:
    """What came of one wish: `events` went now, `events_in_all` with those of the times before."""

    certificate: Certificate
    events: int
    events_in_all: int


class Erasing:
    """Blocks: for worker threads and the command line.

    Args:
        untouched: files and folders under `var_dir` that are never changed, though searched.
    """

    def __init__(
        self,
        engine: Engine,
        keeper: Keeper,
        var_dir: Path,
        *,
        untouched: Sequence[Path] = (),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.engine, self.keeper, self._var_dir, self._now = engine, keeper, var_dir, now
        self.store = ErasureStore(engine, keeper.scope)
        self.journal = Journal(engine, keeper.scope)
        self._copy = SecondCopy(var_dir, keeper.scope)
        create_tables(engine, operators.metadata)  # on the command line nobody else made it yet
        self._untouched = [*untouched, *folders_of_others(keeper.scope, var_dir)]
        # Of wishes under way, by person and time: what finds their pictures elsewhere.
        self._pictures: dict[tuple[str, str], Belongings] = {}

    def begin(self, user_id: str, *, owner: str, reason: str) -> Erased:
        """Removes every row, durably; the certificate has what is known so far.

        Raises `ValueError` where the reason names the person.
        """
        person = self._person(user_id)
        with self.engine.begin() as connection:
            self.store.lock(connection)
            belongings = self.keeper.belongings(connection, person)
            before = self._counted(connection)
            removed = self.keeper.remove(connection, person, belongings)
            gone = removed.get(self.keeper.events_table, 0)
            owner = person.without(owner, "owner")
            line = self.store.note(connection, user_id, rows=gone, owner=owner, reason=reason, now=self._now())
            certificate = Certificate(line.person, line.erased_at, line.owner, line.reason)
            certificate.retrain = self.keeper.retrain(belongings, events=gone)
            accounts = connection.execute(delete(operators).where(operators.c.name == user_id)).rowcount
            removed |= {"operators": accounts} if accounts else {}
            certificate.add({name: count for name, count in removed.items() if count})
            after = self._counted(connection)
            certificate.others_before = {name: count - removed.get(name, 0) for name, count in before.items()}
            certificate.others_after = after
            self.store.note_things(connection, line.person, map(self.store.thing, belongings.things))
            self.journal.begin(connection, certificate, list(belongings.pictures))
            key = connection.execute(select(keys.c.key)).scalar_one()
            # Before the commit: a line without its erasure forgets once more, an erasure without its line never.
            self._copy.append(key, line.person, line.erased_at, [self.store.thing(one) for one in belongings.things])
        self._pictures[line.person, line.erased_at] = replace(belongings, things=[])
        self.keeper.forget_in_memory()
        empty_log(self.engine)
        log.info("erasure.begun", person=line.person[:16], rows=sum(removed.values()))
        return Erased(certificate, gone, line.rows)

    def finish(self, user_ids: Sequence[str]) -> list[Certificate]:
        """The rest, for people whose rows are gone: takes seconds, or minutes for many gigabytes."""
        with self._one_at_a_time():
            people = [self._person(user_id) for user_id in user_ids]
            hashes = {person.hash for person in people}
            pictures = {wish: found for wish, found in list(self._pictures.items()) if wish[0] in hashes}
            pieces = [piece for found in pictures.values() for piece in found.pieces]
            wanted = Wanted(people, pieces, [whole for found in pictures.values() for whole in found.wholes])
            certificates, changed = self._cleaned(people)
            files = cleaned(self._var_dir, wanted, self._in_copy, except_in=[*self._untouched, *self._state_files()])
            tables = self._tables(self.engine)
            left = compact_tables(self.engine, changed & tables)
            found = self._proof(wanted)
            notes = self._notes(found, left, tables)
            for person, certificate in zip(people, certificates, strict=True):
                certificate.add({"other files": files} if files else {})
                even = sum(one.even for wish, one in pictures.items() if wish[0] == person.hash)
                if not self._certify(person, certificate, found, notes, even):
                    hashes.discard(person.hash)
            for wish in pictures:
                if wish[0] in hashes:
                    self._pictures.pop(wish, None)
            return certificates

    def pending(self) -> list[Certificate]:
        """Those that were begun and not finished: to go on, the id has to be given again."""
        return self.journal.all(pending=True)

    def restore(self, erase_again: Callable[[Connection, dict[str, str]], int]) -> int:
        """Forgets again whom this database does not know to be forgotten: it is a copy from before; how many rows.

        Args:
            erase_again: removes what belongs to these hashes, each with the time until which their events go.
        """
        with self.engine.connect() as connection:
            lines = self._copy.lines(connection.execute(select(keys.c.key)).scalar_one())
        if not lines:
            return 0
        with self.engine.begin() as connection:
            self.store.lock(connection)
            known = self.store.known(connection)
            missing = [line for line in lines if known.get(line.person, "") < line.erased_at]
            if not missing:
                return 0
            until = {line.person: line.erased_at for line in missing}
            for line in missing:
                self.store.note_things(connection, line.person, line.things)
            gone = erase_again(connection, until)
            for person, erased_at in until.items():
                self.store.note_again(connection, person, erased_at)
                # Names in texts, files and answers came back, too: nobody knows them until the id is given again.
                self.journal.begin(connection, Certificate(person, erased_at, *ERASED_BEFORE), [])
        empty_log(self.engine)
        log.warning("erasure.repeated", people=len(until), rows=gone)
        return gone

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        """Else the slower of two, also of two processes, would bring lines of a file back."""
        self._var_dir.mkdir(parents=True, exist_ok=True)
        with (self._var_dir / ".erasing.lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # released when the file is closed, also by a crash
            yield

    def _cleaned(self, people: Sequence[Person]) -> tuple[list[Certificate], set[str]]:
        """Certificates, and names of changed tables, among others."""
        certificates, changed = [], set[str]()
        for person in people:
            noted = self.journal.find(person.hash)
            assert noted is not None, "its rows are gone"
            certificate = noted.without(people)  # it is written once more, when all tables have lost the names
            changed |= set(certificate.removed)
            left = self.journal.left(person.hash)
            certificate.add(self.keeper.remove_files(left, removed=certificate.removed))
            certificates.append(certificate)
        apart = self.keeper.rename_in_texts(people)
        others = self._renamed(self.engine, people, except_in=self.keeper.kept_apart)
        with self.engine.begin() as connection:
            self.store.count_change(connection)  # owners have other names now
        self.keeper.forget_in_memory()
        answers = self.keeper.remove_answers(people)
        for person, certificate in zip(people, certificates, strict=True):
            renamed = apart[person.hash] + others[person.hash]
            changed |= set(renamed)
            certificate.add({f"{name} (name replaced)": count for name, count in renamed.items()})
            certificate.add({"replays": answers} if answers else {})
        return certificates, changed

    def _renamed(
        self, engine: Engine, people: Sequence[Person], *, except_in: Collection[str]
    ) -> dict[str, Counter[str]]:
        def announced() -> None:
            reason = "a name was replaced in it: hashes that were logged before are not found any more"
            AuditLog(engine, self.keeper.scope).record(actor="erasure", action="audit.sealed_anew", reason=reason)

        before, then = {entries.name: announced}, {entries.name: sealed_anew}
        apart = {*except_in, *self.keeper.left_alone, *of_others(self.keeper.scope, self._tables(engine))}
        return pseudonymised(engine, people, except_in=apart, kept=self._kept, before=before, then=then)

    def _kept(self, table: str, row: Mapping[str, Any]) -> Collection[str]:
        if table != overrides.name or "scope" not in row:
            return ()
        return self.keeper.decisions_found_by if decided_in(self.keeper.scope, row["scope"]) else row.keys()

    def _in_copy(self, copy: Engine, people: Sequence[Person]) -> None:
        """The same in another database: a copy that somebody left under VAR_DIR."""
        known = self._tables(copy) >= set(self.keeper.counted)
        for person in people if known else ():
            with copy.begin() as connection:
                self.keeper.remove(connection, person, self.keeper.belongings(connection, person))
        self._renamed(copy, people, except_in=())
        rewrite_file(copy)

    def _proof(self, wanted: Wanted) -> Found:
        emptied_log(self.engine)
        found = look(self._var_dir, wanted)
        files = [f"file {path.name}" for path in self._state_files()]
        if any(file in (*found.places, *found.longer) for file in files):
            try:
                rewrite_file(self.engine)
            except SQLAlchemyError as error:  # somebody writes all the time: the certificate says what remains
                log.warning("erasure.not_rewritten", error=type(error).__name__)
            emptied = emptied_log(self.engine)
            found = look(self._var_dir, wanted)
            if emptied and files[0] in found.longer:
                # What others write since then has pages of the new file: their values are in both.
                found.longer += [place for place in found.places if place in files]
                found.places = [place for place in found.places if place not in files]
        scan_tables(self.engine, wanted, found)
        return found

    def _notes(self, found: Found, left: Sequence[str], tables: Collection[str]) -> list[str]:
        """What certificates of all who were erased together say."""
        notes = []
        if found.longer:
            notes.append("ids of others contain this one: their databases were written anew, and searched by value")
        if left:
            notes.append(f"deleted bytes stay in free space of {', '.join(left)} until it is used again")
        others = [] if found.clean else others_here(self.keeper.scope, self._var_dir, tables)
        left_to = "what {} has was left to it: give it the id, too, and then this service once more"
        notes += map(left_to.format, others)
        if self.engine.dialect.name != "sqlite":
            notes.append(ONE_MACHINE)
        return notes

    def _certify(
        self, person: Person, certificate: Certificate, found: Found, shared: Sequence[str], even: int
    ) -> bool:
        """False if the person was wished for once more meanwhile, and so is under way again."""
        certificate.proof = found.as_json()
        certificate.finished_at = self._now().astimezone(UTC).isoformat(timespec="milliseconds")
        notes = [] if person.in_texts else ["the id is an ordinary word: only fields of people were searched for it"]
        if even:
            notes.append(f"pictures too even to be told from others, or without a file, so not searched for: {even}")
        certificate.notes = [*notes, *shared]
        if not self.journal.finish(certificate):
            certificate.finished_at = None
            return False
        empty_log(self.engine)
        log.info("erasure.finished", person=person.hash[:16], clean=found.clean, files=found.files)
        return True

    def _person(self, user_id: str) -> Person:
        return Person(user_id, self.store.person(user_id))

    def _tables(self, engine: Engine) -> set[str]:
        with engine.connect() as connection:
            return set(inspect(connection).get_table_names())

    def _counted(self, connection: Connection) -> dict[str, int]:
        seen = inspect(connection)
        tables = [name for name in self.keeper.counted if seen.has_table(name)]
        return {name: connection.execute(select(func.count()).select_from(table(name))).scalar_one() for name in tables}

    def _state_files(self) -> list[Path]:
        if self.engine.dialect.name != "sqlite":
            return []
        name = str(Path(str(self.engine.url.database)).resolve())
        return [Path(name + end) for end in ("", "-wal", "-shm")]
