"""What about each service is agreed on beforehand, and what the security officer signs: awkward cases as data."""

from __future__ import annotations

import copy
from contextlib import suppress
from typing import Any

import pytest

from control_plane.offerings import discover

OFFERINGS = discover()


def both(offering: str, before: Any, after: Any) -> tuple[bool, bool]:
    """Whether a change is standard, and whether it is public."""
    found = OFFERINGS[offering]
    assert found.spec is not None
    assert found.asking is not None
    old, new = (found.spec.model_validate(form) if form is not None else None for form in (before, after))
    return found.asking.standard(old, new) is not None, found.asking.public(old, new) is not None


def site(**more: Any) -> dict[str, Any]:
    example = copy.deepcopy(dict(OFFERINGS["public_site"].example or {}))
    example["sites"][0] |= more
    return example


def person(number: int) -> dict[str, Any]:
    return {"uid": f"person{number}", "family_name": "王", "display_name": f"王{number}"}


def people(*numbers: int, **more: Any) -> dict[str, Any]:
    return {"people": [person(n) for n in numbers], **more}


def rules(*rows: tuple[int, str, list[str]], **more: Any) -> dict[str, Any]:
    reason = {"zh": "工作", "en": "work"}
    made = [{"number": n, "action": a, "hosts": h, "since": "2026-11-20", "reason": reason} for n, a, h in rows]
    return {"rules": made, **more}


def ruled(**more: Any) -> dict[str, Any]:
    """A form with one new rule that allows a host, with something else about it."""
    form = rules((10, "allow", ["a.test"]))
    form["rules"][0] |= more
    return form


LUNCH = {"begin": "12:00", "end": "13:30"}
EXISTING = (10, "allow", ["a.test"])
#: What somebody may write into a list of hosts, or beside it, to open more than one host.
BROADER_ENTRIES = (
    *("0.0.0.0/0", "::/0", "0.0.0.0-255.255.255.255", "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "[::/0]"),
    *("203.0.113.0/31", "203.0.113.6-203.0.113.7", "203.0.113.6－203.0.113.9", "203.0.113.0／24", "2001:db8::/127"),
    *(".games.test", " .games.test ", "。games.test", "．games.test", "｡games.test", "․games.test", ".游戏.test"),
)
BROADER_FORMS = {
    "a category": ruled(hosts=[], category="video"),
    "a rule of its own hours": ruled(hours=LUNCH),
    "otherwise": ruled() | {"otherwise": "allow"},
    "direct access": ruled() | {"direct": [{"to": ["a.test"], "ports": "443"}]},
    "a peer": ruled() | {"peers": ["czj"]},
    "limits": ruled() | {"limits": {"month_mib": 100}},
    "a number twice": rules((10, "allow", ["a.test"]), (10, "allow", ["b.test"])),
}

CASES = {
    "another release of one's own site": ("public_site", site(), site(maintenance=True), True, False),
    "another name": ("public_site", site(), site(names={"main": "new.example.qingdao.test"}), False, True),
    "another title": ("public_site", site(), site(title={"zh": "新", "en": "New"}), False, False),
    "a new public site": ("public_site", None, site(), False, True),
    "its end": ("public_site", site(), None, False, False),
    "five accounts": ("directory", people(1), people(1, 2, 3, 4, 5, 6), True, False),
    "six accounts": ("directory", people(1), people(1, 2, 3, 4, 5, 6, 7), False, False),
    "an account goes": ("directory", people(1, 2), people(1), False, False),
    "one for another": ("directory", people(1), people(2), False, False),
    "an account and a service": (
        "directory", people(1), people(1, 2, services=[{"name": "scan", "title": {"zh": "扫", "en": "Scan"}}]),
        False, False,
    ),
    "nothing": ("directory", people(1), people(1), False, False),
    "an entry of the own list": ("internet", rules(), rules((10, "allow", ["a.test"])), True, True),
    "one more host": (
        "internet", rules((10, "allow", ["a.test"])), rules((10, "allow", ["a.test", "b.test"])), True, True,
    ),
    "a whole domain": ("internet", rules(), rules((10, "allow", [".games.test"])), False, True),
    "a block": ("internet", rules(), rules((10, "block", ["a.test"])), False, True),
    "a block is lifted": ("internet", rules((10, "block", ["a.test"])), rules((10, "allow", ["a.test"])), False, True),
    "too many": ("internet", rules(), rules((10, "allow", [f"h{n}.test" for n in range(21)])), False, True),
    "single addresses": (
        "internet", rules(), rules((10, "allow", ["203.0.113.7", "2001:db8::7", "::ffff:1.2.3.4"])), True, True,
    ),
    "a range of one": ("internet", rules(), rules((10, "allow", ["203.0.113.7-203.0.113.7"])), True, True),
    "a host beside a domain that is there": (
        "internet", rules((10, "allow", [".a.test"])), rules((10, "allow", [".a.test", "b.test"])), True, True,
    ),
    "behind what is closed": (
        "internet", rules((10, "block", ["a.test"])), rules((10, "block", ["a.test"]), (20, "allow", ["b.test"])),
        True, True,
    ),
    "before what is closed": (
        "internet", rules((10, "block", ["a.test"])), rules((10, "block", ["a.test"]), (5, "allow", ["a.test"])),
        False, True,
    ),
    "an older rule before what is closed": (
        "internet", rules(EXISTING, (20, "block", [".b.test"])),
        rules((10, "allow", ["a.test", "x.b.test"]), (20, "block", [".b.test"])), False, True,
    ),
    "a rule changes its number": ("internet", rules(EXISTING), rules((20, "allow", ["a.test"])), False, True),
    "hours are longer": ("internet", ruled(hours=LUNCH), ruled(hosts=["a.test", "b.test"]), False, True),
    "off": ("internet", rules(), rules(enabled=False), False, True),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_is_agreed_on_beforehand(name: str) -> None:
    offering, before, after, standard, public = CASES[name]
    assert both(offering, before, after) == (standard, public)


@pytest.mark.parametrize("entry", BROADER_ENTRIES)
def test_what_is_broader_than_one_host_is_never_agreed_on_beforehand(entry: str) -> None:
    block = {"otherwise": "block"}
    for before, after in (
        (rules(**block), rules((1, "allow", [entry]), **block)),
        (rules(**block), rules((1, "allow", ["a.test", entry]), **block)),
        (rules(EXISTING, **block), rules((10, "allow", ["a.test", entry]), **block)),
    ):
        with suppress(ValueError):  # the form itself refuses some
            assert not both("internet", before, after)[0]


@pytest.mark.parametrize("form", BROADER_FORMS.values(), ids=BROADER_FORMS)
def test_what_opens_more_than_hosts_is_never_agreed_on_beforehand(form: dict[str, Any]) -> None:
    assert both("internet", rules(otherwise="block"), {"otherwise": "block"} | form)[0] is False


def test_every_operated_service_can_be_asked_for() -> None:
    for offering in OFFERINGS.values():
        assert (offering.asking is not None) == (offering.status == "operated")
        if offering.asking is not None:
            assert set(offering.asking.lead) == {"new", "change", "end"}
