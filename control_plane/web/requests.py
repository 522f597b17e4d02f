"""Requests after they were handed in: the department's list and page, the centre's queue and review."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from markupsafe import Markup

from control_plane.model.client import Json
from control_plane.model.errors import ControlPlaneError, Invalid, NotFound, Problem, StalePlan
from control_plane.model.people import Act
from control_plane.model.request import MOST_LISTED, TITLES
from control_plane.model.text import Text, t
from control_plane.web import door, exporting, show
from control_plane.web.asking import answers_of, client_files, form_of
from control_plane.web.door import needs
from control_plane.web.plans import SIGNS, WORDS, difference
from control_plane.web.services import services
from control_plane.web.states import mark
from control_plane.web.tables import Column, Row, Table
from control_plane.workflow import access

pages = Blueprint("requests", __name__)
DONE: dict[str, Text] = {
    "submitted": t("It is handed in. You need do nothing now; you are told when something happens."),
    "agreed": t("It is agreed on beforehand and on its way; this page follows it."),
    "kept": t("Your answers are kept. Nothing is handed in yet."),
    "locked": t("It cannot be changed now."),
    "withdrawn": t("It is taken back; nothing was changed."),
    "commented": t("Your message is there."),
    "sign": t("Your signature counts."),
    "letter": t("The letter counts as the department's signature; another operator signs for the centre."),
    "return": t("The department is asked; the due date waits for its answer."),
    "refuse": t("It is not approved; the department is told why."),
    "retry": t("It is tried again."),
    "mark": t("Marked as looked at; this is for you alone."),
    "unmark": t("Your mark is taken away."),
}
STATES: dict[str, Text] = {state.value: title for state, title in TITLES.items()}
#: Changes of a plan that a review shows unfolded.
SHOWN = 100


def _due(row: Row) -> Markup | str:
    return due(row)


def _named(row: Row) -> Markup:
    return Markup("{}<br><small>{} · {}</small>").format(row["reference"], row["title"], row["action_title"])


def _columns(endpoint: str) -> tuple[Column, ...]:
    return (
        Column("reference", t("Request"), draw=_named, link=lambda row: url_for(endpoint, reference=row["reference"])),
        Column("state", t("State"), filter=True, draw=lambda row: mark(f"request-{row['state']}"), words=STATES),
        Column("tenant_name", t("Department"), draw=lambda row: show.foreign(row["tenant_name"]), filter=True),
        Column("has", t("Who has it"), draw=lambda row: row["has"] or show.NOTHING),
        Column("due", t("Due"), draw=_due),
    )


@pages.get("/portal/requests")
@needs(Act.SEE_TENANT)
def mine() -> Any:
    """Requests of my department."""
    rows, pages_ = _listed()
    table = _table("requests.request_page", rows, t("My requests"))
    notice = DONE.get(request.args.get("said", ""))
    return exporting.page("requests.html", table, title=t("My requests"), notice=notice, **pages_)


@pages.get("/console/requests")
@needs(Act.SEE_TENANT)
def queue() -> Any:
    """What is to be decided, the earliest due date first."""
    signs = access.allows(door.person(), Act.SIGN)
    everything = bool(request.args.get("all")) or not signs
    rows, pages_ = _listed(waiting_for_me=not everything)
    rows = [row for row in rows if row["state"] != "draft"]
    rows.sort(key=lambda row: (row["finished_at"] is not None, row["due"] or "9", row["id"]))
    table = _table("requests.review", rows, t("Requests"), t("No request waits for you.") if not everything else None)
    return exporting.page("requests.html", table, title=t("Requests"), signs=signs, everything=everything, **pages_)


def _listed(**only: Any) -> tuple[list[Json], Json]:
    """Requests from where the address says, and what the page says of older ones."""
    before = request.args.get("before") or None
    rows = door.client().requests.list(before=before, **only)
    older = rows[-1]["reference"] if len(rows) >= MOST_LISTED else None
    return rows, {"before": before, "older": older, "most": MOST_LISTED}


def _table(endpoint: str, rows: list[Json], caption: Text, empty: Text | None = None) -> Table:
    table = Table(
        _columns(endpoint),
        [{**row, "has": row["has_it"]["text"]} for row in rows],
        request.args,
        caption=caption,
        empty=empty or t("There are no requests yet."),
        now=services().clock(),
    )
    table.keep = {name: request.args[name] for name in ("all", "before") if request.args.get(name)}
    return table


@pages.get("/portal/requests/<reference>")
@needs(Act.SEE_TENANT)
def request_page(reference: str) -> Any:
    """One request as its department sees it."""
    return _request(door.client().requests.show(reference))


@pages.post("/portal/requests/<reference>")
@needs(Act.ASK)
def speak(reference: str) -> Any:
    """Answer, write, or take it back."""
    client, act = door.client().requests, request.form.get("act", "")
    row, text = client.show(reference), request.form.get("text", "").strip()
    try:
        _wanted(text, act, ("answer", "comment"))
        if act == "answer":
            client.answer(row["id"], text=text)
        elif act == "comment":
            client.comment(row["id"], text=text)
        elif act == "withdraw":
            client.withdraw(row["id"], reason=text)
        else:
            raise NotFound(t("There is no such act."))
    except ControlPlaneError as error:
        return _request(client.show(reference), error, text, act), 422
    done = {"answer": "submitted", "comment": "commented", "withdraw": "withdrawn"}[act]
    return redirect(url_for("requests.request_page", reference=row["reference"], said=done), 303)


def _request(row: Json, error: ControlPlaneError | None = None, text: str = "", act: str = "") -> str:
    return render_template(
        "request.html",
        row=row,
        answers=answers_of(row),
        files=client_files(row),
        error=error,
        text=text,
        act=act,
        due=due(row),
        notice=DONE.get(request.args.get("said", "")),
        first=form_of(row).first().name,
    )


@pages.get("/console/requests/<reference>")
@needs(Act.SEE_TENANT)
def review(reference: str) -> Any:
    """The change itself beside its form, signatures, and the buttons."""
    return review_page(door.client().requests.show(reference))


@pages.post("/console/requests/<reference>")
@needs(Act.SIGN)
def decide(reference: str) -> Any:
    """Sign what was shown, ask back, refuse with a reason, write, or try again."""
    client, form = door.client().requests, request.form
    row, text = client.show(reference), form.get("text", "").strip()
    act, _, role = form.get("act", "").partition(":")
    about = {"block": form.get("block") or None, "content": form.get("content") or None}
    try:
        _wanted(text, act, ("return", "refuse", "comment"))
        if act == "sign":
            client.sign(row["id"], digest=form.get("digest", ""), role=role or None, note=text)
        elif act == "return":
            client.send_back(row["id"], reason=text, **about)
        elif act == "refuse":
            client.refuse(row["id"], reason=text)
        elif act == "comment":
            client.comment(row["id"], text=text, **about)
        elif act in ("mark", "unmark"):
            client.mark(row["id"], block=about["block"] or "", content=about["content"], viewed=act == "mark")
        elif act == "retry":
            client.retry(row["id"])
        else:
            raise NotFound(t("There is no such act."))
    except StalePlan as error:
        return review_page(client.show(reference), error, text, about["block"]), 409
    except ControlPlaneError as error:
        return review_page(client.show(reference), error, text, about["block"]), 422
    done = "commented" if act == "comment" else act
    place = form.get("place", "") if act in ("mark", "unmark") else ""
    anchor = f"block-{place}" if place.isascii() and place.isdigit() else None
    return redirect(url_for("requests.review", reference=row["reference"], said=done, _anchor=anchor), 303)


@pages.post("/console/requests/<reference>/letter")
@needs(Act.SIGN)
def letter(reference: str) -> Any:
    """Record the department's stamped letter as its signature."""
    client, form = door.client().requests, request.form
    row = client.show(reference)
    given = {field: form.get(field, "") for field in ("number", "date", "brought_by", "note")}
    try:
        client.letter(row["id"], digest=form.get("digest", ""), **given)
    except StalePlan as error:
        return review_page(client.show(reference), error), 409
    except ControlPlaneError as error:
        return review_page(client.show(reference), error), 422
    return redirect(url_for("requests.review", reference=row["reference"], said="letter"), 303)


