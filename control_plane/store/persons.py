"""Everything that the database knows of one person: found in every column of every table, given out, erased.

Rows are a person's own by a key (whoever acts, `directory:person/KEY`) or by a name of theirs in a form that nobody
else has: an account name where an account name stands, never a word of a sentence alone. Must not decide who may ask.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Literal

import orjson
from sqlalchemy import Column, ColumnElement, Connection, String, Table, delete, or_, select, update

from control_plane.model.request import OPEN
from control_plane.model.text import Text, t
from control_plane.store.database import Database
from control_plane.store.every_table import metadata
from control_plane.store.identity import ActorRepository, Clock

Fate = Literal["erased", "kept", "key"]
#: What stands where a name was.
MARK = "erased"
#: Fields of JSON whose whole text is an account name.
NAMING = frozenset({"uid", "first_uid", "uids", "login", "person", "people", "who", "typed", "account"})
#: Fields that only somebody has.
PERSONAL = frozenset({"uid", "first_uid", "mail", "email", "phone"})
#: What proves somebody or is worth as much: given out to nobody.
PROOFS = frozenset({"verifier", "second_factor", "sealed", "hash", "secret", "former", "signature"})
#: Characters of a column in which somebody's name may stand.
SHORTEST = 100
#: Tables that only grow: a changed row would be found as forged.
GROWS = frozenset({"audit_entries", "audit_subjects", "access_ledger"})
#: Logs of the network, by the column that says when: kept for as long as the access record is.
RECENT: Mapping[str, str] = {"sign_in_attempts": "at", "access_register": "last_at"}
#: What rows that are the person's own have instead, beside names in their texts.
OWN: Mapping[str, Mapping[str, Any]] = {
    "people": {
        "display": "", "directory_key": None, "language": None, "verifier": None, "second_factor": None,
        "enrolled": False,
    },
    "web_sessions": {"address": "", "agent": ""},
    "sign_in_attempts": {"typed": "", "address": ""},
    "api_tokens": {"name": MARK, "used_from": None},
    "run_changes": {"text": None},
}  # fmt: skip
#: What is wished now, and what is under way: changed by those who wish it, not behind their backs.
STANDS = frozenset({"subscriptions", "tenants", "estate"})
UNDER_WAY: Mapping[str, frozenset[str]] = {
    "requests": frozenset(state.value for state in OPEN),
    "jobs": frozenset({"waiting", "running"}),
}
#: Rows about the person's entry in the directory that say nothing without it.
GONE = frozenset({"change_payloads", "drift_kept", "drift_overrides"})
WHY_GROWS = t("It only grows and proves what was done. The person is a key in it, and the key names nobody any more.")
WHY_RECENT = t("Logs of the network are kept for as long as the law asks.")
WHY_HELD = t("It is under a legal hold.")
WHY_STANDS = t("It is what is wished now: change it by a request or an import first.")
WHY_UNDER_WAY = t("It is under way: end it first.")
WHY_NAME = t("The account name is given to nobody else before, so that nobody gets mail of another.")


@dataclass(frozen=True, slots=True)
class Trace:
    """A row that knows the person. `erased`: it holds something that goes; `kept`: it holds something that stays, for
    the reason `why`, until `until` where that is known; `key`: a key that names nobody is all that stands in it."""

    table: str
    key: Mapping[str, Any]
    row: Mapping[str, Any]
    fate: Fate
    why: Text | None = None
    until: datetime | None = None
    values: Mapping[str, Any] | None = None  # what it becomes; None: it is deleted


@dataclass(frozen=True)
class Identity:
    """Whom a name means. `login`: the account name; `actors`: keys of them as somebody who acts; `entry`: the opaque
    key of their entry in the directory, of which resources are named; `called`: names for people."""

    name: str
    login: str
    actors: frozenset[str]
    entry: str | None
    called: frozenset[str]

    @property
    def uids(self) -> frozenset[str]:
        """Account names in the directory; none for an account of the centre's own."""
        return frozenset({self.login}) if self.name.startswith("directory:") else frozenset()


