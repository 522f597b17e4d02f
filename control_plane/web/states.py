"""One word and one shape for one state, on every page. The words are those of the command line (a test compares)."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup, escape

from control_plane.model.text import Text, t

#: tone → path of its shape in a box of 16; colour comes from the tone's class, and never alone.
SHAPES: Mapping[str, str] = {
    "good": "M8 3a5 5 0 1 0 0 10A5 5 0 0 0 8 3z",
    "warn": "M8 2 15 14H1z",
    "bad": "M3 2h10a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1H3a1 1 0 0 1-1-1V3a1 1 0 0 1 1-1zm2.2 2.3-.9.9L7.1 8l-2.8 2.8.9.9"
    "L8 8.9l2.8 2.8.9-.9L8.9 8l2.8-2.8-.9-.9L8 7.1z",
    "blind": "M8 1l7 7-7 7-7-7z",
    "busy": "M8 2a6 6 0 1 1-6 6h2a4 4 0 1 0 4-4z",
    "held": "M5 2h6l3 3v6l-3 3H5l-3-3V5z",
    "none": "M3 7h10v2H3z",
}
_TONES: Mapping[str, Mapping[str, Text]] = {
    "good": {
        "passed": t("passed"),
        "done": t("done"),
        "in_sync": t("in sync"),
        "up": t("up"),
        "live": t("live"),
        "served": t("served"),
        "network_only": t("network only"),
        "active": t("active"),
        "signed_in": t("signed in"),
        "yes": t("yes"),
        "on": t("on"),
        "ok": t("in order"),
        "machine-patched": t("patched"),
        "machine-clean": t("clean"),
        "machine-cleared": t("settled"),
    },
    "warn": {
        "warning": t("warning"),
        "done_with_conflicts": t("done with conflicts"),
        "partly": t("partly done"),
        "maintenance": t("maintenance"),
        "retiring": t("retiring"),
        "cut": t("cut off"),
        "conflict": t("conflict"),
        "blocked": t("blocked for a while"),
        "warned": t("warned"),
        "throttled": t("throttled"),
        "late": t("late"),
        "machine-restart": t("restart needed"),
        "machine-held": t("on hold"),
        "machine-old": t("old signatures"),
    },
    "bad": {
        "failed": t("failed"),
        "refused": t("refused"),
        "stale": t("stale"),
        "missing": t("missing"),
        "interrupted": t("interrupted"),
        "aborted": t("aborted"),
        "machine-pending": t("lacks patches"),
        "machine-unprotected": t("unprotected"),
        "machine-found": t("something found"),
        "machine-open": t("open"),
    },
    "blind": {
        "unmeasured": t("could not measure"),
        "could_not_measure": t("could not measure"),
        "unknown": t("unknown"),
        "differs": t("differs"),
        "drift": t("drift"),
        "foreign": t("foreign"),
        "foreign-in-the-way": t("foreign object in the way"),
        "unanswered": t("does not answer"),
        "machine-unknown": t("unknown"),
        "machine-silent": t("silent"),
    },
    "busy": {
        "running": t("running"),
        "waiting": t("waiting"),
        "starting": t("starting"),
        "stopping": t("stopping"),
        "pending": t("waits to be made real"),
        "changed": t("change waits"),
        "new": t("new"),
        "renew": t("renewal due"),
        "removed": t("removal waits"),
        "orphaned": t("owner gone"),
        "preview": t("preview"),
        "scheduled": t("scheduled"),
        "soaking": t("soaking"),
        "rolling_back": t("rolling back"),
        "catching_up": t("catching up"),
        "touching": t("being changed"),
        "installed": t("changed, not measured yet"),
        "machine-waiting": t("waits for its share"),
    },
    "held": {
        "stopped": t("stopped"),
        "kept": t("kept"),
        "down": t("down"),
        "paused": t("paused"),
        "in_force": t("in force"),
        "lifted": t("lifted"),
    },
    "none": {
        "listed": t("listed"),
        "none": t("none"),
        "no": t("no"),
        "ended": t("ended"),
        "off": t("off"),
        "draft": t("draft"),
        "untouched": t("not touched yet"),
        "removed_from": t("retired meanwhile"),
        "returned": t("as before"),
        "rolled_back": t("rolled back"),
        "machine-observed": t("observed only"),
        "machine-unmanaged": t("not enrolled"),
    },
}
WORDS: Mapping[str, tuple[str, Text]] = {
    state: (tone, word) for tone, words in _TONES.items() for state, word in words.items()
}


def word(state: str) -> str:
    """The word of a state; one we do not know is shown as it is."""
    known = WORDS.get(state)
    return str(known[1]) if known else state


def mark(state: str | None) -> Markup:
    """Shape and word."""
    if not state:
        return Markup('<span class="nothing">–</span>')
    tone = WORDS[state][0] if state in WORDS else "none"
    return Markup('<span class="state {0}">{1}{2}</span>').format(tone, shape(tone), word(state))


def shape(tone: str) -> Markup:
    """The shape alone; what it says stands beside it."""
    return Markup('<svg class="shape" viewBox="0 0 16 16" aria-hidden="true"><path d="{0}"/></svg>').format(
        escape(SHAPES[tone])
    )
