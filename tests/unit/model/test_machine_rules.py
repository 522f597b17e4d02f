"""What measurements of machines mean: the table of states, and counts that never say more than was seen."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from control_plane.model.machine import Fault, MachineLook, MachineState, Pending
from control_plane.model.machine_rules import (
    FAULTS,
    outcome_for_wave,
    overdue,
    patch_state,
    protection,
    signature_age,
    summary,
)
from control_plane.model.resource import CouldNotMeasure
from control_plane.model.text import t

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
WELL = MachineState(
    machine="m",
    at=NOW,
    packages={"gasp-demo": "1.0"},
    pending=(),
    lists_at=NOW - timedelta(hours=1),
    reboot_required=False,
    signature_set="s1",
    signature_at=NOW - timedelta(hours=5),
    engine_running=True,
)
LACKS = Pending("gasp-demo", "1.0", "1.1", since=NOW - timedelta(days=2))
SILENT = CouldNotMeasure("m", NOW, t("No route."))

#: open-26. Name, what was found, the word for patches, and what a wave makes of it.
HOSTS: list[tuple[str, MachineLook | None, str, str]] = [
    ("h1: nothing to upgrade, fresh lists", WELL, "patched", "success"),
    ("h2: on hold by the department", replace(WELL, pending=(replace(LACKS, held=True),)), "held", "failure"),
    (
        "h3: deferred by phasing",
        replace(WELL, pending=(replace(LACKS, kept_back=True, phased=True), replace(LACKS, package="b", phased=True))),
        "waiting",
        "failure",
    ),
    (
        "h3 with a security fix: never counted as waiting",
        replace(WELL, pending=(replace(LACKS, kept_back=True, phased=True, security=True),)),
        "pending",
        "failure",
    ),
    ("h3 kept back for another reason", replace(WELL, pending=(replace(LACKS, kept_back=True),)), "pending", "failure"),
    ("h4: patched on disk, restart needed", replace(WELL, reboot_required=True), "restart", "success"),
    ("h5: lists of 19 days", replace(WELL, lists_at=NOW - timedelta(days=19)), "unknown", "unknown"),
    ("h5: no lists at all", replace(WELL, lists_at=None), "unknown", "unknown"),
    ("h6: silent", SILENT, "unknown", "unknown"),
    ("never seen", None, "unknown", "unknown"),
    ("seen two days ago", replace(WELL, at=NOW - timedelta(days=2)), "unknown", "unknown"),
    ("an installation broke off", replace(WELL, faults={"dpkg-interrupted": "x"}), "unknown", "unknown"),
    ("its clock is wrong", replace(WELL, faults={"clock-wrong": "+7200 s"}), "unknown", "unknown"),
    ("its list is past its date", replace(WELL, faults={"release-expired": "x"}), "unknown", "unknown"),
    ("its source is gone", replace(WELL, faults={"source-missing": "x"}), "unknown", "unknown"),
    ("another machine answers", replace(WELL, faults={"not-enrolled-here": "id key"}), "unknown", "unknown"),
    ("a lock is held, lists are fresh", replace(WELL, faults={"dpkg-locked": "1 apt"}), "patched", "success"),
    ("lacks one, one on hold", replace(WELL, pending=(LACKS, replace(LACKS, held=True))), "pending", "failure"),
]


@pytest.mark.parametrize(("look", "word", "wave"), [h[1:] for h in HOSTS], ids=[h[0] for h in HOSTS])
def test_one_word_for_each_machine(look: MachineLook | None, word: str, wave: str) -> None:
    assert patch_state(look, NOW) == word
    assert outcome_for_wave(look, NOW) == wave


def test_the_sentence_of_six_hosts() -> None:  # open-26
    six = [next(h for h in HOSTS if h[0].startswith(f"h{n}:")) for n in range(1, 7)]
    counted = summary([patch_state(look, NOW) for _, look, _, _ in six])
    assert str(counted.text) == "1 of 6 patched, 2 unknown"
    assert dict(counted.states) == {"patched": 1, "held": 1, "waiting": 1, "restart": 1, "unknown": 2}


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({}, "clean"),
        ({"signature_at": NOW - timedelta(hours=71)}, "clean"),
        ({"signature_at": NOW - timedelta(hours=73)}, "old"),
        ({"engine_running": False, "faults": {"engine-dead": "killed, out of memory"}}, "unprotected"),
        ({"engine_running": None}, "unprotected"),
        ({"signature_set": None, "signature_at": None}, "unprotected"),
        ({"faults": {"signatures-missing": "city.ndb"}}, "unprotected"),
        ({"faults": {"signatures-not-loaded": "s1 is loaded, s2 is on the disk"}}, "old"),
        ({"at": NOW - timedelta(days=3)}, "silent"),
        ({"faults": {"not-enrolled-here": "id key"}}, "silent"),
    ],
)
def test_one_word_for_antivirus(changes: dict[str, Any], word: str) -> None:
    assert protection(replace(WELL, **changes), NOW, scanned=True) == word
    other = "unscanned" if word == "clean" else word
    assert protection(replace(WELL, **changes), NOW, scanned=False) == other


def test_silence_and_findings_are_not_clean() -> None:
    assert protection(SILENT, NOW, scanned=True) == protection(None, NOW, scanned=True) == "silent"
    assert protection(WELL, NOW, findings=1, scanned=False) == "found"
    assert signature_age(SILENT, NOW) is None
    assert signature_age(WELL, NOW) == 5 * 3600


def test_overdue_needs_a_deadline_that_passed() -> None:
    days = [None, NOW - timedelta(seconds=1), NOW + timedelta(days=1)]
    assert overdue([replace(LACKS, deadline=day) for day in days], NOW) == 1


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_has_a_sentence_and_a_remedy(fault: Fault) -> None:
    words = FAULTS[fault]
    assert str(words.text).endswith(".")
    assert str(replace(words.remedy, params={"name": "fgw", "tenant": "fgw"})).strip()


def test_every_fault_of_the_contract_has_words() -> None:
    from typing import get_args

    assert set(FAULTS) == set(get_args(Fault))