class PersonRepository:
    """Looks for one person, and takes them out."""

    def __init__(self, database: Database, actors: ActorRepository, clock: Clock) -> None:
        self._database = database
        self._actors = actors
        self._clock = clock

    def traces(self, name: str, keep: timedelta) -> list[Trace]:
        """All rows that know whoever is called `directory:UID` or `account:NAME`; `keep`: how long logs are kept."""
        with self._database.read() as connection:
            return list(_Look(connection, name, self._clock(), keep).traces())

    def called(self, name: str) -> Identity:
        """What is known of the name itself."""
        with self._database.read() as connection:
            return _Look(connection, name, self._clock(), timedelta()).who

    def erase(self, name: str, keep: timedelta) -> list[Trace]:
        """Take out what goes, in the transaction of the caller; what was found before. Names of actors become their
        keys, so that whatever only grows still verifies and names nobody."""
        with self._database.write() as connection:
            look = _Look(connection, name, self._clock(), keep)
            found = list(look.traces())
            for trace in found:
                if trace.fate == "erased":
                    _write(connection, trace)
            self._actors.forget(name)
            return found


def _write(connection: Connection, trace: Trace) -> None:
    table = metadata.tables[trace.table]
    mine = [table.c[name] == value for name, value in trace.key.items()]
    connection.execute(delete(table).where(*mine) if trace.values is None else update(table).where(*mine).values(
        dict(trace.values)
    ))  # fmt: skip


