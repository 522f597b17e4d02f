"""A person's own lines of the access record are given out, each once, and nobody else's."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from control_plane.model.errors import NotFound
from control_plane.model.text import t
from control_plane.workflow.persons import Persons

from .conftest import START, Centre, Gateway, direct, proxied

AT = START.timestamp()
TURN = "2026-11-24T10:30"  # half an hour after the start


class Nowhere:
    """A directory and lists of departments in which nobody stands any more."""

    def entry(self, uid: str) -> None:
        return None

    def show(self, uid: str) -> Any:
        raise NotFound(t("Nobody here has the account “{uid}”.", uid=uid))


def exported(centre: Centre, uid: str, keep: timedelta = timedelta(days=200)) -> dict[str, Any]:
    there: Any = Nowhere()
    persons = Persons(
        centre.store, lambda: there, lambda: centre.record, lambda: there, lambda path, content: None, centre.root,
        keep, centre.clock, lambda: centre.store.actors.get("local:test"),
    )  # fmt: skip
    return persons.export(uid, reason="asked for it", case="2026-17")


def test_only_the_own_lines_of_a_day_are_given_out(gateway: Gateway, centre: Centre) -> None:
    gateway.start()
    gateway.write(proxied(AT + 60, "www.wang.test:443"), proxied(AT + 70, "www.both.test:443", client="10.95.1.12"))
    gateway.tick(direct(AT + 1, server="198.18.95.10"), seconds=100)
    gateway.write(proxied(AT + 80, "www.zhao.test:443", client="10.95.1.11"))
    gateway.tick(seconds=1900)
    gateway.tick(direct(AT + 1990, event="closed", since=f"{AT + 1000:.6f}", server="198.18.95.11"), seconds=100)
    gateway.write(proxied(AT + 2110, "www.li.test:443"))
    gateway.tick(direct(AT + 2120, server="198.18.95.12"), seconds=600)
    gateway.stop()
    centre.record.collect()
    begin = {"from": "2026-11-01"}
    centre.record.add_to_register([
        {"address": "10.95.1.10", "machine": "PC-1", "person": "wangwei", **begin, "to": TURN},
        {"address": "10.95.1.10", "machine": "PC-1", "person": "lina", "from": TURN},
        {"address": "10.95.1.11", "machine": "lina@pc-2", "person": "zhaoliu", **begin},
        {"address": "10.95.1.12", "machine": "PC-3", "person": "wangwei", **begin},
        {"address": "10.95.1.12", "machine": "PC-3", "person": "lina", **begin},
        {"address": "10.95.1.12", "machine": "PC-3", "person": "directory:lina", **begin},
    ])  # fmt: skip

    def hosts(uid: str) -> list[tuple[str, str]]:
        given = exported(centre, uid)
        assert {line["person"] for line in given["record"]} == {uid}
        return sorted((line["host"] or line["server"], line["address"]) for line in given["record"])

    one, two, both = "10.95.1.10", "10.95.1.11", ("www.both.test", "10.95.1.12")
    assert hosts("wangwei") == [("198.18.95.10", one), ("198.18.95.11", one), both, ("www.wang.test", one)]
    assert hosts("lina") == [("198.18.95.12", one), both, ("www.li.test", one)]
    assert hosts("zhaoliu") == [("www.zhao.test", two)]
    assert [row["case"] for row in centre.record.searches()] == ["2026-17"] * len(centre.record.searches())


def test_a_line_over_the_border_of_two_searches_is_given_out_once(gateway: Gateway, centre: Centre) -> None:
    gateway.start()
    border = START + timedelta(minutes=10)
    gateway.tick(seconds=900)
    closed = direct(AT + 660, event="closed", since=f"{AT + 540:.6f}")
    gateway.tick(closed, seconds=600)
    gateway.stop()
    centre.record.collect()
    first = border - timedelta(days=31)  # from where the record is kept: a search of 31 days ends at the border
    entry = {"address": "10.95.1.10", "machine": "PC-1", "person": "wangwei"}
    centre.record.add_to_register([{**entry, "from": "2026-09-01"}])
    given = exported(centre, "wangwei", keep=centre.clock() - first)
    assert [line["event"] for line in given["record"]] == ["closed"]
