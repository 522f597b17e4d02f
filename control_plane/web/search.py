"""One box over everything that this person may see, and the explanation of one thing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from flask import Blueprint, render_template, request, url_for

from control_plane.model.client import Json
from control_plane.model.errors import ControlPlaneError, NotFound
from control_plane.model.people import Act
from control_plane.model.pinyin import sounds
from control_plane.model.text import Text, t
from control_plane.web import door, show
from control_plane.web.door import needs
from control_plane.web.plans import WORDS
from control_plane.workflow import access
from control_plane.workflow.request_plans import KINDS

pages = Blueprint("search", __name__)
LIMIT = 20
#: What is compared is named here: never a field that holds, or came from, a secret.
FIELDS = {
    "tenants": ("code", "name_zh", "name_en"),
    "sites": ("site", "title", "names"),
    "accounts": ("uid", "name"),
    "hosts": ("name", "ipv4", "ipv6", "role"),
}
Hit = tuple[str, str, str]
#: How a hit is shown: what it is called, what it is, its address.
HITS: Mapping[str, Callable[[Json], Hit]] = {
    "tenants": lambda row: (
        row["code"],
        f"{row['name_zh']} · {row['name_en'] or ''}",
        url_for("tenants.tenant", code=row["code"]),
    ),
    "sites": lambda row: (row["site"], row["title"], url_for("sites.sites", q=row["site"])),
    "accounts": lambda row: (
        row["uid"],
        f"{row['name']} · {row['tenant']}",
        url_for("accounts.person", code=row["tenant"], uid=row["uid"]),
    ),
    "hosts": lambda row: (
        row["name"],
        f"{show.HOST_ROLES.get(row['role'], row['role']) or '–'} · {row['ipv4'] or '–'}",
        url_for("hosts.host", name=row["name"]),
    ),
    "requests": lambda row: (
        row["reference"],
        f"{row['title']} · {row['action_title']} · {row['tenant_name']}",
        url_for(
            "requests.review" if access.allows(door.person(), Act.SIGN) else "requests.request_page",
            reference=row["reference"],
        ),
    ),
    "runs": lambda run: (str(run["id"]), run["sentence"], url_for("runs.run", number=run["id"])),
}


@pages.get("/console/search")
@needs(Act.SEE_TENANT)
def search() -> Any:
    """Tenants, sites, people, hosts and runs with this text, also by pinyin, and the request of that reference."""
    text = request.args.get("q", "").strip()[:200]
    groups = []
    for title, found, shown in _find(text) if text else ():
        if found:
            groups.append((title, [shown(row) for row in found[:LIMIT]], len(found)))
    return render_template("search.html", text=text, groups=groups)


def _find(text: str) -> Iterator[tuple[Text, list[Json], Callable[[Json], Hit]]]:
    """Each group with its rows and how one of them is shown."""
    client = door.client()
    for title, kind, rows in (
        (t("Tenants"), "tenants", door.rows("tenants")),
        (t("Websites"), "sites", door.rows("sites")),
        (t("Accounts"), "accounts", door.rows("accounts")),
        (t("Hosts and machines"), "hosts", door.in_sight(client.hosts())),
    ):
        yield title, _matching(rows, kind, text), HITS[kind]
    yield t("Requests"), _called(text), HITS["requests"]
    if access.allows(door.person(), Act.SEE_ESTATE) and (text.isdecimal() or len(text) >= 6):
        runs = [
            run
            for run in client.runs(limit=200)
            if text == str(run["id"]) or (len(text) >= 6 and (run["digest"] or "").startswith(text.lower()))
        ]
        yield t("Runs"), runs, HITS["runs"]


def _called(text: str) -> list[Json]:
    """The request of this reference, if it may be seen."""
    if not text.upper().startswith("R-"):
        return []
    try:
        return [door.client().requests.show(text)]
    except NotFound:
        return []


def _matching(rows: list[Json], kind: str, text: str) -> list[Json]:
    wanted, fields = text.lower(), FIELDS[kind]

    def words(row: Json) -> str:
        values = (row.get(field) or "" for field in fields)
        return "\n".join(value if isinstance(value, str) else "\n".join(value) for value in values).lower()

    found = [row for row in rows if wanted in (said := words(row)) or sounds(said, wanted)]
    return sorted(found, key=lambda row: all(row.get(field) != text for field in fields))


#: What the things are that the page of one thing tells of.
TYPES: Mapping[str, Text] = {
    **KINDS,
    "tenant": t("tenant"),
    "host": t("host"),
    "foreign": t("foreign"),
}


@pages.get("/console/explain")
@needs(Act.SEE_ESTATE)
def explain() -> Any:
    """Who asked for one thing, what should be, what is, what changed last. Looks at the real system."""
    subject = request.args.get("subject", "").strip()[:300]
    if not subject:
        return render_template("explain.html", subject="", answer=None, error=None)
    try:
        answer = door.client().explain(subject)
    except ControlPlaneError as error:
        return render_template("explain.html", subject=subject, answer=None, error=error), 404
    return render_template("explain.html", subject=subject, answer=answer, error=None, actions=WORDS, kinds=TYPES)
