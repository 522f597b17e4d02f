"""My websites: upload content, look at its preview, publish it, go back, close for a while.

Uploading changes nothing that anybody sees. Everything else is a request of a kind that is agreed on beforehand: it has
a preview, it is recorded, and it is made real by itself.
"""

from __future__ import annotations

import copy
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for

from control_plane.model.client import Json
from control_plane.model.errors import ControlPlaneError, Invalid, NotFound, Problem, StalePlan
from control_plane.model.names import check_name, to_ascii
from control_plane.model.people import Act
from control_plane.model.site import LARGEST_ARCHIVE
from control_plane.model.text import Text, t
from control_plane.web import door
from control_plane.web.door import needs
from control_plane.workflow import access
from control_plane.workflow.request_begun import untouched

pages = Blueprint("own_sites", __name__)
MOST_NOTE = 200
#: Endings of archives; what is inside is checked whole, whatever its name says.
ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
WORDS: Mapping[str, Text] = {
    "preview": t("Preview of release {release}."),
    "publish": t("Publish release {release}."),
    "starter": t("Go back to the first home page."),
    "close": t("Close {site} for maintenance."),
    "open": t("Open {site} again."),
}


@pages.get("/portal/sites/<code>/<site>")
@needs(Act.SEE_TENANT, tenant="code")
def site(code: str, site: str) -> Any:
    """One site: what is live, what is in preview, what else is stored."""
    return _page(found(code, site))


@pages.post("/portal/sites/<code>/<site>")
@needs(Act.ASK, tenant="code", largest=LARGEST_ARCHIVE)
def change(code: str, site: str) -> Any:
    """Upload, or ask for one of the changes that run by themselves."""
    row = found(code, site)
    act, _, release = request.form.get("act", "").partition(":")
    try:
        if act == "upload":
            return _upload(row)
        if act == "delete":
            door.client().prune_releases(row["site"], release=release)
            return redirect(url_for("own_sites.site", code=code, site=row["site"], deleted=release[:8]), 303)
        reference = asked(row, act, release)
    except ControlPlaneError as error:
        return _page(row, error), 422
    return redirect(url_for("requests.request_page", reference=reference, said="agreed"), 303)


def found(code: str, site: str) -> Json:
    """The row of a site of this department. Raises NotFound, the same whether it is not there or somebody else's."""
    if code not in {row["code"] for row in door.rows("tenants")}:
        access.no_such_tenant(code)
    name, _ = check_name(site, "site")  # as it is read, or as browsers write it
    for row in door.rows("sites"):
        if row["tenant"] == code and row["site"] == name:
            return row
    raise NotFound(t("There is no site “{name}”.", name=site))


def _page(row: Json, error: ControlPlaneError | None = None) -> str:
    new = request.args.get("release", "")
    return render_template(
        "own-site.html",
        site=row,
        releases=door.client().releases(row["site"]),
        room=door.client().room(row["site"]),
        deleted=request.args.get("deleted", "")[:8],
        error=error,
        stored=new if re.fullmatch("[0-9a-f]{32}", new) else None,
        may_ask=access.allows(door.person(), Act.ASK, row["tenant"]),
    )


def _upload(row: Json) -> Any:
    sent = request.files.get("archive")
    name = (sent.filename or "").lower() if sent is not None else ""
    if sent is None or not name:
        raise Invalid([Problem("no-archive", t("No file was chosen."), t("Choose an archive."), field="archive")])
    ending = next((e for e in ENDINGS if name.endswith(e)), None)
    if ending is None:
        remedy = t("Pack the website as one of {endings}.", endings=" ".join(ENDINGS))
        raise Invalid([Problem("no-archive", t("This is no archive."), remedy, field="archive")])
    note = request.form.get("note", "").strip()[:MOST_NOTE]
    with tempfile.TemporaryDirectory(prefix="gasp-upload-") as folder:
        path = Path(folder) / f"upload{ending}"
        with sent.stream:
            sent.save(path)
        stored = door.client().publish_release(row["site"], path, note=note)
    where = {"code": row["tenant"], "site": row["site"], "release": stored["release"]}
    return redirect(url_for("own_sites.site", **where), 303)


def asked(row: Json, act: str, release: str) -> str:
    """A request for one change of content, handed in; its reference."""
    if act not in WORDS:
        raise NotFound(t("There is no such act."))
    known = {stored["release"] for stored in door.client().releases(row["site"])}
    if act in ("preview", "publish") and release not in known:
        raise NotFound(t("There is no such release."))
    client = door.client().requests
    draft = untouched(client, row["tenant"], row["offering"])
    words = Text(WORDS[act].msgid, {"release": release[:8], "site": row["site"]})
    spec = _changed(draft["base"]["spec"], row["site"], act, release)
    version = client.save(draft["id"], spec=spec, note=str(words), version=draft["version"])["version"]
    try:
        digest = client.preview(draft["id"])["digest"]
        if client.show(draft["id"])["version"] != version:
            raise StalePlan(
                t("{request} was saved in another window since you opened it.", request=draft["reference"]),
                t("Open it again; what was saved there is kept."),
            )
        return str(client.submit(draft["id"], digest=digest)["reference"])
    except ControlPlaneError:
        if client.show(draft["id"])["version"] == version:
            client.withdraw(draft["id"])
        raise


def _changed(spec: Json, main: str, act: str, release: str) -> Json:
    wanted = copy.deepcopy(spec)
    entry = next(one for one in wanted["sites"] if to_ascii(one["names"]["main"]) == main)
    if act == "preview":
        entry["preview"] = release
    elif act == "publish":
        entry["source"] = {"kind": "release", "release": release}
        if entry.get("preview") == release:
            entry.pop("preview")
    elif act == "starter":
        entry["source"] = {"kind": "starter"}
    else:
        entry["maintenance"] = act == "close"
    return wanted
