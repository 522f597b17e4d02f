"""`gasp explain`: everything known about one thing, for a person on call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click

from control_plane.cli.app import App
from control_plane.cli.base import Command, argument
from control_plane.cli.listing import Column, listing_options, plain, show_one
from control_plane.cli.terminal import clean, moment, pad, sentence, state_mark
from control_plane.model.client import Json
from control_plane.model.naming import cause_words
from control_plane.model.text import Text, t, tn

COLUMNS = (
    Column("type", t("TYPE")),
    Column("id", t("ID")),
    Column("title", t("NAME")),
    Column("tenant", t("TENANT")),
    Column("offering", t("OFFERING")),
    Column("state", t("STATE"), show="state"),
    Column("since", t("SINCE"), show="time"),
)


@click.command(
    cls=Command,
    sentence=t(
        "Explain one thing: who asked, what should be, what is, what changed last.\n"
        "SUBJECT is a tenant code, host name, address, DN, URL, uid or the id of a resource."
    ),
    examples=(
        ("gasp explain fgw.qingdao.test", t("who owns a name, and whether it is as it should be")),
        ("gasp explain 10.94.17.10", t("whose machine an address is")),
    ),
)
@argument("subject", help=t("What to explain."))
@listing_options
@click.pass_obj
def explain(app: App, subject: str) -> None:
    """`gasp explain SUBJECT`."""
    answer = app.client.explain(subject)
    show_one(answer, lambda: app.out("\n".join(_lines(app, answer))), rows="matches", columns=COLUMNS)


def _lines(app: App, answer: Json) -> Iterator[str]:
    for number, match in enumerate(answer["matches"]):
        if number:
            yield ""
        yield from _match(app, match)
    if answer.get("more"):
        yield ""
        yield sentence(
            tn(
                "{count} more match; give a longer name.",
                "{count} more matches; give a longer name.",
                count=answer["more"],
            )
        )


def _match(app: App, match: Mapping[str, Any]) -> Iterator[str]:
    mark, style = state_mark(str(match["state"]))
    yield f"{app.paint(clean(str(match['title'])), 'bold')}  {clean(str(match['type']))}  {app.paint(mark, style)}"
    rows: list[tuple[Text, str]] = [(t("id"), clean(str(match["id"])))]
    if match.get("tenant") and match["type"] != "tenant":
        owner = "/".join(str(part) for part in (match["tenant"], match.get("offering")) if part)
        rows.append((t("belongs to"), clean(owner)))
    if match.get("asked_by"):
        rows.append((t("asked by"), _asked(match["asked_by"])))
    desired, observed = match.get("desired") or {}, match.get("observed") or {}
    if desired and desired == observed:
        rows.append((t("should be and is"), _facts(desired)))
    else:
        rows.append((t("should be"), _facts(desired)))
        rows.append((t("is"), _facts(observed)))
    if match.get("since"):
        rows.append((t("since"), moment(match["since"])))
    if match.get("last_change"):
        rows.append((t("changed last"), _change(match["last_change"])))
    if match.get("next"):
        rows.append((t("next"), clean(str(match["next"]))))
    width = max(len(pad(str(name), 16)) for name, _ in rows)
    for name, text in rows:
        first, *more = text.split("\n")
        yield f"  {pad(str(name), max(width, 16))}  {first}"
        yield from (" " * (max(width, 16) + 4) + line for line in more)


def _asked(asked: Any) -> str:
    if isinstance(asked, Mapping):
        return sentence(
            t(
                "{actor}, {at}, by {cause}",
                actor=asked.get("actor", "–"),
                at=moment(asked.get("at")),
                cause=cause_words(str(asked.get("cause", "–"))),
            )
        )
    return clean(str(asked))


def _change(change: Mapping[str, Any]) -> str:
    return sentence(
        t(
            "{action} in run {run}, {at}, by {actor}",
            action=change.get("action", "–"),
            run=change.get("run", "–"),
            at=moment(change.get("at")),
            actor=change.get("actor", "–"),
        )
    )


def _facts(facts: Any) -> str:
    if not isinstance(facts, Mapping) or not facts:
        return plain(facts)
    return "\n".join(f"{clean(str(key))}: {plain(value)}" for key, value in facts.items())
