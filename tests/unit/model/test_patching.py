"""Patches: merged as RFC 7386 says, lists that are added to, what is lost, what is wrong with them."""

from __future__ import annotations

from typing import Any

import pytest

from control_plane.model.patching import Loss, brief, faults, losses, merge, unfit


@pytest.mark.parametrize(
    ("target", "patch", "merged"),
    [
        ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"a": 1, "b": 2}, {"b": None}, {"a": 1}),
        ({"a": {"x": 1, "y": 2}}, {"a": {"y": None, "z": 3}}, {"a": {"x": 1, "z": 3}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": 1}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        ({"a": [1, 2]}, {"a+": [2, 3]}, {"a": [1, 2, 3]}),
        ({}, {"a+": [1]}, {"a": [1]}),
        ({"a": None}, {"a+": [1]}, {"a": [1]}),
        ({"a": {"b": [1], "c": 2}}, {"a": {"b+": [{"x": 1}]}}, {"a": {"b": [1, {"x": 1}], "c": 2}}),
        ({}, {"+": 1}, {"+": 1}),
    ],
)
def test_merge(target: Any, patch: Any, merged: Any):
    before = str(target)
    assert merge(target, patch) == merged
    assert str(target) == before, "what it was made from is left alone"


@pytest.mark.parametrize(
    ("before", "after", "lost"),
    [
        ({"a": [1, 2]}, {"a": [3]}, [Loss("a", [1, 2])]),
        ({"a": [1, 2]}, {"a": [2, 1, 3]}, []),
        ({"a": [1]}, {}, [Loss("a", [1])]),
        ({"a": {"b": [1], "c": 1}}, {"a": 5}, [Loss("a.b", [1])]),
        ({"a": []}, {}, []),
        ({"a": 1}, {"a": 2}, []),
        ({"a": [{"n": 1, "x": [1]}]}, {"a": [{"n": 1, "x": []}]}, [Loss("a", [{"n": 1, "x": [1]}])]),
    ],
)
def test_losses(before: Any, after: Any, lost: list[Loss]):
    assert losses(before, after) == lost


def test_faults_of_a_patch_and_of_its_target():
    assert faults({"a+": [1], "b": {"c": None}}) == []
    said = [str(p.text) for p in faults({"x": {"a+": 1}, "b": [], "b+": [1]})]
    assert said == ["“x.a+” adds to a list, and what it adds is none.", "“b” is added to and replaced at once."]
    assert unfit({"a": {"b": "text", "c": []}}, {"a": {"b+": [1], "c+": [1], "d+": [1]}}) == ["a.b"]


def test_an_entry_on_one_line():
    rule = {"number": 5, "action": "block", "hosts": ["a.test", "b.test"], "reason": {"en": "no"}}
    assert brief(rule) == "number: 5, action: block, hosts: a.test b.test, reason: en: no"
    assert len(brief("x" * 500)) == 120
