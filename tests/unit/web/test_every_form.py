"""Every form of every page under hostile input: no 5xx, what is typed stays text, and whatever is refused has changed
nothing. A route that takes a form and has no place (`places.py`) fails. `GASP_FORM_EXAMPLES` sets how many
rounds of texts each form gets."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Mapping
from typing import Any
from zlib import crc32

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from tests.databases import POSTGRESQL
from tests.unit.web.filling import HOSTILE, MARK, OWN, FoundForm, Reader, sent
from tests.unit.web.places import PLACES, Stand
from tests.unit.web.test_isolation import MATRIX, address, populate
from tests.unit.web.test_isolation import OWN as MINE
from tests.web.world import BASE, World

EXAMPLES = int(os.environ.get("GASP_FORM_EXAMPLES", "1"))
#: A page that is refused says so with one of these; a 303 to a page of the sign-in is somebody who is not in any more.
REFUSED = frozenset({400, 403, 404, 409, 413, 415, 422, 429, 503})
#: Routes that keep something of what was refused, and what.
NOTED: Mapping[str, str] = {
    **dict.fromkeys(
        ("/sign-in", "/sign-in/code", "/sign-in/password", "/sign-in/second-factor"),
        "tries are counted, right or wrong",
    ),
    "/portal/requests/<reference>/form/<step>": "a draft keeps what was typed, right or wrong",
    "/portal/sites/<code>/<site>": "its draft is taken back",
    "/portal/sites/<code>/<site>/notices": "its release is built and its draft is taken back",
}
#: An act of a page is written down before it is done; one that is refused stays in the list of acts, with the reason.
ACTS = frozenset({"jobs"})
UNTYPED = frozenset({"hidden", "submit", "checkbox", "radio", "select"})
#: What stands where nobody types: in a choice, a button, a hidden field.
CHOSEN = (HOSTILE[12], "9" * 40, "-1", "\x00", b"\xed\xa0\x80", "٣")
TEXTS = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=60), st.binary(max_size=20))
#: Between them they have every page with every form on it.
READERS = ("operator", "security_officer", "clerk", "approver")
#: Of them, those of departments, which have no command line.
DEPARTMENTS = ("clerk", "approver")
COMMAND = re.compile(r"\bgasp [a-z]{3,}[^<]{,60}")
#: Forms are prepared anew so many times when what they are about is gone.
AGAIN = 2
#: A form of so few fields gets every post for each of them.
FEW = 4


class Changes:
    """What was written to the database since it was last asked: tables in which rows came or went, or `something`."""

    def __init__(self, world: World) -> None:
        self._database = None if POSTGRESQL else sqlite3.connect(world.folder / "gasp.db")
        self._version, self._rows = 0, dict[str, Any]()
        self.seen()

    def seen(self) -> frozenset[str]:
        if self._database is None:
            return frozenset()
        version = self._database.execute("PRAGMA data_version").fetchone()[0]
        if version == self._version:
            return frozenset()
        self._version, before = version, self._rows
        names = [name for (name,) in self._database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        self._rows = {n: self._database.execute(f"SELECT count(*), max(rowid) FROM {n}").fetchone() for n in names}
        return frozenset(n for n in names if before.get(n) != self._rows[n]) or frozenset({"something"})


class Attack:
    """All that is sent to the forms of one route, and what was wrong with the answers."""

    def __init__(self, stand: Stand, rule: str, changes: Changes) -> None:
        self.stand, self.rule, self.changes = stand, rule, changes
        self.place, self.faults, self.posts, self.accepted = PLACES[rule], dict[str, str](), 0, 0
        #: Names of fields of forms that were seen to; where another button has them too they get one post, not two.
        self.tried = set[str]()
        self.adapter = stand.world.app.url_map.bind("localhost", url_scheme="https")

    @property
    def browser(self) -> FlaskClient:
        return self.stand.browsers[self.place.role]

    def forms(self) -> dict[object, FoundForm]:
        """By what they are, as the pages have them now."""
        self.place.before(self.stand)
        found: dict[object, FoundForm] = {}
        for page in self.place.pages:
            here = address(self.stand.world, page.format(n=self.stand.number), MINE)
            answer = self.browser.get(here, base_url=BASE)
            assert answer.status_code == 200, (self.rule, here, answer.status_code, answer.location)
            for form in Reader(here, answer.text).forms():
                if self._rule(form.action) == self.rule:
                    found.setdefault(form.shape, form)
        return found

    def _rule(self, action: str) -> str:
        return str(self.adapter.match(action.partition("?")[0], method="POST", return_rule=True)[0].rule)

    def run(self) -> None:
        forms = self.forms()
        if not forms:
            self.faults["no page has its form"] = self.rule
        for number, (shape, form) in enumerate(forms.items()):
            self.one(shape, form, number)

    def one(self, shape: object, form: FoundForm, number: int) -> None:
        """Each round has another hostile text for each field: in all at once, then in one alone; then that one is
        missing, or has the text next to what belongs there."""
        left = AGAIN

        def post(change: Mapping[str, list[str | bytes] | None]) -> None:
            nonlocal form, left
            data = {**form.filled(), **change}
            answer = sent(self.browser, form, {name: values for name, values in data.items() if values is not None})
            if not self.check(answer, data) and left:
                left -= 1
                form = self.forms().get(shape, form)
                self.changes.seen()

        self.changes.seen()
        post({})
        names = list(dict.fromkeys(one.name for one in form.fields if one.name not in OWN))
        few = len(names) <= FEW
        typed = {one.name for one in form.fields if one.kind not in UNTYPED}
        for turn in range(EXAMPLES):
            first = turn * 7 + number * 5 + crc32(self.rule.encode())
            texts = {name: HOSTILE[(first + place * 11) % len(HOSTILE)] for place, name in enumerate(names)}
            post({name: [texts[name]] for name in names if name in typed})
            for place, name in enumerate(names, first):
                alone = texts[name] if name in typed or place % 2 else CHOSEN[place // 2 % len(CHOSEN)]
                known = name in self.tried
                if not known or place % 2:
                    post({name: [alone]})
                if not known or not place % 2:
                    post({name: None})
                if not known and (few or place % 2):
                    post({name: [*form.filled()[name], alone]})
        self.tried.update(names)

        @settings(max_examples=EXAMPLES, derandomize=True, deadline=None, database=None,
                  suppress_health_check=list(HealthCheck))  # fmt: skip
        @given(st.fixed_dictionaries({name: st.lists(TEXTS, min_size=0, max_size=2) for name in names}))
        def drawn(data: dict[str, list[str | bytes]]) -> None:
            post({name: values or None for name, values in data.items()})

        if names:
            drawn()

    def check(self, answer: TestResponse, data: Mapping[str, Any]) -> bool:
        """Whether it was refused."""
        self.posts += 1
        text = answer.text if answer.mimetype.startswith("text/") else ""
        refused = answer.status_code in REFUSED
        wrong = []
        if answer.status_code >= 500 or "Traceback" in text:
            wrong.append(f"status {answer.status_code}")
        if any(MARK in name.lower() for name, _ in answer.headers):
            wrong.append("a header of what was sent")
        if answer.location and not re.match(r"/(?!/)", answer.location):
            wrong.append(f"leads to {answer.location}")
        if answer.mimetype == "text/html" and answer.status_code != 303:
            page = Reader(answer.request.path, text)
            wrong += page.broken
            if self.place.role in DEPARTMENTS:
                wrong += [f"tells of a command: {found}" for found in COMMAND.findall(text)]
            if answer.status_code == 422 and any(self._rule(form.action) == self.rule for form in page.forms()):
                wrong += [f"names “{name}”, which is nowhere" for name in page.alerts if name not in page.named]
                if 'role="alert"' not in text:
                    wrong.append("422 says nothing")
        changed = self.changes.seen() - ACTS
        if changed and refused and self.rule not in NOTED:
            wrong.append(f"{answer.status_code} has changed {sorted(changed)}")
        for fault in wrong:
            self.faults.setdefault(fault, repr({k: v for k, v in data.items() if k != "token"})[:400])
        self.accepted += not refused
        return refused


@pytest.fixture(scope="module")
def stand(world: World) -> Stand:
    return Stand(world, populate(world))


def test_every_form_has_a_place(world: World) -> None:
    posts = {rule.rule for rule in world.app.url_map.iter_rules() if "POST" in rule.methods}
    assert posts == set(PLACES)


@pytest.mark.parametrize("rule", PLACES)
def test_hostile_input_is_refused_or_kept_as_text(stand: Stand, rule: str) -> None:
    attack = Attack(stand, rule, Changes(stand.world))
    attack.run()
    assert attack.faults == {}


def test_what_was_kept_is_text_on_every_page(stand: Stand) -> None:
    world = stand.world
    for lane in ("machines", "runs") * 20:
        world.client.jobs.work((lane,))
    jobs = world.client.jobs.list(500)
    assert [job for job in jobs if job["state"] == "failed"] == []
    for job in jobs[::16]:
        answer = stand.browsers["operator"].get(here := f"/console/jobs/{job['id']}", base_url=BASE)
        assert answer.status_code in (200, 302) and Reader(here, answer.text).broken == [], here
    for role in READERS:
        browser = stand.browsers[role]
        for rule in (route.partition(" ")[2] for route in MATRIX if route.startswith("GET ")):
            answer = browser.get(here := address(world, rule, MINE), base_url=BASE)
            assert answer.status_code < 500, (role, here)
            if answer.mimetype == "text/html":
                assert Reader(here, answer.text).broken == [], (role, here)
                assert role not in DEPARTMENTS or not COMMAND.search(answer.text), (role, here)
