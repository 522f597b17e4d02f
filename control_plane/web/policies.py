"""What the centre decides for everybody's internet access: its rules and categories in revisions, and who has which.

A revision is proposed by a form over the newest one and touches nobody; a rollout brings it, ring by ring.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template, request, url_for
from markupsafe import Markup

from control_plane.model.client import Json
from control_plane.model.errors import ControlPlaneError, StalePlan
from control_plane.model.internet import SERVICE
from control_plane.model.internet_words import ACTIONS, CATEGORIES, DAYS
from control_plane.model.people import Act
from control_plane.model.text import Text, language, t
from control_plane.web import door, jobs, show
from control_plane.web.door import needs
from control_plane.web.services import services
from control_plane.web.tables import Column, Row, Table

pages = Blueprint("policies", __name__)
#: Lists of a policy, in the order in which they are tried.
PLACES: dict[str, Text] = {
    "first": t("before the rules of departments"),
    "last": t("after the rules of departments"),
}
#: Fields of the rule in the form, by where they lie in a rule.
FIELDS = ("name", "action", "category", "hosts", "days", "begin", "end", "since", "zh", "en")


def _rollouts(row: Row) -> Markup | str:
    links = [
        Markup('<a href="{}">{}</a>').format(url_for("rollouts.rollout", number=one), one) for one in row["rollouts"]
    ]
    return Markup(", ").join(links) if links else show.NOTHING


COLUMNS = (
    Column("number", t("Revision"), "id", lambda row: url_for("policies.policy", number=row["number"])),
    Column("state", t("State"), "state", filter=True),
    Column("count", t("Departments"), "number"),
    Column("at", t("Made"), "time"),
    Column("by", t("Who"), "who", filter=True),
    Column("reason", t("Reason")),
    Column("rollouts", t("Rollouts"), draw=_rollouts),
)


@pages.get("/console/policies")
@needs(Act.SEE_ESTATE)
def policies() -> Any:
    """The revisions, and what the one says that new departments begin with."""
    client = door.client().policies
    rows = client.list()
    current = next((row["number"] for row in rows if row["state"] == "finished"), 0)
    table = Table(
        COLUMNS, rows, request.args, caption=t("Revisions"), empty=t("There is no revision."), now=services().clock(),
    )  # fmt: skip
    return render_template("policies.html", table=table, newest=rows[0]["number"], **_content(client.show(current)))


@pages.get("/console/policies/<int:number>")
@needs(Act.SEE_ESTATE)
def policy(number: int) -> Any:
    """One revision: what it changed, who has it, its rules and categories."""
    return _page(number)


@pages.post("/console/policies/<int:number>")
@needs(Act.ROLLOUTS)
def roll_out(number: int) -> Any:
    """Make the draft of its rollout, which is begun on its own page."""
    door.client().policies.show(number)
    form = {key: value.strip() for key, value in request.form.items()}
    order = {
        "kind": "configuration", "offering": SERVICE, "policy": number, "reason": form.get("reason", ""),
        "tenants": form.get("tenants", "").replace(",", " ").split(),
        "thresholds": {"soak": form["soak"]} if form.get("soak") else {},
        "ignore_windows": form.get("ignore_windows") or None,
    }  # fmt: skip
    try:
        job = jobs.place("rollout_create", str(t("Revision {number}", number=number)), order=order)
    except ControlPlaneError as error:
        return _page(number, error), 422
    if job["error"]:
        return _page(number, job["error"]), 422
    return jobs.there(job, "rollouts.rollout", number=job["answer"]["rollout"])


@pages.get("/console/policies/new")
@needs(Act.ROLLOUTS)
def new() -> Any:
    """The form over the newest revision; `rule` names one that is to be changed."""
    return _form(_filled(request.args.get("rule", "")))


@pages.post("/console/policies/new")
@needs(Act.ROLLOUTS)
def make() -> Any:
    """Show what would change, or make the revision."""
    client, given = door.client().policies, request.form
    based_on = _number(given.get("based_on", ""))
    known = any(row["number"] == based_on for row in client.list())
    wanted, place = _wanted(client.show(based_on if known else None)["policy"])
    try:
        if given.get("act") != "make":
            return _form(given, preview=client.preview(wanted, based_on=based_on))
        reason = given.get("reason", "").strip()
        job = jobs.place("policy_add", reason[:60] or "–", policy=wanted, reason=reason, based_on=based_on)
    except ControlPlaneError as error:
        problems = [{"text": p.text, "remedy": p.remedy, "field": p.field} for p in error.problems]
        told = {"code": error.code, "text": error.text, "hint": error.hint, "problems": problems}
        return _form(given, _placed(told, place)), _status(told)
    if job["error"]:
        return _form(given, _placed(job["error"], place)), _status(job["error"])
    return jobs.there(job, "policies.policy", number=job["answer"]["number"])


# the form ---------------------------------------------------------------------------------------------------------
def _filled(name: str) -> Json:
    """The form with the lists of the newest revision, and with one of its rules."""
    newest = door.client().policies.show()
    lists = newest["policy"]["categories"]
    given: Json = {f"categories.{category}": "\n".join(lists[category]) for category in CATEGORIES}
    given |= {"based_on": newest["number"], "since": _today()}
    for place in PLACES:
        for rule in newest["policy"].get(place, ()):
            if rule["name"] == name:
                hours, said = rule.get("hours") or {}, rule["reason"]
                given |= {
                    **{field: rule.get(field) or "" for field in ("name", "action", "category", "since")},
                    **{"place": place, "hosts": "\n".join(rule.get("hosts") or ())},
                    **{"days": hours.get("days", ""), "begin": hours.get("begin", ""), "end": hours.get("end", "")},
                    **{"zh": said["zh"], "en": said["en"]},
                }
    return given


def _wanted(newest: Json) -> tuple[Json, str | None]:
    """The policy that the form makes of the newest one, and where its rule lies in it (None: it names none)."""
    form = {key: value.strip() for key, value in request.form.items()}
    name, place = form.get("name", ""), form.get("place", "")
    place = place if place in PLACES else "first"
    gone = set(request.form.getlist("ends"))
    kept = {one: [rule for rule in newest.get(one, ()) if rule["name"] not in gone] for one in PLACES}
    lists = {category: form.get(f"categories.{category}", "").replace(",", " ").split() for category in CATEGORIES}
    where = None
    if any(form.get(field) for field in ("name", "hosts", "category", "zh", "en")):
        there = [rule["name"] for rule in kept[place]]
        index = there.index(name) if name in there else len(there)
        kept = {one: [r for r in rules if r["name"] != name] for one, rules in kept.items()}
        kept[place].insert(index, _rule(form, name))
        where = f"{place}[{index}]"
    return {**kept, "categories": lists}, where


def _rule(form: Json, name: str) -> Json:
    hours = {field: form[field] for field in ("days", "begin", "end") if form.get(field)}
    rule = {
        "name": name,
        "action": form.get("action", ""),
        "hosts": form.get("hosts", "").replace(",", " ").split(),
        "category": form.get("category") or None,
        "hours": hours or None,
        "since": form.get("since", ""),
        "reason": {"zh": form.get("zh", ""), "en": form.get("en", "")},
    }
    return {field: value for field, value in rule.items() if value not in (None, [])}


def _placed(error: Json, place: str | None) -> Json:
    """An error whose problems name fields of the form."""
    return {**error, "problems": [{**p, "field": _field(p["field"] or "", place)} for p in error["problems"]]}


def _status(error: Json) -> int:
    return 409 if error["code"] == StalePlan.code else 422


def _field(field: str, place: str | None) -> str:
    """The field of the form that a field of the policy is: `last[2].reason.zh` → `zh`, `categories.video[7]` →
    `categories.video`."""
    if field.startswith("categories."):
        return field.partition("[")[0]
    if place is not None and f"{field}.".startswith(f"{place}."):
        leaf = field.removeprefix(place).lstrip(".").partition("[")[0].rpartition(".")[2]
        return leaf if leaf in FIELDS else {"hours": "begin", "reason": "zh"}.get(leaf, "hosts")
    return "name" if not field or field.startswith(tuple(PLACES)) else field


def _form(given: Any, error: Any = None, preview: Json | None = None) -> Any:
    newest = door.client().policies.show()
    return render_template(
        "policy-new.html",
        given=given,
        error=error,
        preview=preview,
        ends=set(request.form.getlist("ends")),
        places=PLACES,
        actions=ACTIONS,
        categories=CATEGORIES,
        **_content(newest),
    )


# what a revision says ---------------------------------------------------------------------------------------------
def _page(number: int, error: Any = None) -> Any:
    client = door.client().policies
    found = client.show(number)
    going = next((row for row in client.list() if row["state"] == "going_out"), None)
    return render_template("policy.html", error=error, going=going, **_content(found))


def _content(found: Json) -> Json:
    """A revision with its rules and categories in words of the reader's language."""
    body = found["policy"]
    return {
        "revision": found,
        "rules": [_worded(rule, place) for place in PLACES for rule in body.get(place, ())],
        "lists": [(name, CATEGORIES[name], body["categories"][name]) for name in CATEGORIES],
    }


def _worded(rule: Json, place: str) -> Json:
    hours, said = rule.get("hours"), rule["reason"]
    other = said["en"] if language() != "zh_CN" else ""
    category = rule.get("category")
    return {
        "name": rule["name"],
        "place": PLACES[place],
        "word": ACTIONS[rule.get("action", "block")],
        "category": CATEGORIES.get(category or "", category),
        "hosts": rule.get("hosts", ()),
        "when": _when(hours) if hours else t("always"),
        "since": rule["since"],
        "reason": other or show.foreign(said["zh"]),
    }


def _when(hours: Json) -> str:
    days = [str(DAYS[day]) for day in DAYS if day in hours.get("days", "".join(DAYS))]
    return f"{' '.join(days)} {hours['begin']}–{hours['end']}"


def _today() -> str:
    return services().clock().astimezone(show.ZONE).date().isoformat()


def _number(text: str) -> int:
    """The revision that the form was made of; 0 for what is no number, which is refused as older."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
