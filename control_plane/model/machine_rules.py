"""What the measurements of machines mean: patched or not, protected or not, and the counts of many.

Pure rules. What was not seen is unknown; the numbers of protection are never added up to one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from control_plane.model.machine import Fault, MachineLook, MachineState, Pending
from control_plane.model.resource import CouldNotMeasure
from control_plane.model.text import Text, t

PatchState = Literal["patched", "pending", "held", "waiting", "restart", "unknown", "observed", "unmanaged"]
Protection = Literal["clean", "found", "old", "unscanned", "silent", "unprotected", "unmanaged"]

LISTS_FRESH = timedelta(days=3)
"""A list of packages older than this says nothing about what is missing."""
SIGNATURES_WARN, SIGNATURES_FAIL = timedelta(hours=48), timedelta(hours=72)
LOST_AFTER = timedelta(days=7)
"""A machine without contact for longer is lost."""
LOOK_VALID = timedelta(hours=26)
"""A look older than this (an hourly chore, and a day of grace) is no knowledge of today."""
#: Faults under which an empty list of missing packages means nothing.
BLINDING: frozenset[Fault] = frozenset({"lists-stale", "release-expired", "source-missing", "clock-wrong"})
#: Faults under which packages are neither old nor new: an installation broke off.
BROKEN: frozenset[Fault] = frozenset({"dpkg-interrupted"})
#: Under the name another machine answers: whatever it says, it is not of the one that is enrolled.
STRANGER: frozenset[Fault] = frozenset({"not-enrolled-here"})
ENGINE: frozenset[Fault] = frozenset({"engine-dead", "signatures-missing", "signatures-not-loaded"})


@dataclass(frozen=True, slots=True)
class FaultWords:
    """A fault for people: its name in a list, what it is, what to do, and what `gasp hosts mend` would do (None: it
    must not). A freeze of one of `systems` stops that."""

    name: Text
    text: Text
    remedy: Text
    mend: Text | None = None
    systems: tuple[str, ...] = ("patches",)


FAULTS: Mapping[Fault, FaultWords] = {
    "dpkg-interrupted": FaultWords(
        t("installation broken off"),
        t("An installation of packages broke off in the middle."),
        t("gasp hosts mend {name}: it lets dpkg finish."),
        t("finish the interrupted installation: dpkg --configure -a"),
    ),
    "dpkg-locked": FaultWords(
        t("packages locked"),
        t("Another program on the machine holds the lock of the package system."),
        t("Wait until it ends, or look at it on the machine; it is never killed from here."),
    ),
    "disk-full": FaultWords(
        t("disk full"),
        t("The disk is full where packages are unpacked."),
        t("gasp hosts mend {name} removes downloaded package files; if that is not enough, free space there by hand."),
        t("remove downloaded package files: apt-get clean"),
    ),
    "clock-wrong": FaultWords(
        t("clock wrong"),
        t("The machine's clock is wrong, so dates of package lists cannot be judged on it."),
        t("Set the clock on the machine and let it be kept by a time server."),
    ),
    "release-expired": FaultWords(
        t("package list expired"),
        t("The list of packages that the machine has is past its date."),
        t("Publish a newer snapshot to its ring; then: gasp hosts mend {name}"),
        t("fetch the lists of packages again"),
    ),
    "lists-stale": FaultWords(
        t("package list old"),
        t("The machine's lists of packages are old, so nobody knows what it lacks."),
        t("gasp hosts mend {name}: it fetches them again."),
        t("fetch the lists of packages again"),
    ),
    "source-missing": FaultWords(
        t("package source missing"),
        t("The centre's package source is gone from the machine, or was changed there."),
        t("gasp plan tenant:{tenant}; then apply that plan."),
    ),
    "engine-dead": FaultWords(
        t("antivirus stopped"),
        t("The antivirus engine does not run."),
        t("gasp hosts mend {name}: it starts the engine again. If it dies again, give the machine more memory."),
        t("start the antivirus engine again"),
        ("security",),
    ),
    "signatures-missing": FaultWords(
        t("no signatures"),
        t("The antivirus engine has no signatures of the centre."),
        t("gasp hosts mend {name}: it fetches the set of its ring."),
        t("fetch the signatures of its ring and load them"),
        ("signatures", "security"),
    ),
    "signatures-not-loaded": FaultWords(
        t("signatures not loaded"),
        t("The engine works with older signatures than those on the disk."),
        t("gasp hosts mend {name}: it lets the engine load them."),
        t("let the engine load the signatures on the disk"),
        ("signatures", "security"),
    ),
    "not-enrolled-here": FaultWords(
        t("another machine"),
        t("The machine that answers by this name is not the one that was enrolled."),
        t("Find out what was exchanged; then enrol it anew: gasp hosts enrol {name} --tenant {tenant}"),
    ),
}
#: A fault's name in a list.
FAULT_NAMES: Mapping[str, Text] = {code: words.name for code, words in FAULTS.items()}
#: What else is to be known of a machine: its name in a list, and what it is.
NOTES: Mapping[str, tuple[Text, Text]] = {
    "observed": (t("observed only"), t("Only observed: nothing is done on it from here.")),
    "clone": (
        t("twice"),
        t("Another machine says that it is the same one: a clone, or the same machine twice."),
    ),
    "exchanged": (t("exchanged"), t("It is not the machine that was enrolled under this name.")),
    "lost": (t("lost"), t("It has not answered for a long time.")),
    "no-host": (t("no such host"), t("There is no such host in the lab.")),
    "signatures-getting-old": (t("signatures getting old"), t("Its signatures are getting old.")),
    "no-subscription": (t("no service"), t("Its tenant has no service for it any more.")),
    "leaving": (t("leaving"), t("It was retired; what is ours goes from it when it is back.")),
}
NOTE_NAMES: Mapping[str, Text] = {code: name for code, (name, _) in NOTES.items()}


def deferred(item: Pending) -> bool:
    """Whether a missing package only waits for its turn. A fix for security never does."""
    return item.phased and not item.held and not item.security


def patch_state(look: MachineLook | None, now: datetime) -> PatchState:
    """One word for a machine. Nothing seen, seen too long ago, or seen through old lists: unknown."""
    if not isinstance(look, MachineState) or now - look.at > LOOK_VALID:
        return "unknown"
    if (
        look.lists_at is None
        or now - look.lists_at > LISTS_FRESH
        or look.faults.keys() & (BLINDING | BROKEN | STRANGER)
    ):
        return "unknown"
    if any(not item.held and not deferred(item) for item in look.pending):
        return "pending"
    if any(item.held for item in look.pending):
        return "held"
    if look.pending:
        return "waiting"
    return "restart" if look.reboot_required else "patched"


def protection(look: MachineLook | None, now: datetime, findings: int = 0, *, scanned: bool) -> Protection:
    """One word for a machine's antivirus: silent when nothing is known, unprotected when no engine works with the
    centre's signatures, old when these are older than three days, found while a finding is not settled, unscanned
    unless a complete scan still counts (`scanned`)."""
    if not isinstance(look, MachineState) or now - look.at > LOOK_VALID or look.faults.keys() & STRANGER:
        return "silent"
    if not look.engine_running or look.signature_at is None or look.faults.keys() & ENGINE:
        return "old" if "signatures-not-loaded" in look.faults and look.engine_running else "unprotected"
    if now - look.signature_at > SIGNATURES_FAIL:
        return "old"
    if findings:
        return "found"
    return "clean" if scanned else "unscanned"


def signature_age(look: MachineLook | None, now: datetime) -> int | None:
    """Seconds since the loaded set was made."""
    if not isinstance(look, MachineState) or look.signature_at is None:
        return None
    return round((now - look.signature_at).total_seconds())


def overdue(pending: Iterable[Pending], now: datetime) -> int:
    """Missing packages past their deadline."""
    return sum(1 for item in pending if item.deadline is not None and item.deadline < now)


@dataclass(frozen=True, slots=True)
class Summary:
    """How many machines of a group are in which state; the words never say more than was seen."""

    total: int
    patched: int
    unknown: int
    states: Mapping[str, int]

    @property
    def text(self) -> Text:
        """Such as: 1 of 6 patched, 2 unknown."""
        return t(
            "{patched} of {total} patched, {unknown} unknown",
            patched=self.patched, total=self.total, unknown=self.unknown,
        )  # fmt: skip


def summary(states: Sequence[PatchState]) -> Summary:
    """Counts of managed machines. A machine that was not seen is in the total and never among the patched."""
    counts = Counter(states)
    by_name = {str(state): count for state, count in counts.items()}
    return Summary(len(states), counts["patched"], counts["unknown"], by_name)


def outcome_for_wave(look: MachineLook | None, now: datetime) -> Literal["success", "failure", "unknown"]:
    """What a machine counts as in a rollout: only what was measured as patched is a success."""
    state = patch_state(look, now)
    if state == "unknown" or isinstance(look, CouldNotMeasure):
        return "unknown"
    return "success" if state in ("patched", "restart") else "failure"
