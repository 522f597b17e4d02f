"""What one department is told of another: the very answer of one that is not there, and no count.

`worded` and `names_somebody` are those of `tests/unit/api/test_isolation.py` too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from control_plane.api.operation import Operation
from control_plane.model.text import Text, t
from nightly.asking import Asker

#: The part of an address that names something → the list and its field where one of another department is found, and
#: one that nobody has.
PARTS = {
    "code": ("/tenants?limit=200", "code", "zzz"),
    "name": ("/hosts?tenant={other}&limit=1", "name", "zzz"),
    "reference": ("/requests?tenant={other}&limit=1", "reference", "R-1999-9999"),
    "uid": ("/accounts?tenant={other}&limit=1", "uid", "nobody.zzz"),
}
#: A path part or a body field that stays the same in both questions.
SAME = {"offering": "public_site", "group": "all", "action": "change"}
PAGE, PAGES = 200, 20


@dataclass(frozen=True)
class Finding:
    """`who`: whose token; `curl`: the question by hand."""

    operation: str
    who: str
    what: Text
    curl: str


def worded(text: str, *names: str) -> str:
    """An answer without its own number and without the names that were asked for."""
    bare = re.sub(r'"request_id":"\w+"', "", text)
    for name in sorted(names, key=len, reverse=True):
        bare = bare.replace(name, "X")
    return bare


def names_somebody(operation: Operation) -> bool:
    """Whether its address names something that belongs to one department."""
    return bool(re.search("{(code|name|reference|uid)}", operation.path))


@dataclass
class Isolation:
    """Asks with the tokens of one department about another, `other`. `estate` sees
    everything and says what is there."""

    askers: dict[str, Asker]
    estate: Asker
    own: str
    other: str

    def __post_init__(self) -> None:
        self.there: dict[str, tuple[str, str]] = {"tenant": (self.other, "zzz"), "code": (self.other, "zzz")}
        for part, (path, name, absent) in PARTS.items():
            rows = self.estate.rows(path.format(other=self.other)) if part != "code" else []
            if rows:
                self.there[part] = (str(rows[0][name]), absent)

    def lacks(self, operation: Operation) -> str | None:
        """The part of its address of which the other department has nothing, so that it cannot be compared."""
        parts = set(re.findall(r"\{(\w+)\}", operation.path)) & PARTS.keys() - self.there.keys()
        return next(iter(parts), None)

    def compare(self, operation: Operation) -> Iterator[Finding]:
        """One thing of the other department, and one that is not there: the same answer."""
        parts = [p for p in re.findall(r"\{(\w+)\}", operation.path) if p in self.there]
        body = {"tenant": "{tenant}", **SAME} if operation.method != "GET" else None

        def address(which: int) -> tuple[str, Any, list[str]]:
            values = {**SAME, **{part: self.there[part][which] for part in self.there}}
            path = re.sub(r"\{(\w+)\}", lambda m: values.get(m[1], "1"), operation.path.removeprefix("/v1"))
            filled = {k: values["tenant"] if v == "{tenant}" else v for k, v in body.items()} if body else None
            path += "?dry_run=true" if operation.rehearses else ""
            return path, filled, [self.there[part][which] for part in (*parts, "tenant")]

        yield from self._same(operation, address)

    def listed(self, operation: Operation) -> Iterator[Finding]:
        """A list: asked for the other department it is as for one that is not there, and all of its rows are one's own,
        as many as it says."""
        path = operation.path.removeprefix("/v1")

        def address(which: int) -> tuple[str, Any, list[str]]:
            name = self.there["tenant"][which]
            return f"{path}?tenant={name}", None, [name]

        yield from self._same(operation, address)
        for who, asker in self.askers.items():
            answer = asker.ask("GET", f"{path}?limit={PAGE}")
            if answer.status_code != 200:
                continue
            said, rows, more = answer.json(), [], PAGES
            total = said["total"]
            while True:
                rows += said["items"]
                if not said["next"] or not (more := more - 1):
                    break
                said = asker.ask("GET", f"{path}?limit={PAGE}&cursor={said['next']}").json()
            others = {row.get("tenant") for row in rows} - {self.own, None}
            curl = asker.curl("GET", f"{path}?limit={PAGE}")
            if others:
                yield Finding(operation.id, who, t("A list shows rows of other departments."), curl)
            if more and total != len(rows):
                what = t("A list says {total} and has {count} rows.", total=total, count=len(rows))
                yield Finding(operation.id, who, what, curl)

    def _same(self, operation: Operation, address: Callable[[int], tuple[str, Any, list[str]]]) -> Iterator[Finding]:
        for who, asker in self.askers.items():
            for again in (True, False):  # what really changed in between is not the same a moment later
                told = []
                for which in (0, 1):
                    path, body, names = address(which)
                    answer = asker.ask(operation.method, path, body)
                    told.append((answer.status_code, worded(answer.text, *names)))
                if told[0] == told[1]:
                    break
                if not again:
                    path, body, _ = address(0)
                    text = None if body is None else orjson.dumps(body).decode()
                    what = t("Answers to another department’s ({foreign}) and to one that is not there ({absent})"
                             " differ.", foreign=told[0][0], absent=told[1][0])  # fmt: skip
                    yield Finding(operation.id, who, what, asker.curl(operation.method, path, text))