class _Look:
    def __init__(self, connection: Connection, name: str, now: datetime, keep: timedelta) -> None:
        self.connection, self.now, self.keep = connection, now, keep
        self.who = self._identity(name)
        self.forms = _forms(self.who)
        codes = connection.scalars(select(metadata.tables["tenants"].c.code))
        self.words = _words(self.who, known := frozenset(codes))
        self.account = None if self.who.login in known else re.compile(_alone(self.who.login))

    @cached_property
    def held(self) -> frozenset[str | None]:
        """Departments of which a legal hold keeps the register; None: of all."""
        holds = metadata.tables["access_holds"].c
        return frozenset(self.connection.scalars(select(holds.tenant).where(holds.lifted_at.is_(None))))

    # whom -----------------------------------------------------------------------------------------
    def _identity(self, name: str) -> Identity:
        login = name.partition(":")[2]
        actors, held = metadata.tables["actors"], metadata.tables["allocations"]
        keys = frozenset(self.connection.scalars(select(actors.c.key).where(actors.c.name == name)))
        entry = None
        if name.startswith("directory:"):
            mine = held.c.pool == "person_key", held.c.subject == f"uid:{login}"
            entry = self.connection.scalar(select(held.c.value).where(*mine).order_by(held.c.id.desc()).limit(1))
        bare = Identity(name, login, keys, entry, frozenset())
        return Identity(name, login, keys, entry, frozenset(self._called(bare)))

    def _called(self, who: Identity) -> Iterator[str]:
        """Names for people, from lists of departments of any time and from who signed in."""
        people = metadata.tables["people"]
        for display in self.connection.scalars(select(people.c.display).where(people.c.key.in_(sorted(who.actors)))):
            if len(display) > 1:
                yield display
        for table in ("subscriptions", "revisions"):
            column = metadata.tables[table].c.spec
            for uid in who.uids:
                for spec in self.connection.scalars(select(column).where(column.contains(f'"{uid}"', autoescape=True))):
                    yield from (
                        str(p["display_name"]) for p in orjson.loads(spec).get("people", ())
                        if who.uids & {p.get("uid"), p.get("first_uid")} and len(p.get("display_name") or "") > 1
                    )  # fmt: skip

    # where ----------------------------------------------------------------------------------------
    def traces(self) -> Iterator[Trace]:
        """Row by row, in the order of the tables."""
        for table in metadata.sorted_tables:
            links, texts = _columns(table)
            needles = [*self.who.actors, *([self.who.entry] if self.who.entry else ()), self.who.login]
            where: list[ColumnElement[bool]] = [column.in_(sorted(self.who.actors)) for column in links]
            where += [column.contains(needle, autoescape=True) for column in texts for needle in needles]
            if not where:
                continue
            for row in self.connection.execute(select(table).where(or_(*where))).mappings().all():
                yield from self._trace(table, links, texts, {str(name): value for name, value in row.items()})

    def _trace(
        self, table: Table, links: Sequence[Column[Any]], texts: Sequence[Column[Any]], row: Mapping[str, Any]
    ) -> Iterator[Trace]:  # fmt: skip
        linked = any(row[column.name] in self.who.actors for column in links)
        own = linked and "person_key" in row and row["person_key"] in self.who.actors
        own = own or (table.name == "people" and linked)
        about = self.who.entry is not None and str(row.get("resource_id", "")) == f"directory:person/{self.who.entry}"
        said = [str(row[column.name]) for column in texts if row[column.name]]
        keyed = any(key in text for text in said for key in (*self.who.actors, *_maybe(self.who.entry)))
        named = self._named(table.name, row) or any(self.forms.search(text) for text in said)
        if not (linked or keyed or named):
            return
        key = {str(column.name): row[column.name] for column in table.primary_key}

        def trace(fate: Fate, why: Text | None = None, until: datetime | None = None, values: Any = None) -> Trace:
            given = {name: self._part(value) for name, value in row.items() if name not in PROOFS}
            return Trace(str(table.name), key, given, fate, why, until, values)

        if table.name in GROWS:
            yield trace("kept", WHY_GROWS)
            return
        if about and table.name in GONE:
            yield trace("erased")
            return
        values = {k: v for k, v in (OWN.get(table.name, {}) if own or about else {}).items() if row[k] != v}
        values |= self._fixed(table.name, row)
        for column in texts:
            text = row[column.name]
            if text and column.name not in values and (clean := self._clean(str(text))) != text:
                values[column.name] = clean
        if table.name in ("mails", "mail_lines") and "address" in values:
            values["address"] = f"{MARK}:{next(iter(sorted(self.who.actors)), self.who.entry)}"  # of each its own
        if table.name == "mails" and "address" in values and row["state"] in ("waiting", "sending"):
            values |= {"state": "failed", "error": MARK}
        if not values:
            yield trace("key")
        elif (kept := self._kept(table.name, row)) is not None:
            yield trace("kept", *kept)
        else:
            yield trace("erased", values=values)

    def _named(self, table: str, row: Mapping[str, Any]) -> bool:
        """Tables in which a column is a name and nothing else."""
        match table:
            case "sign_in_attempts":
                return str(row["typed"]).casefold() in (self.who.login, self.who.name)
            case "access_register":
                return row["person"] in (self.who.login, self.who.name)
            case "password_sheets":
                return bool(self.who.uids & set(orjson.loads(row["uids"])))
            case "jobs" | "api_answers":  # sentences for people, of what was asked about somebody
                said = row["subject"] if table == "jobs" else row["body"] or ""
                return self.account is not None and self.account.search(said) is not None
            case "allocations":
                return (
                    bool(self.who.uids)
                    and row["subject"] in (self.who.login, f"uid:{self.who.login}")
                    and (row["pool"] in ("uid", "uid_number", "person_key"))
                )
            case _:
                return False

    def _fixed(self, table: str, row: Mapping[str, Any]) -> dict[str, Any]:
        """What such a column becomes: unlike any other, where the database wants that."""
        if not self._named(table, row) and not (table == "actors" and row["key"] in self.who.actors):
            return {}
        match table:
            case "actors":
                return {"name": f"{MARK}:{row['key']}"}
            case "sign_in_attempts":
                return {"typed": "", "address": ""}
            case "access_register":
                return {"person": f"{MARK}:{row['id']}"}
            case "password_sheets":
                return {
                    "uids": orjson.dumps(
                        [MARK if u in self.who.uids else u for u in orjson.loads(row["uids"])]
                    ).decode()
                }
            case "allocations":
                number = f"{MARK}:{row['id']}"
                return {"subject": number} | ({"value": number} if row["pool"] == "uid" else {})
            case _:
                return {}

    def _kept(self, table: str, row: Mapping[str, Any]) -> tuple[Text, datetime | None] | None:
        """Why a row stays as it is for now, and until when."""
        if table in STANDS:
            return WHY_STANDS, None
        if row.get("state") in UNDER_WAY.get(table, ()):
            return WHY_UNDER_WAY, None
        if table == "access_register" and self.held & {None, row["tenant"]}:
            return WHY_HELD, None
        if table in RECENT:
            until = row[RECENT[table]] + self.keep if row[RECENT[table]] else None
            return (WHY_RECENT, until) if until is None or until > self.now else None
        if table == "allocations" and (row["free_from"] is None or row["free_from"] > self.now):
            return WHY_NAME, row["free_from"]
        return None

    # what -----------------------------------------------------------------------------------------
    def _clean(self, text: str) -> str:
        if text[:1] in "{[":
            try:
                found = orjson.loads(text)
            except ValueError:
                return self._plain(text)
            clean = self._walk(found)
            return text if clean == found else orjson.dumps(clean).decode()
        return self._plain(text)

    def _plain(self, text: str) -> str:
        return self.words.sub(MARK, self.forms.sub(MARK, text))

    def _walk(self, value: Any, field: str = "") -> Any:
        if isinstance(value, dict):
            names = _names(value)
            if names and not names & self.who.uids:
                return value  # somebody else, who may be called the same
            if names:
                return {k: MARK if isinstance(v, str) else v for k, v in value.items()}
            return {k: self._walk(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [self._walk(item, field) for item in value if not self._is_person(item)]
        if isinstance(value, str):
            if value in (*self.who.uids, self.who.name) and (field in NAMING or value == self.who.name):
                return MARK
            return self.forms.sub(MARK, value) if value == self.who.login else self._plain(value)
        return value

    def _is_person(self, item: Any) -> bool:
        return isinstance(item, dict) and bool(self.who.uids & _names(item))

    # what is given out ----------------------------------------------------------------------------
    def _part(self, value: Any) -> Any:
        """A column as it is given out: of a document in which others stand too, the person's part."""
        if isinstance(value, str) and value[:1] in "{[":
            try:
                return orjson.dumps(self._mine(orjson.loads(value))).decode()
            except ValueError:
                return value
        return value

    def _mine(self, value: Any, field: str = "") -> Any:
        if isinstance(value, dict):
            return value if self._is_person(value) else {k: self._mine(v, k) for k, v in value.items()}
        if not isinstance(value, list):
            return value
        items = [item for item in value if self._says(item)]
        if not items:  # a list of something else, or of others alone
            items = [] if field in NAMING else [item for item in value if not _somebody(item)]
        return [self._mine(item) for item in items]

    def _says(self, item: Any) -> bool:
        """Whether an item of a list is about the person."""
        if isinstance(item, dict) and (whose := _names(item)):
            return bool(whose & self.who.uids)  # not somebody else who is called the same
        if isinstance(item, dict | list):
            return any(self._says(part) for part in (item.values() if isinstance(item, dict) else item))
        keys = (*self.who.actors, *_maybe(self.who.entry))
        return isinstance(item, str) and (
            item in (*self.who.uids, *self.who.called)
            or any(key in item for key in keys)
            or self.forms.search(item) is not None
        )


def _names(item: Mapping[str, Any]) -> set[str]:
    """Account names that an object says it is about."""
    return {name for name in (item.get("uid"), item.get("first_uid")) if isinstance(name, str)}


def _somebody(item: Any) -> bool:
    """Whether an item of a list is about a person at all."""
    if isinstance(item, dict):
        return bool(item.keys() & PERSONAL)
    return isinstance(item, str) and item.startswith("uid=")


def _maybe(text: str | None) -> tuple[str, ...]:
    return (text,) if text else ()


def _columns(table: Table) -> tuple[list[Column[Any]], list[Column[Any]]]:
    """Columns that hold the key of somebody who acts, and columns of text."""
    links = [c for c in table.c if any(k.target_fullname in ("actors.key", "people.key") for k in c.foreign_keys)]
    if table.name == "actors":
        links = [table.c.key]
    return links, [c for c in table.c if _can_name(c)]


def _can_name(column: Column[Any]) -> bool:
    """Whether a name fits; states, codes and hashes are shorter."""
    kind = column.type
    return isinstance(kind, String) and not column.foreign_keys and (kind.length is None or kind.length >= SHORTEST)


def _forms(who: Identity) -> re.Pattern[str]:
    """A name where nothing but this name can stand."""
    login, name = re.escape(who.login), re.escape(who.name)
    before, after = r"(?<![\w.@-])", r"(?![\w@-]|\.\w)"
    found = [f"{before}{name}{after}"]
    if who.uids:
        found += [
            rf"{before}uid[=:]{login}{after}",
            rf"{before}{login}@[\w.-]+",
            *(rf'(?<="{field}":"){login}(?=")|(?<="{field}": "){login}(?=")' for field in sorted(NAMING)),
        ]
    return re.compile("|".join(found), re.IGNORECASE)


def _words(who: Identity, codes: frozenset[str]) -> re.Pattern[str]:
    """In a text that is about the person: names for people, and the account name as a word unless it is a code too."""
    words = [re.escape(name) for name in sorted(who.called, key=len, reverse=True)]
    if who.login not in codes:
        words.append(_alone(who.login))
    return re.compile("|".join(words) or r"(?!)")


def _alone(login: str) -> str:
    return rf"(?<![\w.@-]){re.escape(login)}(?![\w@-]|\.\w)"
