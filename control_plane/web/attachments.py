"""Files that go with requests: add, take away, download. What is offered was checked for malware."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, request, url_for

from control_plane.model.attachment import LARGEST
from control_plane.model.errors import ControlPlaneError, Invalid, NotFound, Problem
from control_plane.model.people import Act
from control_plane.model.text import t
from control_plane.web import door
from control_plane.web.asking import check_page
from control_plane.web.door import needs
from control_plane.web.sent import download, sent_file

pages = Blueprint("attachments", __name__)


@pages.post("/portal/requests/<reference>/files")
@needs(Act.ASK, largest=LARGEST + (1 << 20))
def act(reference: str) -> Any:
    """Add a file to a request, or take one away."""
    row = door.client().requests.show(reference)
    wanted, _, number = request.form.get("act", "").partition(":")
    try:
        if wanted == "add":
            with sent_file("file") as (path, name):
                if path is None:
                    remedy = t("Choose a file.")
                    raise Invalid([Problem("no-file", t("No file was chosen."), remedy, field="file")])
                door.client().attachments.add(row["id"], path, name=name)
        elif wanted == "remove" and number.isascii() and number.isdigit() and len(number) < 10:
            door.client().attachments.remove(row["id"], int(number))
        else:
            raise NotFound(t("There is no such act."))
    except ControlPlaneError as error:
        return check_page(reference, error)
    return redirect(url_for("asking.check", reference=row["reference"], _anchor="files"), 303)


@pages.get("/portal/requests/<reference>/files/<int:number>")
@needs(Act.SEE_TENANT)
def fetch(reference: str, number: int) -> Any:
    """One file, for who sees the request."""
    return download(*door.client().attachments.fetch(reference, number))
