"""One word and one tone for one state, on the command line and on pages. How a tone looks is theirs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from control_plane.model.text import Text, t

Tone = Literal["good", "warn", "bad", "blind", "busy", "held", "none"]
"""good: as it should be. warn: look at it. bad: it is not. blind: nobody knows. busy: on its way.
held: somebody stopped it. none: nothing to say."""


def by_state(tones: Mapping[Tone, Mapping[str, Text]]) -> dict[str, tuple[Tone, Text]]:
    """State → its tone and word."""
    return {state: (tone, word) for tone, words in tones.items() for state, word in words.items()}


STATES: Mapping[str, tuple[Tone, Text]] = by_state(
    {
        "good": {
            "passed": t("passed"),
            "done": t("done"),
            "in_sync": t("in sync"),
            "up": t("up"),
            "live": t("live"),
            "finished": t("reached everybody"),
            "served": t("served"),
            "network_only": t("network only"),
            "active": t("active"),
            "valid": t("valid"),
            "ready": t("sealed"),
            "going-idle": t("up to date"),
            "machine-patched": t("patched"),
            "machine-clean": t("clean"),
            "machine-cleared": t("settled"),
            "request-live": t("set up"),
            "emergency-kept": t("signed, stays"),
            "on": t("on"),
            "ok": t("in order"),
            "clean": t("clean"),
            "sent": t("handed over"),
        },
        "warn": {
            "warning": t("warning"),
            "due": t("to be done"),
            "done_with_conflicts": t("done with conflicts"),
            "partly": t("partly done"),
            "maintenance": t("maintenance"),
            "retiring": t("retiring"),
            "cut": t("cut off"),
            "machine-restart": t("restart needed"),
            "machine-held": t("on hold"),
            "machine-old": t("old signatures"),
            "machine-unscanned": t("not scanned"),
            "going-again": t("is tried again"),
            "emergency-stands": t("real without signatures"),
            "request-returned": t("needs your answer"),
            "warned": t("warned"),
            "throttled": t("throttled"),
        },
        "bad": {
            "failed": t("failed"),
            "overdue": t("overdue"),
            "refused": t("refused"),
            "stale": t("stale"),
            "missing": t("missing"),
            "interrupted": t("interrupted"),
            "site-infected": t("malware found"),
            "infected": t("malware found"),
            "machine-pending": t("lacks patches"),
            "machine-unprotected": t("unprotected"),
            "going-failed": t("failed"),
            "going-stuck": t("stands still"),
            "machine-found": t("something found"),
            "machine-open": t("open"),
            "request-failed": t("failed"),
            "emergency-failed": t("failed"),
            "emergency-overtaken": t("not taken back"),
            "request-refused": t("not approved"),
            "aborted": t("aborted"),
        },
        "blind": {
            "unmeasured": t("could not measure"),
            "could_not_measure": t("could not measure"),
            "unknown": t("unknown"),
            "differs": t("differs"),
            "drift": t("drift"),
            "foreign": t("foreign"),
            "foreign-in-the-way": t("foreign object in the way"),
            "machine-unknown": t("unknown"),
            "machine-silent": t("silent"),
            "unanswered": t("does not answer"),
        },
        "busy": {
            "running": t("running"),
            "begun": t("begun"),
            "going_out": t("going out"),
            "changed": t("change waits"),
            "new": t("new"),
            "renew": t("renewal due"),
            "removed": t("removal waits"),
            "orphaned": t("owner gone"),
            "pending": t("waits to be made real"),
            "waiting": t("waiting"),
            "proposed": t("proposed"),
            "starting": t("starting"),
            "unfinished": t("unfinished"),
            "stopping": t("stopping"),
            "preview": t("preview"),
            "going-running": t("at work"),
            "going-waiting": t("waiting"),
            "machine-waiting": t("waits for its share"),
            "request-submitted": t("submitted"),
            "request-review": t("under review"),
            "request-approved": t("approved"),
            "request-applying": t("being set up"),
            "emergency-applying": t("being made real"),
            "emergency-going_back": t("being taken back"),
            "scheduled": t("scheduled"),
            "soaking": t("soaking"),
            "rolling_back": t("rolling back"),
            "catching_up": t("catching up"),
            "touching": t("being changed"),
            "installed": t("changed, not measured yet"),
            "sending": t("being handed over"),
        },
        "held": {
            "stopped": t("stopped"),
            "kept": t("kept"),
            "coming": t("to come"),
            "withdrawn": t("withdrawn"),
            "former": t("former"),
            "left": t("left"),
            "opened": t("opened"),
            "over": t("over"),
            "lifted": t("lifted"),
            "down": t("down"),
            "request-withdrawn": t("withdrawn"),
            "going-frozen": t("frozen"),
            "paused": t("paused"),
        },
        "none": {
            "going-off": t("switched off"),
            "listed": t("listed"),
            "shipped": t("as shipped"),
            "none": t("none"),
            "expired": t("expired"),
            "ended": t("ended"),
            "machine-observed": t("observed only"),
            "machine-unmanaged": t("not enrolled"),
            "request-draft": t("draft"),
            "emergency-gone_back": t("taken back"),
            "off": t("off"),
            "draft": t("draft"),
            "untouched": t("not touched yet"),
            "removed_from": t("retired meanwhile"),
            "returned": t("as before"),
            "rolled_back": t("rolled back"),
        },
    }
)


def state_word(state: str) -> Text | str:
    """The word of a state within a sentence; one that has none is said as it is."""
    return STATES[state][1] if state in STATES else state
