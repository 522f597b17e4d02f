"""One page for the director, made to be printed on A4: who has which service, what is overdue and with whom, and what
may go wrong. Asks no outside system; what nobody has looked at is said, never counted as good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from flask import Blueprint, render_template, url_for

from control_plane.model.client import Json
from control_plane.model.people import Act
from control_plane.model.request import OPEN
from control_plane.model.text import Text, language, t, tn
from control_plane.web import door, show
from control_plane.web.door import needs
from control_plane.web.seen import Need, codes, hand_made, promises
from control_plane.web.services import services

pages = Blueprint("director", __name__)
#: Columns of the matrix beside each other, and lines of each list; what is left out is counted.
COLUMNS, LINES = 4, 6
#: How risks are marked, worst first.
TONES = ("bad", "warn", "blind", "held")
#: Count of a tenant's machines → what it means; {count} and {tenants}.
MACHINES: Sequence[tuple[str, str, Text]] = (
    (
        "findings",
        "bad",
        tn(
            "{count} finding of the antivirus is open: {tenants}.",
            "{count} findings of the antivirus are open: {tenants}.",
        ),
    ),
    ("overdue", "bad", tn("{count} patch is overdue: {tenants}.", "{count} patches are overdue: {tenants}.")),
    (
        "unprotected",
        "bad",
        tn("{count} machine is not protected: {tenants}.", "{count} machines are not protected: {tenants}."),
    ),
    (
        "not_scanned",
        "warn",
        tn(
            "{count} machine was not scanned lately: {tenants}.", "{count} machines were not scanned lately: {tenants}."
        ),
    ),
    (
        "silent",
        "blind",
        tn("{count} machine does not answer: {tenants}.", "{count} machines do not answer: {tenants}."),
    ),
)


@pages.get("/console/director")
@needs(Act.SEE_ESTATE)
def director() -> Any:
    """The page."""
    client = door.client()
    tenants = [row for row in door.rows("tenants") if row["subscriptions"]]
    going = client.requests.list(states=[state.value for state in OPEN])
    late = sorted((row for row in going if row["overdue"]), key=lambda row: (row["due"], row["id"]))
    found = risks()
    return render_template(
        "director.html",
        at=services().clock(),
        offered=offered(tenants),
        blocks=blocks(tenants),
        idle=sum(1 for row in door.rows("tenants") if not row["subscriptions"]),
        called=called,
        late=late[:LINES],
        more_late=max(0, len(late) - LINES),
        risks=found[:LINES],
        more_risks=max(0, len(found) - LINES),
        figures=(
            (t("Tenants with services"), len(tenants)),
            (t("Services"), sum(len(row["subscriptions"]) for row in tenants)),
            (t("Requests overdue"), len(late)),
            (t("Risks"), len(found)),
        ),
    )


def called(row: Json) -> str:
    """A tenant in few characters."""
    return str((row["short_zh"] or row["name_zh"]) if language() == "zh_CN" else row["name_en"] or row["name_zh"])


def offered(tenants: Sequence[Json]) -> list[Json]:
    """Services that somebody has, most first: how many have it, and for how many it waits to be made real."""
    names = {name for row in tenants for name in row["subscriptions"]}
    counted = [
        {
            "offering": name,
            "total": sum(name in row["subscriptions"] for row in tenants),
            "waiting": sum(name in row["pending"] for row in tenants) if operated(name) else 0,
            "operated": operated(name),
        }
        for name in sorted(names)
    ]
    return sorted(counted, key=lambda one: (not one["operated"], -one["total"]))


def operated(offering: str) -> bool:
    """Whether the centre carries the service out; others are only declared."""
    known = services().catalogue.get(offering)
    return known is not None and known.status == "operated"


def blocks(tenants: Sequence[Json]) -> list[Sequence[Json]]:
    """The tenants in columns of nearly one height."""
    height = -(-len(tenants) // COLUMNS)
    return [tenants[begin : begin + height] for begin in range(0, len(tenants), height)] if height else []


def risks() -> list[Need]:
    """(tone, sentence, address), worst first."""
    found = [*promises(), *_rollouts(), *_machines(), *hand_made(), *_freezes(), *_unseen()]
    return sorted(found, key=lambda need: TONES.index(need[0]))


def _rollouts() -> list[Need]:
    return [
        (
            "bad" if row["state"] == "stopped" else "warn",
            t("Rollout {number}: {sentence}", number=row["id"], sentence=row["sentence"]),
            url_for("rollouts.rollout", number=row["id"]),
        )
        for row in door.client().rollouts.list()
        if row["state"] in ("stopped", "waiting")
    ]


def _machines() -> list[Need]:
    rows = door.client().machines.security()
    found: list[Need] = []
    for name, tone, sentence in MACHINES:
        touched = [row for row in rows if row[name]]
        if touched:
            said = {"count": sum(row[name] for row in touched), "tenants": codes(row["tenant"] for row in touched)}
            found.append((tone, replace(sentence, params=said), url_for("security.security")))
    return found


def _freezes() -> list[Need]:
    rows = door.freezes()
    if not rows:
        return []
    oldest = show.moment(min(row["at"] for row in rows)).striptags()
    text = t(
        "Frozen: {scopes}; the oldest since {when}.",
        scopes=codes(str(show.scope(row["scope"])) for row in rows),
        when=oldest,
    )
    return [("held", text, url_for("freezes.freezes"))]


def _unseen() -> list[Need]:
    """What cannot be told, because nobody has looked since the console started."""
    found: list[Need] = []
    if services().looks.last("probes:estate") is None:
        text = t("Promises were not measured since the console was started.")
        found.append(("blind", text, url_for("probes.probes")))
    if services().looks.last("drift:estate") is None:
        text = t("Nobody has looked for hand-made changes since the console was started.")
        found.append(("blind", text, url_for("drift.drift")))
    return found