def _wanted(text: str, act: str, acts: tuple[str, ...]) -> None:
    if act in acts and not text:
        missing = t("Write a sentence: the other side reads it."), t("Then press the button again.")
        raise Invalid([Problem("missing-field", *missing, field="text")])


def review_page(
    row: Json, error: ControlPlaneError | Json | None = None, text: str = "", block: str | None = None
) -> str:
    """The change itself; `text` is what was typed: about all of it, or about one `block` of the plan."""
    changes: list[Json] = []
    blocks: list[Json] = []
    plan = None
    if row["plan_digest"]:
        try:
            plan = door.client().get_plan(row["plan_digest"])
            blocks = door.client().requests.blocks(row["id"])
            changes = [plan["changes"][place] for one in blocks for place in one["changes"]]
        except NotFound:
            plan = None
    return render_template(
        "review.html",
        row=row,
        answers=answers_of(row),
        files=client_files(row),
        plan=plan,
        blocks=_drawn(blocks, changes),
        count=len(changes),
        hidden=max(0, len(changes) - SHOWN),
        titles={need["role"]: need["title"] for need in row["needs"]},
        signs=SIGNS,
        words=WORDS,
        error=error,
        text=text,
        block=block,
        due=due(row),
        notice=DONE.get(request.args.get("said", "")),
    )


def _drawn(blocks: list[Json], changes: list[Json]) -> list[Json]:
    """Blocks with their changes as lines; only the first `SHOWN` of all changes are drawn."""
    drawn, first = [], 0
    for block in blocks:
        count = len(block["changes"])
        shown = changes[first : min(first + count, SHOWN)]
        first += count
        drawn.append({**block, "count": count, "shown": [{**c, "lines": difference(c)} for c in shown]})
    return drawn


def due(row: Row) -> Markup | str:
    """When it is due, in words: paused, provisional, overdue."""
    if row["due_paused"]:
        return mark("paused")
    if not row["due"]:
        return show.NOTHING
    when = show.moment(row["due"])
    if row["overdue"]:
        return Markup('<span class="bad">{}</span> {}').format(when, mark("late"))
    if row["due_provisional"]:
        return Markup("{} <small>{}</small>").format(
            when, t("provisional: the holidays of that year are not known yet")
        )
    return when
