"""Errors for what the agent on the repository host says in codes: what happened, what to do, whether waiting helps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from control_plane.model.errors import ControlPlaneError, NotFound, PermanentError, Rejected, TemporaryError
from control_plane.model.text import Text, t

_AGAIN = t("Nothing was published. Run it again; packages that came are kept.")
_UPSTREAM = t("Nothing was published. Ask who runs the upstream; rings keep what they have.")
_TRUST = t("Nothing was published. Do not trust it before you know why; the right key belongs into the estate.")
_ROOM = t("gasp snapshots prune makes room; or give host {host} a larger disk.")

WORDS: Mapping[str, tuple[type[ControlPlaneError], Text, Text]] = {
    "not-ready": (PermanentError, t("Host {host} is not set up ({path} is missing)."), t("gasp bringup")),
    "no-source": (
        Rejected,
        t("No upstream is configured for {what}."),
        t("Write upstream/sources.yaml in the estate's folder, then gasp bringup."),
    ),
    "no-key": (PermanentError, t("Host {host} has no key “{key}” to check signatures with."), t("gasp bringup")),
    "upstream-silent": (TemporaryError, t("The upstream does not answer: {url} ({reason})."), _AGAIN),
    "upstream-lacks": (TemporaryError, t("The upstream has no {url} ({reason})."), _UPSTREAM),
    "cut-off": (TemporaryError, t("The transfer of {path} broke off."), _AGAIN),
    "wrong-digest": (PermanentError, t("{path} is not what the signed index says it is."), _AGAIN),
    "bad-signature": (PermanentError, t("The signature of key {key} on {path} is wrong."), _TRUST),
    "unknown-key": (PermanentError, t("{path} is signed by key {key}, which is not trusted here."), _TRUST),
    "expired-key": (PermanentError, t("Key {key}, which signed {path}, has expired or was revoked."), _TRUST),
    "unsigned": (PermanentError, t("{path} is not signed."), _TRUST),
    "expired": (PermanentError, t("{path} was valid until {until} only."), _UPSTREAM),
    "older": (
        PermanentError,
        t("{path} is of {date}, older than what came before ({known})."),
        t("Nothing was published. An old copy is a way to keep faults open; ask who runs the upstream."),
    ),
    "bad-index": (PermanentError, t("{path} cannot be read: {reason}"), _UPSTREAM),
    "bad-name": (PermanentError, t("{path} is a name that leads elsewhere; it was refused."), _TRUST),
    "too-large": (PermanentError, t("{path} is larger than it may be."), _UPSTREAM),
    "medium-lacks": (Rejected, t("The medium has no {what}."), t("Carry the whole tree, as the upstream has it.")),
    "no-room": (
        PermanentError,
        t("It needs {need} and {reserve} must stay free, but the disk of host {host} has {free}."),
        _ROOM,
    ),
    "disk-full": (
        PermanentError,
        t("The disk of host {host} became full. What was published is whole and unchanged."),
        _ROOM,
    ),
    "busy": (
        TemporaryError,
        t("Another sync or publication is at work on host {host}."),
        t("Wait until it has ended; gasp snapshots list shows what it made."),
    ),
    "unknown": (NotFound, t("There is no snapshot {id}."), t("gasp snapshots list")),
    "wrong-kind": (Rejected, t("{id} is of the other kind."), t("gasp snapshots list")),
    "cannot-sign": (PermanentError, t("Host {host} cannot sign: {reason}"), t("gasp bringup")),
    "aptly": (PermanentError, t("aptly on host {host} refused: {reason}"), _AGAIN),
    "os-error": (PermanentError, t("Host {host} could not write or read {path}: {reason}"), _AGAIN),
    "internal": (PermanentError, t("The agent on host {host} failed: {reason}"), _AGAIN),
}
OCTETS = ("need", "free", "reserve")


def size(octets: int) -> str:
    """Octets for people, such as `1.4 GB`; decimal, one digit."""
    value, units = float(octets), ["B", "kB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value /= 1000
        units.pop(0)
    return f"{value:.0f} {units[0]}" if units[0] == "B" else f"{value:.1f} {units[0]}"


def error_of(code: str, words: Mapping[str, Any], host: str) -> ControlPlaneError:
    """The error for an agent's answer; it carries the code as `reason`."""
    kind, text, hint = WORDS.get(code, WORDS["internal"])
    facts = {"host": host, "reason": code, **words}
    facts |= {name: size(int(facts[name])) for name in OCTETS if name in facts}
    facts["reason"] = str(facts["reason"]).rstrip(".")
    return kind(Text(text.msgid, facts), Text(hint.msgid, {"host": host}))
