"""One word and one shape for one state, on every page. What the command line marks too has the same word there."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup, escape

from control_plane.model.states import STATES, Tone, by_state
from control_plane.model.text import Text, t

#: tone → path of its shape in a box of 16; colour comes from the tone's class, and never alone.
SHAPES: Mapping[Tone, str] = {
    "good": "M8 3a5 5 0 1 0 0 10A5 5 0 0 0 8 3z",
    "warn": "M8 2 15 14H1z",
    "bad": "M3 2h10a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1H3a1 1 0 0 1-1-1V3a1 1 0 0 1 1-1zm2.2 2.3-.9.9L7.1 8l-2.8 2.8.9.9"
    "L8 8.9l2.8 2.8.9-.9L8.9 8l2.8-2.8-.9-.9L8 7.1z",
    "blind": "M8 1l7 7-7 7-7-7z",
    "busy": "M8 2a6 6 0 1 1-6 6h2a4 4 0 1 0 4-4z",
    "held": "M5 2h6l3 3v6l-3 3H5l-3-3V5z",
    "none": "M3 7h10v2H3z",
}
#: States that only pages have a word for.
_OWN: Mapping[Tone, Mapping[str, Text]] = {
    "good": {
        "signed_in": t("signed in"),
        "in_use": t("in use"),
        "release-live": t("live"),
        "file-clean": t("checked"),
        "request-signed": t("signed"),
        "nightly-clean": t("nothing found"),
        "yes": t("yes"),
        "block-viewed": t("looked at"),
    },
    "warn": {
        "conflict": t("conflict"),
        "blocked": t("blocked for a while"),
        "late": t("late"),
        "nightly-old": t("older than 36 h"),
        "nightly-unfinished": t("did not finish"),
        "block-changed": t("changed since you looked"),
    },
    "bad": {
        "request-void": t("no longer holds"),
        "request-gone": t("taken away"),
        "file-infected": t("malware"),
        "nightly-found": t("faults found"),
    },
    "busy": {
        "release-preview": t("in preview"),
        "nightly-running": t("running"),
        "file-waiting": t("not checked yet"),
        "request-unsigned": t("not signed yet"),
    },
    "held": {
        "file-expired": t("deleted by rule"),
        "in_force": t("in force"),
        "block-earlier": t("about an earlier preview"),
    },
    "none": {
        "no": t("no"),
        "block-open": t("not looked at yet"),
        "release-stored": t("stored"),
    },
}
WORDS: Mapping[str, tuple[Tone, Text]] = {**STATES, **by_state(_OWN)}


def word(state: str) -> str:
    """The word of a state; one we do not know is shown as it is."""
    known = WORDS.get(state)
    return str(known[1]) if known else state


def mark(state: str | None) -> Markup:
    """Shape and word."""
    if not state:
        return Markup('<span class="nothing">–</span>')
    tone: Tone = WORDS[state][0] if state in WORDS else "none"
    return Markup('<span class="state {0}">{1}{2}</span>').format(tone, shape(tone), word(state))


def shape(tone: Tone) -> Markup:
    """The shape alone; what it says stands beside it."""
    return Markup('<svg class="shape" viewBox="0 0 16 16" aria-hidden="true"><path d="{0}"/></svg>').format(
        escape(SHAPES[tone])
    )
