"""What the last looks at promises and at real systems found that somebody should know, each with the time of its look.

What could not be measured is counted apart: nobody knows whether it is good."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from flask import url_for

from control_plane.model.client import Json
from control_plane.model.text import Text, tn
from control_plane.web import show
from control_plane.web.services import services

#: (tone, sentence, address).
Need = tuple[str, Text, str]
_UNKEPT = tn(
    "{count} promise was not kept on {when}: {tenants}.", "{count} promises were not kept on {when}: {tenants}."
)
_UNMEASURED = tn(
    "{count} promise could not be measured on {when}: {tenants}.",
    "{count} promises could not be measured on {when}: {tenants}.",
)
_BY_HAND = tn(
    "{count} thing was changed by hand, as seen on {when}: {tenants}.",
    "{count} things were changed by hand, as seen on {when}: {tenants}.",
)
_UNSEEN = tn(
    "{count} system could not be seen on {when}: {parts}.", "{count} systems could not be seen on {when}: {parts}."
)


def promises() -> list[Need]:
    """Those that are not kept, and those of which nobody knows."""
    look, found = services().looks.last("probes:estate"), list[Need]()
    if look is None:
        return found
    when, rows = show.moment(look[0]).striptags(), look[2]
    for tone, sentence, state in (("bad", _UNKEPT, "failed"), ("blind", _UNMEASURED, "unmeasured")):
        touched = [row for row in rows if row["state"] == state]
        if touched:
            said = {"count": len(touched), "when": when, "tenants": codes(row["tenant"] for row in touched)}
            found.append((tone, replace(sentence, params=said), url_for("probes.probes")))
    return found


def hand_made() -> list[Need]:
    """Things that were changed by hand and are not kept on purpose, and systems of which nobody knows."""
    look, found = services().looks.last("drift:estate"), list[Need]()
    if look is None:
        return found
    when, rows = show.moment(look[0]).striptags(), look[2]
    unseen = [row for row in rows if row["action"] == "unmeasured"]
    made: list[Json] = [row for row in rows if row["action"] not in ("unmeasured", "kept")]
    if unseen:
        said = {"count": len(unseen), "when": when, "parts": codes(show.part(row["part"]) for row in unseen)}
        found.append(("blind", replace(_UNSEEN, params=said), url_for("drift.drift")))
    if made:
        said = {"count": len(made), "when": when, "tenants": codes(row["tenant"] for row in made)}
        found.append(("warn", replace(_BY_HAND, params=said), url_for("drift.drift")))
    return found


def codes(named: Iterable[str | None]) -> str:
    """Some names, each once; those beyond six are counted."""
    once = list(dict.fromkeys(name or "–" for name in named))
    return ", ".join(once[:6]) + (f" (+{len(once) - 6})" if len(once) > 6 else "")
