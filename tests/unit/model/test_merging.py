"""Two people change one form: what can be kept of both is, and what cannot is named."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.model.merging import merge

JSON = st.recursive(
    st.integers(0, 3) | st.sampled_from(["a", "b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["x", "y"]), inner, max_size=2),
    max_leaves=8,
)
SITE: dict[str, Any] = {"names": {"main": "a", "aliases": ["b"]}, "source": "starter"}
CASES = {
    "different fields": ({"a": 1, "b": 1}, {"a": 2, "b": 1}, {"a": 1, "b": 2}, {"a": 2, "b": 2}, ()),
    "the same field": ({"a": 1}, {"a": 2}, {"a": 3}, {"a": 3}, ("a",)),
    "the same change": ({"a": 1}, {"a": 2}, {"a": 2}, {"a": 2}, ()),
    "taken out and left": ({"a": 1, "b": 1}, {"b": 1}, {"a": 1, "b": 2}, {"b": 2}, ()),
    "taken out and changed": ({"a": 1}, {}, {"a": 2}, {"a": 2}, ("a",)),
    "both lists grew": ({"l": [1]}, {"l": [1, 2]}, {"l": [1, 3]}, {"l": [1, 3, 2]}, ()),
    "one shrank": ({"l": [1, 2]}, {"l": [1]}, {"l": [1, 2, 3]}, {"l": [1, 2, 3]}, ("l",)),
    "a release and a name": (
        {"sites": [SITE]},
        {"sites": [{**SITE, "names": {"main": "a", "aliases": ["b", "c"]}}]},
        {"sites": [{**SITE, "source": "release"}]},
        {"sites": [{"names": {"main": "a", "aliases": ["b", "c"]}, "source": "release"}]},
        (),
    ),
    "one moved away and all stand elsewhere": (
        {"people": [{"uid": "a", "groups": []}, {"uid": "b", "groups": []}]},
        {"people": [{"uid": "a", "groups": ["g"]}, {"uid": "b", "groups": []}]},
        {"people": [{"uid": "b", "groups": []}, {"uid": "c", "groups": []}]},
        {"people": [{"uid": "b", "groups": []}, {"uid": "c", "groups": []}]},
        ("people[2]",),
    ),
    "one joined, one left, one changed": (
        {"people": [{"uid": "a"}, {"uid": "b"}]},
        {"people": [{"uid": "a", "title": "x"}, {"uid": "b"}, {"uid": "c"}]},
        {"people": [{"uid": "b", "left_on": "2026-11-29"}, {"uid": "a"}]},
        {"people": [{"uid": "b", "left_on": "2026-11-29"}, {"uid": "a", "title": "x"}, {"uid": "c"}]},
        (),
    ),
    "two main names": (
        {"sites": [SITE]},
        {"sites": [{**SITE, "names": {"main": "x", "aliases": []}}]},
        {"sites": [{**SITE, "names": {"main": "y", "aliases": ["b"]}}]},
        {"sites": [{**SITE, "names": {"main": "y", "aliases": []}}]},
        ("sites[0].names.main",),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_both_changed(name: str) -> None:
    base, ours, theirs, found, clashes = CASES[name]
    assert merge(base, ours, theirs) == (found, clashes)


def test_what_both_changed_can_be_kept_as_ours() -> None:
    base, ours, theirs = {"a": 1, "b": [1], "c": 1}, {"a": 2, "b": [], "c": 1}, {"a": 3, "b": [2], "c": 4}
    assert merge(base, ours, theirs, keep_ours=True) == ({"a": 2, "b": [], "c": 4}, ("a", "b"))
    base, ours, theirs, _, clashes = CASES["two main names"]
    kept, named = merge(base, ours, theirs, keep_ours=True)
    assert (kept, named) == ({"sites": [{**SITE, "names": {"main": "x", "aliases": []}}]}, clashes)
    assert merge({"a": 1}, {}, {"a": 2}, keep_ours=True) == ({}, ("a",))


@given(JSON, JSON)
def test_what_only_one_changed_is_taken(base: Any, other: Any) -> None:
    assert merge(base, other, base) == (other, ())
    assert merge(base, base, other) == (other, ())
    assert merge(base, other, other) == (other, ())
