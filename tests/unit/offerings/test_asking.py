"""What about each service is agreed on beforehand, and what the security officer signs: awkward cases as data."""

from __future__ import annotations

import copy
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
    "off": ("internet", rules(), rules(enabled=False), False, True),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_is_agreed_on_beforehand(name: str) -> None:
    offering, before, after, standard, public = CASES[name]
    assert both(offering, before, after) == (standard, public)


def test_every_operated_service_can_be_asked_for() -> None:
    for offering in OFFERINGS.values():
        assert (offering.asking is not None) == (offering.status == "operated")
        if offering.asking is not None:
            assert set(offering.asking.lead) == {"new", "change", "end"}
