"""A first password for a few named people of each tenant, so that somebody can sign in after bring-up.

It is good for taking one's own only, and not for ever. All others get theirs later, on sheets. Passwords go into one
private file and nowhere else.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Protocol

from control_plane.model.audit import AuditAct
from control_plane.model.run import Actor
from control_plane.model.text import t
from control_plane.workflow.bringup import Tell
from control_plane.workflow.catalogue import Catalogue

PEOPLE_PER_TENANT = 5
COLUMNS = ("tenant", "uid", "dn", "password")
#: So many passwords are set between two writes of the file.
CHUNK = 25


class Passwords(Protocol):
    """Issues passwords in the directory, and says who has one."""

    def with_password(self) -> frozenset[str]:
        """Uids of all who have a password."""
        ...

    def issue(self, passwords: Mapping[str, str]) -> None:
        """Set passwords, by uid, that are good for taking one's own only. Raises ControlPlaneError."""
        ...


def issue_first_passwords(
    catalogue: Catalogue,
    directory: Passwords,
    file: Path,
    random: Callable[[], str],
    write: Callable[[Path, bytes], None],
    tell: Tell,
    fence: Callable[[str], None],
    actor: Actor,
    until: datetime,
) -> int:
    """Issue what is missing; returns how many were issued now. Killed and run again, it carries on. `fence` raises
    when nothing of a tenant may be changed now; it is asked before each portion. What nobody used `until` then is
    good for nothing any more (`staff_sheets.Sheets.expire`)."""
    rows = list(csv.DictReader(io.StringIO(file.read_text("utf-8")))) if file.exists() else []
    # who has a password, whoever set it, keeps it; a directory on a fresh disk knows nobody
    have = directory.with_password()
    rows = [row for row in rows if row["uid"] in have]
    wanted: dict[str, list[tuple[str, str]]] = {}
    for resource in catalogue.world().desired.values():
        if resource.kind == "directory.person":
            wanted.setdefault(resource.owner.tenant, []).append(
                (resource.attributes["uid"][0], resource.attributes["dn"])
            )
    todo = [
        (tenant, uid, dn)
        for tenant, people in sorted(wanted.items())
        for uid, dn in people[:PEOPLE_PER_TENANT]
        if uid not in have
    ]
    for tenant, _, _ in todo:  # before the file: it holds no password that nobody may set
        fence(tenant)
    for start in range(0, len(todo), CHUNK):
        for code in sorted({code for code, _, _ in todo[start : start + CHUNK]}):
            fence(code)
        new = [{"tenant": c, "uid": uid, "dn": dn, "password": random()} for c, uid, dn in todo[start : start + CHUNK]]
        rows += new
        out = io.StringIO()
        writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write(file, out.getvalue().encode())  # first written, then set: no password is lost by a kill
        codes = sorted({row["tenant"] for row in new})
        with catalogue.store.transaction():
            for code in codes:
                uids = [row["uid"] for row in new if row["tenant"] == code]
                catalogue.store.sheets.handed_out(code, uids, str(t("the first ones")), until, actor)
            catalogue.store.audit.record(AuditAct.FIRST_PASSWORDS, actor, tenants=codes, detail={"people": len(new)})
        directory.issue({row["uid"]: row["password"] for row in new})
        tell(min(start + CHUNK, len(todo)), len(todo), todo[min(start + CHUNK, len(todo)) - 1][0])
    return len(todo)
