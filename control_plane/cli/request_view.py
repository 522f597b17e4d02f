"""How a request looks on the command line: a row of a list, the whole of it, its plan, what it would do.

Must not ask or change anything: that is `requests`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from control_plane.cli.app import App
from control_plane.cli.listing import Column, show_list, show_one
from control_plane.cli.looking import facts
from control_plane.cli.terminal import clean, moment, sentence, state_mark
from control_plane.model.client_requests import Json
from control_plane.model.field_words import field_words
from control_plane.model.text import Text, t

COLUMNS = (
    Column("reference", t("REQUEST")),
    Column("tenant", t("TENANT")),
    Column("title", t("SERVICE")),
    Column("action_title", t("ACTION")),
    Column("state_title", t("STATE")),
    Column("has_it.text", t("WHOSE TURN")),
    Column("due", t("DUE"), show="time"),
    Column("overdue", t("OVERDUE"), wide=True),
    Column("class_title", t("CLASS"), wide=True),
    Column("asker_name", t("ASKED BY"), wide=True),
    Column("submitted_at", t("SUBMITTED"), wide=True, show="time"),
    Column("run", t("RUN"), wide=True, show="id"),
    Column("note", t("NOTE"), wide=True),
)
BLOCKS = (
    Column("viewed", t("LOOKED AT")),
    Column("block", t("PART")),
    Column("title", t("WHAT")),
    Column("counts.delete", t("DELETE")),
    Column("counts.update", t("UPDATE")),
    Column("counts.create", t("CREATE")),
    Column("counts.conflict", t("IN THE WAY"), wide=True),
    Column("changed_since", t("CHANGED SINCE"), wide=True),
    Column("viewed_at", t("LOOKED AT ON"), wide=True, show="time"),
)
MARKS = {"done": "●", "now": "◌", "next": "○", "stopped": "✖"}


def show(app: App, row: Json) -> None:
    """One request, in the form that was asked for."""

    def draw() -> None:
        shape, style = state_mark(f"request-{row['state']}")
        app.out(app.paint(f"{row['reference']}  {clean(row['title'])}  {shape}", style))
        app.out("  ".join(f"{MARKS[step['state']]} {clean(step['title'])}" for step in row["steps"]))
        app.out(sentence(t("{sentence} {next}", sentence=row["sentence"], next=row["next"])))
        if row["why"]:
            app.out(app.paint(sentence(t("{why}", why=row["why"])), "bold"))
        facts(app, row, COLUMNS[1:])
        for word in row["words"]:
            app.out(f"  {clean(word)}")
        for need in row["needs"]:
            app.out(sentence(t("Signoff {role}: {state}", role=need["title"], state=sentence(_signed(need)))))
        say_problems(app, row["problems"])
        for line in row["conversation"]:
            who = line["by_name"] or str(t("the control plane"))
            said = {"at": moment(line["at"]), "who": who, "what": line["title"]}
            about = f" ({sentence(_about(line['about']))})" if line["about"] else ""
            text = f": {clean(line['text'])}" if line["text"] else ""
            app.out(f"{sentence(t('{at}  {who} {what}', **said))}{about}{text}")

    show_one(row, draw, name="reference")


def _about(about: Json) -> Text:
    if about["now"]:
        return t("about {part}", part=about["title"])
    return t("about {part} of an earlier preview", part=about["title"])


def _signed(need: Json) -> Text:
    if not need["by"]:
        return t("open")
    said = {"by": need["by_name"], "at": moment(need["at"])}
    if need["letter"]:
        return t("{letter} Recorded by {by}, {at}", letter=need["letter"], **said)
    if need["for_name"]:
        return t("signed by {by} for {person}, {at}", person=need["for_name"], **said)
    return t("signed by {by}, {at}", **said)


def say_problems(app: App, problems: Sequence[Json]) -> None:
    """Everything that is wrong with its form."""
    for problem in problems:
        said = {
            "field": field_words(problem["pointer"]) if problem["pointer"] else "–",
            "detail": problem["detail"],
            "remedy": problem["remedy"] or "",
        }
        app.out(app.paint(sentence(t("{field}: {detail} {remedy}", **said)), "yellow"))


def show_parts(rows: Sequence[Json]) -> None:
    """The parts of its plan."""
    show_list(rows, BLOCKS, empty=t("There is no plan to read yet."), name="block")


def counted_words(row: Json) -> Text:
    """What the rows of a table would do to a list."""
    counts = {name: row[name] for name in ("added", "changed", "same")}
    return t("{list}: {added} new, {changed} changed, {same} as they are.", list=row["list"], **counts)


def say_preview(app: App, seen: Json, say: Callable[[str], None]) -> None:
    """What it would change, who signs, and when it is due."""
    for word in seen["words"] or [str(t("Nothing changes on any system."))]:
        say(clean(word))
    for text in (seen["class_sentence"], *seen["reasons"]):
        say(clean(text))
    for need in seen["needs"]:
        names = ", ".join(need["names"]) or str(t("nobody holds this role"))
        say(sentence(t("Signs: {role} ({names})", role=need["title"], names=names)))
    say(sentence(t("Due {at}.", at=moment(seen["due"]))))
